from __future__ import annotations

from typing import Any

import pytest

from contracts.decisions import Outcome
from contracts.mission import MissionClass, Sensitivity
from contracts.tasks import LibrarianPass, TaskKind, TaskPlan
from policies.engine import PolicyEngine
from policies.limits import ALLOWANCES, TOOLS
from policies.questions import call_question, pass_question, plan_question
from tests.policies.build import CATALYST, CRM, HOSTILE, ORACLE, card, chain, envelope, librarian_pass, plan, task

ALLOW, ESCALATE, DENY = Outcome.ALLOW, Outcome.ESCALATE, Outcome.DENY
OWN = ("root.get_lead", {"lead_id": "lead-1"})
WEB = ("web.search", {"query": "rates"})
COMPUTE = {"kind": TaskKind.COMPUTE_METRICS}
ANSWER = {"kind": TaskKind.ANSWER_QUESTION}

PLANS = [
    pytest.param(CRM, plan(task()), ALLOW, "within-limits", id="one-task"),
    pytest.param(CRM, plan(*(task(f"t{i}") for i in range(12))), ALLOW, "within-limits", id="twelve-tasks"),
    pytest.param(CRM, plan(*(task(f"t{i}") for i in range(13))), DENY, "too-large", id="thirteen-tasks"),
    pytest.param(CRM, chain(6), ALLOW, "within-limits", id="six-deep"),
    pytest.param(CRM, chain(7), DENY, "too-deep", id="seven-deep"),
    pytest.param(CRM, plan(), DENY, None, id="no-task"),
    pytest.param(CRM, plan(task("a", "b"), task("b", "a")), DENY, "malformed", id="cycle"),
    pytest.param(CRM, plan(task("a", "a")), DENY, "malformed", id="waits-for-itself"),
    pytest.param(CRM, plan(task("a"), task("a")), DENY, "malformed", id="repeated-key"),
    pytest.param(CRM, plan(task("a", "gone")), DENY, "malformed", id="missing-dependency"),
    pytest.param(CRM, plan(task(**ANSWER)), DENY, "kind", id="kind-of-another-class"),
    pytest.param(CRM, plan(task(needs=("documents",))), DENY, "source", id="source-of-another-class"),
    pytest.param(CRM, plan(task(needs=("lead", "LEAD"))), DENY, "source", id="source-in-another-case"),
    pytest.param(ORACLE, plan(task(needs=("documents", "page"), **ANSWER)), ALLOW, "within-limits", id="oracle"),
    pytest.param(ORACLE, plan(task(needs=("web",), **ANSWER)), DENY, "research-off", id="web-when-off"),
    pytest.param(CATALYST, plan(task(needs=("campaign",), **ANSWER)), ALLOW, "within-limits", id="catalyst"),
    pytest.param(CATALYST, plan(task(needs=("dataset",), **COMPUTE)), ALLOW, "within-limits", id="catalyst-computes"),
    pytest.param(CATALYST, plan(task(needs=("lead",), **COMPUTE)), DENY, "source", id="catalyst-on-a-lead"),
    pytest.param(CRM, plan(task(needs=("lead",), **COMPUTE)), DENY, "kind", id="crm-computes"),
    pytest.param(CATALYST, plan(task(kind=TaskKind.PROPOSE_WRITEBACKS, needs=())), DENY, "kind", id="catalyst-writes"),
]


@pytest.mark.parametrize(("mission_class", "asked", "outcome", "rule"), PLANS)
def test_plan(
    engine: PolicyEngine, mission_class: MissionClass, asked: TaskPlan, outcome: Outcome, rule: str | None
) -> None:
    decision = engine.ask(plan_question(envelope(mission_type=mission_class), asked))
    assert decision.outcome is outcome, decision.reasons
    assert (f"scope.plan-{rule}" in decision.rules) if rule else not decision.rules


def grants(tool: str, **arguments: Any) -> LibrarianPass:
    return librarian_pass((tool, arguments))


DATASET = {"dataset": "d.csv"}
NAMED = {"question": "why?", "document_ids": ["d-1", "d-2"]}

