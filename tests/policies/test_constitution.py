"""The constitution's limits: whatever the rules would let through, what is beyond one is denied, and says which."""

from typing import Any

import pytest

from contracts.constitution import HardLimits
from contracts.decisions import Outcome, PolicyDecision, PolicyQuestion
from contracts.mission import AutonomyTier, ModelTier, Sensitivity
from policies.constitution import SHIPPED, developers, forbids, held, people_for
from policies.counterfactual import changes, without
from policies.engine import PolicyEngine
from policies.questions import TierFacts, call_question, routing_question
from tests.policies.build import admission, alone, envelope, package, proposal, release

OPEN = developers(alone=True).limits
PERSONAL = envelope(sensitivity_class=Sensitivity.PERSONAL)
CLOUD = TierFacts(tier=ModelTier.CLOUD_STANDARD, provider="openai", personal_allowed=True)


def decided(question: PolicyQuestion, **limits: Any) -> PolicyDecision:
    constitution = SHIPPED.model_copy(update={"limits": OPEN.model_copy(update=limits)})
    allowed = PolicyDecision(
        layer=question.layer,
        outcome=Outcome.ALLOW,
        rules=("a.rule",),
        reasons=("anything goes",),
        question=question,
        question_sha256=question.sha256(),
        rules_sha256="a" * 64,
    )
    found = held(constitution, allowed)
    assert found.constitution_sha256 == constitution.sha256()
    return found


CASES = {
    "autonomy": (
        release(autonomy_tier=AutonomyTier.AUTONOMOUS),
        {"autonomy_tiers": (AutonomyTier.ADVISE,)},
        "constitution.autonomy",
    ),
    "effects": (release(proposal(operation="note")), {"effects": ("task",)}, "constitution.effects"),
    "field": (release(proposal(after={"Contact": {"e-Mail": "x"}})), {"forbidden_fields": ("e_mail",)}, None),
    "container": (release(proposal(after={"Contact": {"x": 1}})), {"forbidden_fields": ("contact",)}, None),
    "personal": (
        routing_question(PERSONAL, package(), CLOUD),
        {"personal_data_tiers": (ModelTier.LOCAL_PRIVATE,)},
        "constitution.personal-data",
    ),
    "research-wanted": (admission(inputs={"external_research": True}), {"external_research": False}, None),
    "research-called": (call_question(envelope(), "t", "web.search"), {"external_research": False}, None),
    "rules": (admission(), {"rules_sha256": ("b" * 64,)}, "constitution.rules"),
}
NAMES = {"field": "fields", "container": "fields", "research-wanted": "research", "research-called": "research"}


@pytest.mark.parametrize("name", CASES)
def test_what_is_beyond_a_limit_is_denied_whatever_the_rules_say(name: str) -> None:
    question, limits, rule = CASES[name]
    found = decided(question, **limits)
    assert (found.outcome, found.rules) == (Outcome.DENY, (rule or f"constitution.{NAMES[name]}",))
    assert "constitution" in found.reasons[0]


@pytest.mark.parametrize("name", CASES)
def test_within_the_limits_the_rules_decide(name: str) -> None:
    found = decided(CASES[name][0])
    assert (found.outcome, found.rules) == (Outcome.ALLOW, ("a.rule",))


def test_a_write_is_held_against_the_limits_once_more_before_it_goes_out() -> None:
    narrow = OPEN.model_copy(update={"effects": ("task",), "forbidden_fields": ("notes",)})
    broken = forbids(narrow, proposal(operation="note", after={"Notes": "x"}), AutonomyTier.ASSISTED)
    assert [name for name, _ in broken] == ["constitution.effects", "constitution.fields"]
    fine = proposal(operation="note", after={"text": "x"})
    assert forbids(OPEN, fine, AutonomyTier.ASSISTED) == ()
    advice = OPEN.model_copy(update={"autonomy_tiers": (AutonomyTier.ADVISE,)})
    for limits, tier in ((advice, AutonomyTier.ASSISTED), (OPEN, None)):
        assert [name for name, _ in forbids(limits, fine, tier)] == ["constitution.autonomy"]


def test_as_many_people_as_the_constitution_asks_for_must_agree_to_what_is_of_high_risk() -> None:
    three = OPEN.model_copy(update={"high_risk_people": 3})
    assert people_for(three, alone(proposal(risk_level="high"), "production")) == 3
    assert people_for(three, alone(proposal(operation="message"), "production")) == 3
    assert people_for(three, alone(proposal(), "production")) == 1


def test_the_shipped_one_is_as_strict_as_production_s_rules_and_the_developers_as_loose_as_theirs() -> None:
    assert AutonomyTier.AUTONOMOUS not in SHIPPED.limits.autonomy_tiers
    assert (SHIPPED.limits.external_research, SHIPPED.limits.high_risk_people, SHIPPED.people) == (False, 2, 2)
    assert developers(alone=False).limits.high_risk_people == 2


def test_limits_are_a_closed_contract() -> None:
    with pytest.raises(ValueError, match="extra"):
        HardLimits.model_validate({**SHIPPED.limits.model_dump(), "anything": True})


def test_what_would_have_changed_a_denial_is_tried_under_the_constitution_too() -> None:
    engine = PolicyEngine.load()
    law = SHIPPED.model_copy(update={"limits": OPEN.model_copy(update={"forbidden_fields": ("notes",)})})
    denied = held(law, engine.ask(release(proposal(after={"stage": "x", "notes": "y"}))))
    assert (denied.outcome, denied.rules) == (Outcome.DENY, ("constitution.fields",))
    (gone,) = without(engine, denied, law)
    assert (gone.removed, gone.outcome, gone.rules) == (denied.rules, Outcome.ESCALATE, ("release.person-decides",))
    found = {(c.path, tuple(c.instead)): c for c in changes(engine, denied, law) if c.path == "resource.fields"}
    assert found["resource.fields", ("stage",)].outcome is Outcome.ESCALATE
    assert all("notes" not in kept for _, kept in found)
    both = held(law, engine.ask(release(proposal(after={"owner": "x", "notes": "y"}))))
    assert {w.removed: w.outcome for w in without(engine, both, law)} == {
        (both.rules[0],): Outcome.DENY,
        **{(rule,): Outcome.DENY for rule in both.rules[1:]},
        both.rules: Outcome.ESCALATE,
    }
