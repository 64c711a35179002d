"""What lies over the shipped rules can only tighten them, whatever it says and however it got there."""

from collections.abc import Iterator, Mapping
from hashlib import sha256

import pytest

from contracts.canonical import canonical_bytes
from contracts.decisions import Outcome, PolicyQuestion
from contracts.errors import SettingInvalid
from contracts.mission import AutonomyTier, Level, ReviewLevel
from contracts.stateflow import Layer
from policies import tenants
from policies.engine import Asks, PolicyEngine
from policies.questions import pass_question, plan_question, routing_question
from policies.rulefiles import Rule, files_of
from tests.policies.build import (
    ORACLE,
    admission,
    alone,
    approve,
    approver,
    edit,
    envelope,
    librarian_pass,
    package,
    plan,
    proposal,
    release,
    taint,
    task,
    tier,
)

STRICT = [Outcome.ALLOW, Outcome.ESCALATE, Outcome.DENY]


def questions() -> Iterator[PolicyQuestion]:
    """Questions of every action, some fine and some that only silence denies."""
    for mode in ("developer-light", "production", "nonsense"):
        yield admission(mode)
        yield admission(mode, autonomy_tier=AutonomyTier.AUTONOMOUS, risk_level=Level.LOW)
        yield admission(mode, risk_level=Level.HIGH)
        yield admission(mode, risk_level=Level.HIGH, review_level=ReviewLevel.PERSON)
        yield release(mode=mode)
        yield release(mode=mode, autonomy_tier=AutonomyTier.ADVISE)
        yield release(proposal(operation="note", after={"title": "x"}, precondition=None), mode=mode)
        yield release(proposal(after={"owner": "x"}, taint=taint("owner")), mode=mode)
        yield alone(proposal(risk_level=Level.HIGH), mode)
        yield approve(approver(), proposal(), deployment_mode=mode)
        yield approve(approver(capabilities=()), proposal(), deployment_mode=mode)
    yield edit(proposal(after={"stage": "won"}))
    yield edit(proposal(target_id="lead-2"))
    for calls in (1, 60, 900):
        yield pass_question(envelope(), librarian_pass(("root.get_lead", {"lead_id": "lead-1"}), calls=calls))
    yield pass_question(envelope(), librarian_pass(("root.add_note", {})))
    yield plan_question(envelope(), plan())
    yield plan_question(envelope(), plan(task()))
    yield routing_question(envelope(), package(), tier())
    yield routing_question(envelope(), package(), tier(provider="nonsense"))
    yield routing_question(envelope(mission_type=ORACLE), package(data_scope=()), tier(provider="nonsense"))


def over(files: Mapping[str, str]) -> Asks:
    content = canonical_bytes(dict(files))
    return PolicyEngine.load().over(sha256(content).hexdigest(), content)


def everything(annotation: str) -> dict[str, str]:
    text = '@id("{0}.our-all") @reason("all") {1} permit (principal, action, resource);'
    return {f"{layer}.all.cedar": text.format(layer, annotation) for layer in Layer}


@pytest.mark.parametrize("layer", Layer)
def test_a_tenants_permit_must_escalate(layer: Layer) -> None:
    assert over(everything("")).ask(admission()).outcome is Outcome.DENY
    shipped = PolicyEngine.load()
    with pytest.raises(SettingInvalid, match="only tighten"):
        PolicyEngine(tenants.over(shipped.files, {f"{layer}.all.cedar": everything("")[f"{layer}.all.cedar"]}), shipped)


def tightens(asks: Asks) -> None:
    """The check: no question gets a looser outcome than under the shipped rules alone."""
    shipped = PolicyEngine.load()
    looser = [
        (question.action, was.outcome, now.outcome)
        for question in questions()
        if STRICT.index((now := asks.ask(question)).outcome) < STRICT.index((was := shipped.ask(question)).outcome)
    ]
    assert looser == [], f"looser: {looser}"


def test_permits_for_everything_loosen_nothing() -> None:
    asks = over(everything('@escalate("look")'))
    tightens(asks)
    outcomes = {asks.ask(question).outcome for question in questions()}
    assert outcomes == {Outcome.ESCALATE, Outcome.DENY}


def test_if_a_tenants_permit_counted_as_a_shipped_one_it_would_loosen(monkeypatch: pytest.MonkeyPatch) -> None:
    asks = over(everything('@escalate("look")'))
    monkeypatch.setattr(Rule, "of_tenant", property(lambda rule: False))
    with pytest.raises(AssertionError, match="looser"):
        tightens(asks)


def test_a_forbid_of_a_tenant_holds_and_is_named() -> None:
    text = (
        '@id("release.our-budget") @reason("no {resource.fields}") forbid (principal, action, resource) '
        'when { resource has fields && resource.fields.contains("budget_max") };'
    )
    text = text.replace("principal, action, resource)", 'principal, action == Action::"release", resource)')
    text = text.replace("resource has fields && ", "")
    asks = over({"release.budget.cedar": text})
    tightens(asks)
    denied = asks.ask(release(proposal(after={"budget_max": 5})))
    assert (denied.outcome, denied.rules, denied.reasons) == (
        Outcome.DENY, ("release.our-budget",), ("no budget_max",),
    )  # fmt: skip
    assert asks.ask(release()).outcome is Outcome.ESCALATE
    again = PolicyEngine(files_of(asks.content))
    assert again.rules_sha256 == asks.rules_sha256
    assert again.ask(release(proposal(after={"budget_max": 5}))) == denied


def test_a_set_that_is_too_long_is_refused() -> None:
    shipped = PolicyEngine.load()
    with pytest.raises(SettingInvalid, match="more than"):
        tenants.over(shipped.files, {"release.a.cedar": "// " + "x" * tenants.MOST_CHARACTERS})


def test_a_set_is_parsed_once_and_its_questions_are_counted_with_the_others() -> None:
    shipped = PolicyEngine.load()
    content = canonical_bytes(everything('@escalate("look")'))
    name = sha256(content).hexdigest()
    one = shipped.over(name, content)
    assert shipped.over(name) is one
    assert shipped.known == (name,)
    one.ask(admission())
    decided: dict[tuple[str, str], object] = {}
    assert one.ask(admission(), decided) is one.ask(admission(), decided)  # type: ignore[arg-type]
    assert shipped.evaluations == 2