PASSES = [
    pytest.param(CRM, None, librarian_pass(OWN), ALLOW, "reads", id="own-lead"),
    pytest.param(CRM, None, grants("root.get_chat", lead_id="lead-1", limit=50), ALLOW, "reads", id="own-chat"),
    pytest.param(CRM, None, grants("root.get_kanban"), ALLOW, "reads", id="board"),
    pytest.param(CRM, None, librarian_pass(), ALLOW, "reads", id="nothing-granted"),
    pytest.param(CRM, None, grants("root.get_lead", lead_id="lead-2"), DENY, "foreign-argument", id="another-lead"),
    pytest.param(CRM, None, grants("root.get_lead"), DENY, "foreign-argument", id="no-lead-named"),
    pytest.param(CRM, None, grants("root.get_lead", lead_id=None), DENY, "foreign-argument", id="null-lead"),
    pytest.param(CRM, None, grants("root.get_lead", lead_id=["lead-1", "lead-2"]), DENY, "foreign-argument", id="two"),
    pytest.param(CRM, None, grants("root.get_lead", lead_id={"x": "lead-1"}), DENY, "foreign-argument", id="record"),
    pytest.param(CRM, None, grants("root.get_lead", lead_id=[]), DENY, "foreign-argument", id="no-lead-in-a-list"),
    pytest.param(
        CRM, None, grants("root.get_lead", lead_id="lead-1", expand="all"), DENY, "foreign-argument", id="new"
    ),
    pytest.param(
        CRM, None, librarian_pass(OWN, route_cards=(card("root.get_chat"),)), DENY, "card-without-grant", id="card"
    ),
    pytest.param(
        CRM,
        None,
        librarian_pass(OWN, route_cards=(card("root.get_lead", lead_id="lead-2"),)),
        DENY,
        "foreign-argument",
        id="card-for-another-lead",
    ),
    pytest.param(CRM, None, grants("root.patch_lead"), DENY, "writes", id="write-tool"),
    pytest.param(CRM, None, grants("root.drop_table"), DENY, "tool", id="unknown-tool"),
    pytest.param(CRM, None, grants("root.get_kanban\0"), DENY, "tool", id="unclean-tool"),
    pytest.param(CRM, None, grants("root.get_document", document_id="d-1"), DENY, "tool", id="tool-of-another-class"),
    pytest.param(CRM, None, librarian_pass(OWN, data_scope=("documents",)), DENY, "data", id="scope-of-another-class"),
    pytest.param(CRM, None, librarian_pass(OWN, calls=40), ALLOW, "reads", id="usual-calls"),
    pytest.param(CRM, None, librarian_pass(OWN, calls=41), ESCALATE, "many-reads", id="one-call-more"),
    pytest.param(CRM, None, librarian_pass(OWN, calls=200), ESCALATE, "many-reads", id="most-calls"),
    pytest.param(CRM, None, librarian_pass(OWN, calls=201), DENY, "calls", id="one-call-too-many"),
    pytest.param(CRM, None, librarian_pass(OWN, ttl_ms=3_600_001), DENY, "ttl", id="lives-too-long"),
    pytest.param(CRM, None, librarian_pass(OWN, ttl_ms=0), DENY, "ttl", id="lives-not-at-all"),
    pytest.param(ORACLE, None, grants("root.get_page", page_id="page-1"), ALLOW, "reads", id="own-page"),
    pytest.param(ORACLE, None, grants("root.get_page", page_id="page-2"), DENY, "foreign-argument", id="another-page"),
    pytest.param(ORACLE, None, grants("root.search_documents", query="fees"), ALLOW, "reads", id="search"),
    pytest.param(ORACLE, None, grants("root.get_document", document_id="d-9"), ALLOW, "reads", id="any-document"),
    pytest.param(ORACLE, NAMED, grants("root.get_document", document_id="d-2"), ALLOW, "reads", id="named-document"),
    pytest.param(ORACLE, NAMED, grants("root.get_document", document_id="d-9"), DENY, "foreign-argument", id="unnamed"),
    pytest.param(ORACLE, None, grants("root.get_lead", lead_id="lead-1"), DENY, "foreign-argument", id="unasked-lead"),
    pytest.param(ORACLE, None, librarian_pass(WEB), DENY, "research-off", id="web-when-off"),
    pytest.param(CATALYST, None, grants("root.get_campaign", campaign_id="c-1"), ALLOW, "reads", id="own-campaign"),
    pytest.param(
        CATALYST, None, grants("root.get_campaign", campaign_id="c-2"), DENY, "foreign-argument", id="other-c"
    ),
    pytest.param(
        CATALYST, {"campaign_id": 1}, grants("root.get_campaign", campaign_id=True), DENY, "foreign-argument", id="1"
    ),
    pytest.param(CATALYST, DATASET, grants("root.get_dataset", dataset="d.csv"), ALLOW, "reads", id="own-dataset"),
    pytest.param(
        CATALYST, DATASET, grants("root.get_dataset", dataset="e.csv"), DENY, "foreign-argument", id="other-d"
    ),
    pytest.param(CATALYST, DATASET, grants("root.get_dataset"), DENY, "foreign-argument", id="no-dataset-named"),
    pytest.param(
        CATALYST, None, grants("root.get_dataset", dataset="c-1"), DENY, "foreign-argument", id="campaign-as-d"
    ),
    pytest.param(ORACLE, DATASET, grants("root.get_dataset", dataset="d.csv"), DENY, "tool", id="dataset-for-oracle"),
    pytest.param(CATALYST, DATASET, grants("root.get_lead", lead_id="lead-1"), DENY, "tool", id="lead-for-catalyst"),
]


