"""Checking rules: the shipped ones pass all of it, and each lint and each kind of wrong test is found."""

import pytest

from contracts.decisions import Outcome, PolicyQuestion
from contracts.errors import SettingInvalid
from policies.cases import cases_in, tried, usual_questions
from policies.checking import Checked, checked, shipped_files
from policies.engine import PolicyEngine, unanswerable
from policies.inputs import inputs, replaced
from policies.vocabulary import ACTIONS, DEPLOYMENT_MODES
from server.settings import DeploymentMode
from tests.policies.test_own_rules import questions

SHIPPED = PolicyEngine.load()
CHANGES = 'action in [Action::"release", Action::"edit", Action::"approve"]'


def test_the_shipped_rules_pass_their_own_check_and_every_one_is_tested() -> None:
    found = checked(shipped_files(), SHIPPED)
    assert (found.problems, found.findings, found.untested) == ((), (), ())
    assert found.results.passed >= len(SHIPPED.rules)
    assert found.engine is not None
    assert found.engine.rules_sha256 == SHIPPED.rules_sha256


def test_a_shipped_rule_that_is_gone_fails_its_test() -> None:
    cases = cases_in(shipped_files()["tests.yaml"])
    for rule in SHIPPED.rules[:: len(SHIPPED.rules) // 8]:
        about = [case for case in cases if rule.rule_id in case.rules]
        results = tried(SHIPPED.without(rule.layer, [rule.rule_id]), about)
        assert len(results.failed) == len(about) > 0, rule.rule_id


def test_the_usual_questions_are_complete_and_fine() -> None:
    usual = usual_questions()
    assert set(usual) == {action for actions in ACTIONS.values() for action in actions}
    for action, question in usual.items():
        assert action in ACTIONS[question.layer]
        assert SHIPPED.ask(question).outcome is (Outcome.ESCALATE if action == "release" else Outcome.ALLOW), action
    shapes = {asked.action: set(inputs(asked)) for asked in questions()}
    assert {action: shape for action, shape in shapes.items() if shape != set(inputs(usual[action]))} == {}
    assert {mode.value for mode in DeploymentMode} == DEPLOYMENT_MODES


def own(rule: str, effect: str = "forbid", when: str = "", head: str = "", note: str = "") -> Checked:
    scope = head or f"principal, {CHANGES}, resource"
    text = f'@id("release.our-{rule}") @reason("r {note}") {head and ""}{effect} ({scope}) {when};'
    return checked({"release.own.cedar": text}, SHIPPED)


FINDINGS = {
    "never-asked": own("x", head='principal, action == Action::"admit", resource'),
    "forbids-everything": own("x"),
    "never-applies": own("x", when='when { resource.operation == "note" && resource.operation == "task" }'),
    "unknown-value": own("x", when='when { resource.operation == "pacth" }'),
    "unknown-placeholder": own("x", when="when { resource.cited }", note="{resource.feilds}"),
    "says-the-same": own("x", when="unless { resource.own_target }"),
    "nobody-looks": checked(
        {"scope.o.cedar": '@id("scope.our-x") @reason("r") @escalate("e") permit (principal, action == Action::"call", '
         "resource) when { context.calls > 3 };"}, SHIPPED,
    ),
}  # fmt: skip


@pytest.mark.parametrize("code", FINDINGS)
def test_what_is_certainly_wrong_is_found(code: str) -> None:
    found = FINDINGS[code]
    assert found.engine is not None, found.problems
    assert [finding.code for finding in found.findings] == [code]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("permit (principal, action, resource);", "permits-everything"),
        ('permit (principal, action == Action::"admit", resource);', "permits-everything"),
        ('permit (principal, action == Action::"admit", resource) when { true && false };', "never-applies"),
        (
            'permit (principal, action == Action::"admit", resource) when { context.tenant_disabled } '
            "unless { context.tenant_disabled };",
            "never-applies",
        ),
        (
            'permit (principal, action == Action::"admit", resource) when { context.tenant_disabled };',
            "shadowed",
        ),
    ],
)
def test_what_is_certainly_wrong_in_a_whole_set_is_found(text: str, code: str) -> None:
    files = shipped_files()
    files["admission.cedar"] += f'\n@id("admission.x") @reason("r") {text}'
    assert [f.code for f in checked(files, SHIPPED).findings if f.rule_id == "admission.x"] == [code]


@pytest.mark.parametrize(
    "when",
    [
        'when { resource.operation == "note" && resource.entity == "lead" }',
        'when { resource.operation == "note" || resource.operation == "task" }',
        "when { resource.cited } unless { resource.own_target }",
        'when { resource.fields.contains("budget_max") }',
    ],
)
def test_what_may_be_meant_is_not_found(when: str) -> None:
    assert own("x", when=when, note="{resource.fields} {principal.tenant}").findings == ()


GOOD = "tests:\n  - {name: a, action: release, given: {resource.fields: [stage]}, expect: escalate}\n"
BAD = {
    "not-yaml": "tests: [",
    "no-list": "tests: 3",
    "another-key": GOOD + "more: 1\n",
    "an-alias": "tests:\n  - &a {name: a, action: release, expect: escalate}\n  - *a\n",
    "an-unknown-action": GOOD.replace("release", "publish"),
    "an-unknown-input": GOOD.replace("resource.fields", "resource.feilds"),
    "half-an-input": GOOD.replace("resource.fields: [stage]", "context.change: {}"),
    "an-unknown-outcome": GOOD.replace("escalate", "maybe"),
    "no-expectation": GOOD.replace(", expect: escalate", ""),
    "an-outcome-in-a-list": GOOD.replace("expect: escalate", "expect: [escalate]"),
    "a-date-that-there-is-not": GOOD.replace("[stage]", "2026-02-31"),
    "a-number-that-is-too-long": GOOD.replace("[stage]", "9" * 5_000),
    "half-a-character": GOOD.replace("[stage]", '"\\ud800"'),
    "too-deep": "tests: " + "[" * 20_000,
    "an-unknown-part": GOOD.replace("expect:", "because: x, expect:"),
}


@pytest.mark.parametrize("name", BAD)
def test_tests_that_can_not_be_read_are_refused(name: str) -> None:
    with pytest.raises(SettingInvalid, match=r"tests\.yaml"):
        cases_in(BAD[name])


def test_a_test_that_does_not_hold_says_what_came_instead() -> None:
    text = '@id("release.our-x") @reason("r") forbid (principal, action == Action::"release", resource);'
    found = checked({"release.x.cedar": text, "tests.yaml": GOOD}, SHIPPED)
    assert found.problems == ("test 'a': it is deny by release.our-x, not escalate",)
    assert found.untested == ()
    held = checked({"release.x.cedar": text, "tests.yaml": GOOD.replace("escalate", "deny")}, SHIPPED)
    assert (held.problems, held.results.passed) == ((), 1)


def test_an_input_of_another_type_is_a_test_that_fails() -> None:
    asked: PolicyQuestion = replaced(usual_questions()["release"], "resource.fields", "stage")
    assert unanswerable(SHIPPED.ask(asked))
    denied = GOOD.replace("[stage]", "stage").replace("escalate", "deny")
    (problem,) = checked({"release.x.cedar": "", "tests.yaml": denied}, SHIPPED).problems
    assert problem.startswith("test 'a': it is no question: it could not be evaluated")
