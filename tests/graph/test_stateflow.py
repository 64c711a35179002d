"""The stateflow table is the graph, and the events a mission records are those that the table says."""

from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest
from langgraph.graph import END, START

from contracts.events import TERMINAL_EVENTS, EventType
from contracts.stateflow import ENDED, RUNNABLE, STATEFLOW, STATUS_MOVES, Stage, Status, may_move
from graph.routing import next_stage
from graph.topology import build, compiled, roles
from tests.graph.lab import Lab, Swaps

GENERAL = {
    "intent.received",
    "stage.entered",
    "mission.resumed",
    "mission.retried",
    "budget.exceeded",
    "constitution.updated",
}
BY_COMMAND = {
    *("approval.decided", "approval.refused", "approval.escalated"),
    *("mission.cancelled", "mission.expired", "mission.forked"),
}


def test_every_next_stage_is_an_edge_of_the_graph_and_every_edge_a_next_stage() -> None:
    graph = compiled().builder
    edges = set(graph.edges)
    edges |= {(stage, to) for stage, by in graph.branches.items() for b in by.values() for to in b.ends.values()}
    table = {(stage.value, to.value) for stage, flow in STATEFLOW.items() for to in flow.next}
    ends = {(stage.value, END) for stage, flow in STATEFLOW.items() if not flow.next}
    assert edges == table | ends | {(START, Stage.ADMISSION.value)}


def test_every_stage_is_a_node_with_the_tables_timeout_attempts_and_fallback() -> None:
    nodes = build().nodes
    placed = {Stage(name) for name in nodes if name in list(Stage)}
    assert placed == set(STATEFLOW) == set(Stage) == set(roles())
    for stage, flow in STATEFLOW.items():
        policy = nodes[stage.value].retry_policy
        assert policy is not None
        assert getattr(policy, "max_attempts", None) == flow.attempts
        assert flow.timeout_ms > 0
        assert (flow.fallback is None) == (not flow.next)


def test_every_stage_can_be_reached_and_leads_to_an_end() -> None:
    leads = {s: set(f.next) | ({f.fallback} if f.fallback else set()) for s, f in STATEFLOW.items()}
    reached, waiting = {Stage.ADMISSION}, [Stage.ADMISSION]
    while waiting:
        new = leads[waiting.pop()] - reached
        reached |= new
        waiting += new
    assert reached == set(Stage)
    for stage in Stage:
        seen, waiting = {stage}, [stage]
        while waiting:
            new = leads[waiting.pop()] - seen
            seen |= new
            waiting += new
        assert any(not leads[s] for s in seen)


@pytest.mark.parametrize("stage", list(Stage))
def test_every_next_stage_is_reached_by_some_state(stage: Stage) -> None:
    blocked: Any = {"status": "blocked"}
    states: list[Any] = [
        {"verdict": verdict, "release": {"granted": granted}, **outcome}
        for verdict in ("release", "revise", "refuse")
        for granted in (0, 1)
        for outcome in ({}, {"outcome": blocked})
    ]
    reached = set()
    for state in states:
        if stage in {Stage.RESEARCHER, Stage.WORKERS, Stage.AGGREGATOR, Stage.WRITEBACK} and "outcome" in state:
            continue
        to = next_stage(stage, state)
        reached |= {to} if to else set()
    assert reached == set(STATEFLOW[stage].next)


def test_a_stage_that_asks_no_policy_can_not_be_blocked() -> None:
    with pytest.raises(RuntimeError):
        next_stage(Stage.WORKERS, {"outcome": {"status": "blocked"}})  # type: ignore[typeddict-item]


def test_no_event_is_without_a_stage_or_a_command_that_records_it() -> None:
    emitted = {name for flow in STATEFLOW.values() for name in flow.emits}
    known = {e.value for e in EventType}
    assert emitted <= known
    assert known - emitted == {*GENERAL, *BY_COMMAND} - emitted


def test_statuses_end_or_run_or_wait() -> None:
    assert set(STATUS_MOVES) == set(Status)
    assert set(Status) - ENDED - RUNNABLE == {Status.AWAITING_APPROVAL}
    assert set(TERMINAL_EVENTS.values()) == ENDED
    assert [s for s in ENDED if STATUS_MOVES[s]] == [s for s in ENDED if may_move(s, Status.RUNNING)]


def by_stage(events: list[dict[str, Any]]) -> dict[str, set[str]]:
    """Return what each stage recorded: a stage is at work from its entry to the next one's."""
    found: dict[str, set[str]] = defaultdict(set)
    stage = "admission"
    for event in events:
        if event["event_type"] == "stage.entered":
            stage = event["payload"]["stage"]
        elif event["event_type"] not in GENERAL:
            found[stage].add(event["event_type"])
    return found


async def completed(lab: Lab) -> str:
    await lab.service.seed_lead(budget_max=300_000)
    mission = await lab.mission()
    return str((await lab.approved(mission["mission_id"]))["mission_id"])


async def rejected(lab: Lab) -> str:
    await lab.service.seed_lead()
    mission = await lab.mission()
    await lab.service.post(mission["mission_id"], "reject", reason="no")
    return str((await lab.run(mission["mission_id"]))["mission_id"])


async def failed(lab: Lab) -> str:
    return str((await lab.mission())["mission_id"])


async def blocked(lab: Lab) -> str:
    swaps = Swaps(govern=lambda governance: replace(governance, tenant_switches={"disabled": True}))
    return str((await lab.mission(swaps))["mission_id"])


async def out_of_tokens(lab: Lab) -> str:
    await lab.service.seed_lead()
    return str((await lab.mission(token_budget=5_000))["mission_id"])


@pytest.mark.parametrize("course", [completed, rejected, failed, blocked, out_of_tokens], ids=lambda c: c.__name__)
async def test_a_stage_records_what_the_table_says_and_nothing_else(lab: Lab, course: Any) -> None:
    mission_id = await course(lab)
    found = by_stage(await lab.service.events(mission_id))
    for stage, types in found.items():
        assert types <= set(STATEFLOW[Stage(stage)].emits), stage
    if course is completed:
        always = {s: set(f.emits) for s, f in STATEFLOW.items()}
        assert found["workers"] == always[Stage.WORKERS] - {"task.failed", "model.fallback", "pass.renewed"}
        assert found["writeback"] == {"writeback.intended", "writeback.applied"}
        assert set(found) == {s.value for s in Stage} - {"blocked", "failed"}