@pytest.mark.parametrize(("mission_class", "inputs", "asked", "outcome", "rule"), PASSES)
def test_pass(
    engine: PolicyEngine,
    mission_class: MissionClass,
    inputs: dict[str, Any] | None,
    asked: LibrarianPass,
    outcome: Outcome,
    rule: str,
) -> None:
    changes = {"inputs": inputs} if inputs else {}
    decision = engine.ask(pass_question(envelope(mission_type=mission_class, **changes), asked))
    assert decision.outcome is outcome, decision.reasons
    assert f"scope.pass-{rule}" in decision.rules


def test_the_refused_arguments_are_named_to_people(engine: PolicyEngine) -> None:
    decision = engine.ask(pass_question(envelope(), grants("root.get_lead", lead_id="lead-2")))
    assert decision.reasons == ("the pass reaches for something the mission was not started on: root.get_lead.lead_id",)


@pytest.mark.parametrize(
    ("sensitivity", "enabled", "outcome"),
    [
        pytest.param(Sensitivity.INTERNAL, True, ALLOW, id="enabled"),
        pytest.param(Sensitivity.INTERNAL, False, DENY, id="off"),
        pytest.param(Sensitivity.PERSONAL, True, DENY, id="personal-data-never-leaves-in-a-query"),
    ],
)
def test_research_outside(engine: PolicyEngine, sensitivity: Sensitivity, enabled: bool, outcome: Outcome) -> None:
    asked = envelope(mission_type=ORACLE, sensitivity_class=sensitivity)
    needs_web = plan(task(needs=("web",), **ANSWER))
    assert engine.ask(plan_question(asked, needs_web, research_enabled=enabled)).outcome is outcome
    assert engine.ask(pass_question(asked, librarian_pass(WEB), research_enabled=enabled)).outcome is outcome


CALLS = [
    pytest.param("root.get_lead", Sensitivity.PERSONAL, False, ALLOW, "scope.call-reads", id="a-read"),
    pytest.param("root.add_note", Sensitivity.PERSONAL, False, DENY, "scope.call-writes", id="a-write"),
    pytest.param("shell.run", Sensitivity.INTERNAL, True, DENY, "scope.call-writes", id="unknown"),
    pytest.param("web.search", Sensitivity.INTERNAL, True, ALLOW, "scope.call-reads", id="research"),
    pytest.param("web.search", Sensitivity.INTERNAL, False, DENY, "scope.call-research-off", id="research-off"),
    pytest.param(
        "web.open", Sensitivity.PERSONAL, True, DENY, "scope.call-no-research-on-personal-data", id="personal-data"
    ),
]


@pytest.mark.parametrize(("tool", "sensitivity", "research", "outcome", "rule"), CALLS)
def test_a_call_at_the_tool_itself(
    engine: PolicyEngine, tool: str, sensitivity: Sensitivity, research: bool, outcome: Outcome, rule: str
) -> None:
    asked = envelope(sensitivity_class=sensitivity)
    decision = engine.ask(call_question(asked, "facts", tool, research_enabled=research))
    assert (decision.outcome, decision.rules) == (outcome, (rule,))


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in HOSTILE.items()])
def test_a_hostile_lead_id_is_only_another_lead(engine: PolicyEngine, text: str) -> None:
    foreign = pass_question(envelope(), librarian_pass(("root.get_lead", {"lead_id": text})))
    assert engine.ask(foreign).rules == ("scope.pass-foreign-argument",)


@pytest.mark.parametrize("text", [pytest.param(t, id=n) for n, t in HOSTILE.items() if n != "surrogate"])
def test_a_hostile_tool_source_or_argument_name_is_refused(engine: PolicyEngine, text: str) -> None:
    for asked in (
        librarian_pass(OWN, (text, {})),
        librarian_pass(("root.get_lead", {"lead_id": "lead-1", text: "lead-1"})),
        librarian_pass(OWN, data_scope=(text,)),
    ):
        assert engine.ask(pass_question(envelope(), asked)).outcome is DENY
    assert engine.ask(plan_question(envelope(), plan(task(needs=(text,))))).outcome is DENY


def test_every_class_has_an_allowance_of_known_tools() -> None:
    assert set(ALLOWANCES) == set(MissionClass)
    for allowance in ALLOWANCES.values():
        assert all(not TOOLS[tool].writes and TOOLS[tool].source in allowance.sources for tool in allowance.tools)
        assert all(TOOLS[tool].writes for tool in allowance.writes)
