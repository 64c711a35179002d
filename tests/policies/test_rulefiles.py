from __future__ import annotations

from pathlib import Path

import pytest

from contracts.errors import SettingInvalid
from policies.engine import PolicyEngine
from policies.questions import accept_question, call_question, pass_question, plan_question, routing_question
from tests.policies import test_admission, test_release, test_routing, test_scope
from tests.policies.build import admission, alone, approve, envelope, proposal
from tests.policies.spoil import extended, spoil

REFUSED = [
    pytest.param("permit (principal, action, resource) when { context.nope };", "no @id", id="no-id"),
    pytest.param('@id("") @reason("x") permit (principal, action, resource);', "no @id", id="empty-id"),
    pytest.param(
        '@id("scope.x") @reason("x") permit (principal, action, resource);', "scope.x", id="id-of-another-layer"
    ),
    pytest.param('@id("admission.X y") @reason("x") permit (principal, action, resource);', "X y", id="id-not-a-name"),
    pytest.param('@id("admission.x") permit (principal, action, resource);', "no @reason", id="no-reason"),
    pytest.param(
        '@id("admission.x") @reason(" ") permit (principal, action, resource);', "no @reason", id="blank-reason"
    ),
    pytest.param(
        '@id("admission.x") @reason("x") @escalte("y") permit (principal, action, resource);', "@escalte", id="misspelt"
    ),
    pytest.param(
        '@id("admission.x") @reason("x") @escalate permit (principal, action, resource);',
        "@escalate",
        id="mute-escalate",
    ),
    pytest.param(
        '@id("admission.x") @reason("x") @escalate("y") forbid (principal, action, resource);',
        "forbid",
        id="forbid-asks",
    ),
    pytest.param(
        '@id("admission.known-mission") @reason("x") permit (principal, action, resource);',
        "already",
        id="duplicate-id",
    ),
    pytest.param(
        '@id("admission.x") @reason("x") forbid (principal, action == Action::"admit", resource) when {context.nope};',
        "nope",
        id="not-in-the-schema",
    ),
    pytest.param(
        '@id("admission.x") @reason("x") permit (principal, action == Action::"admit", resource) '
        'when { context.token_budget == "much" };',
        "rule admission.x",
        id="wrong-type",
    ),
    pytest.param(
        '@id("admission.x") @reason("x") permit (principal, action == Action::"amdit", resource);', "amdit", id="action"
    ),
    pytest.param(
        '@id("admission.x") @reason("x") permit (principal == ?principal, action, resource);', "template", id="t"
    ),
    pytest.param("permit (principal, action, resource) when {", "admission.cedar", id="broken-syntax"),
    pytest.param(
        '@id("admission.x") @reason("x\u202e") permit (principal, action, resource);', "invisible", id="invisible"
    ),
    pytest.param(
        r'@id("admission.x") @reason("\u{202e}x") permit (principal, action, resource);', "invisible", id="escaped"
    ),
    pytest.param(
        f'@id("admission.x") @reason("{"x" * 2_001}") permit (principal, action, resource);', "longer than", id="long"
    ),
    pytest.param(
        r'@id("admission.x") @reason("x\0") permit (principal, action, resource);', "invisible", id="escaped-nul"
    ),
    pytest.param(
        r'@id("admission.x") @reason("x") @escalate("\u{200b}") permit (principal, action, resource);',
        "@escalate holds invisible",
        id="escalates-for-nothing-that-shows",
    ),
]


@pytest.mark.parametrize(("text", "named"), REFUSED)
def test_rules_that_could_mean_something_else_are_refused_at_load(rules: Path, text: str, named: str) -> None:
    with pytest.raises(SettingInvalid) as refused:
        extended(rules, text)
    assert refused.value.code == "policy_invalid"
    assert "admission.cedar" in refused.value.message
    assert named in refused.value.message


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("schema.cedarschema", b"entity Actor = {", id="broken-schema"),
        pytest.param("schema.cedarschema", None, id="no-schema"),
        pytest.param("scope.cedar", None, id="no-layer-file"),
        pytest.param("extra.cedar", b"", id="no-such-layer"),
        pytest.param("scope.cedar", b"\xff\xfe", id="not-utf8"),
    ],
)
def test_a_directory_that_is_not_whole_is_refused(rules: Path, name: str, content: bytes | None) -> None:
    (rules / name).unlink(missing_ok=True)
    if content is not None:
        (rules / name).write_bytes(content)
    with pytest.raises(SettingInvalid, match=name) as refused:
        PolicyEngine.load(rules)
    assert refused.value.code == "policy_invalid"


def test_a_policy_is_added_by_adding_a_file(rules: Path, engine: PolicyEngine) -> None:
    text = '@id("admission.acme-only") @reason("not acme") forbid (principal, action, resource);'
    acme = PolicyEngine.load(spoil(rules, "admission.acme.cedar", text))
    assert acme.ask(admission()).rules == ("admission.acme-only",)
    assert len(acme.rules) == len(engine.rules) + 1


def test_a_duplicate_across_files_is_refused(rules: Path) -> None:
    text = '@id("admission.known-mission") @reason("x") permit (principal, action, resource);'
    with pytest.raises(SettingInvalid, match=r"admission\.cedar has a rule of this @id already"):
        PolicyEngine.load(spoil(rules, "admission.zz.cedar", text))


def test_every_rule_says_something_people_can_read(engine: PolicyEngine) -> None:
    for rule in engine.rules:
        for sentence in filter(None, (rule.reason, rule.escalate)):
            assert len(sentence) < 140
            assert not sentence.endswith(".")


def test_every_shipped_rule_determines_a_case(engine: PolicyEngine) -> None:
    """A rule that no case needs is one that nobody would miss."""
    asked = [case.values[0] for case in (*test_admission.CASES, *test_release.CASES, *test_release.EDITS)]
    asked += [plan_question(envelope(mission_type=c), of) for c, of, *_ in (p.values for p in test_scope.PLANS)]
    asked += [
        pass_question(envelope(mission_type=kind, **({"inputs": inputs} if inputs else {})), of)
        for kind, inputs, of, *_ in (p.values for p in test_scope.PASSES)
    ]
    asked += [
        routing_question(envelope(sensitivity_class=sensitivity), prompt, facts)
        for sensitivity, prompt, facts, *_ in (p.values for p in test_routing.CASES)
    ]
    asked += [
        approve(person, proposal(), **circumstances)
        for person, circumstances, *_ in (p.values for p in test_release.APPROVALS)
    ]
    asked += [
        accept_question(who, envelope(), deployment_mode=m) for who, m, *_ in (p.values for p in test_release.ACCEPTS)
    ]
    asked += [
        call_question(envelope(sensitivity_class=sensitivity), "facts", tool, research_enabled=research)
        for tool, sensitivity, research, *_ in (p.values for p in test_scope.CALLS)
    ]
    asked += [alone(proposal(**of), m, **made) for of, made, m, *_ in (p.values for p in test_release.ALONE)]
    needed = {rule for question in asked for rule in engine.ask(question).rules}
    # These three need more than a case can say, and have a test of their own.
    assert {rule.rule_id for rule in engine.rules} - needed == {
        "admission.other-tenant",
        "scope.plan-no-research-on-personal-data",
        "scope.pass-no-research-on-personal-data",
    }
