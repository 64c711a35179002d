"""No role is a pass-through: with any one of them replaced by one, a whole mission does not end as it should."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatResult
from langgraph.runtime import Runtime

from adapters.models.extractive_chat import ExtractiveChatModel
from adapters.models.tokens import count_tokens
from adapters.prompts.registry import TemplateRegistry
from contracts.classes import CLASSES
from contracts.events import EventType, NewEvent
from contracts.evidence import WorkerResult
from contracts.mission import AutonomyTier, Level, MissionEnvelope, ReviewLevel, Sensitivity
from contracts.packets import AggregationPacket, ReviewPacket
from contracts.ports import Ports, StepResult
from contracts.state import MissionState
from contracts.stateflow import Stage
from contracts.tasks import LibrarianPass, TaskPlan
from graph.context import RunContext
from graph.steps import Role, step, store
from nodes.librarian import librarian
from nodes.packages import packaged
from nodes.planner import TEMPLATES, in_order, selected
from tests.graph.lab import Lab, Swaps

GOLDEN = ["intent.received", "dataplane.dispatched", "artifact.delivered", "gate.release", "mission.completed"]
GOAL = "  What  do we\tknow about this lead?\u200b "


async def ends_as_it_should(lab: Lab, swaps: Swaps) -> None:
    """The check: a mission about a lead ends with everything that its roles owe."""
    await lab.service.seed_lead(budget_max=300_000)
    waiting = await lab.mission(swaps, user_goal=GOAL)
    assert waiting["status"] == "awaiting_approval", waiting["failure"]
    envelope = waiting["envelope"]
    assert (envelope["normalized_goal"], envelope["sensitivity_class"]) == (GOAL_NORMAL, "personal")
    await _artifacts_are_there(lab, waiting["mission_id"])
    _packet_is_whole(waiting["packet"])
    ended = await lab.approved(waiting["mission_id"], swaps)
    assert ended["status"] == "completed", ended["failure"]
    assert {w["status"] for w in ended["packet"]["writebacks"]} == {"applied"}
    assert (await lab.service.lead())["stage"] == "viewing"
    types = [e["event_type"] for e in await lab.service.events(waiting["mission_id"])]
    assert list(dict.fromkeys(t for t in types if t in GOLDEN)) == GOLDEN
    signals = {s["source"]: s["status"] for s in lab.db.rows("select source, status from colony_pheromone_signals")}
    assert signals == {"chat": "useful", "lead": "useful", "board": "empty", "signals": "empty"}


SOURCES = {"lead", "chat", "board", "signals"}
GOAL_NORMAL = "What do we know about this lead?"


async def _artifacts_are_there(lab: Lab, mission_id: str) -> None:
    async def of(kind: str) -> list[dict[str, Any]]:
        return [a["payload"] for a in await lab.service.artifacts(mission_id, kind)]

    tasks = {t["task_key"] for t in await of("task")}
    assert len(tasks) == 6
    for kind in ("prompt_package", "librarian_pass", "worker_result"):
        assert {a["task_key"] for a in await of(kind)} == tasks, kind
    _packages_are_whole(await of("prompt_package"))
    assert {c["source"] for p in await of("librarian_pass") for c in p["route_cards"]} == SOURCES
    assert {a["trust"] for a in await of("research_artifact")} == {"customer", "operator", "system"}


def _packages_are_whole(packages: list[dict[str, Any]]) -> None:
    locked = TemplateRegistry().locked
    for one in packages:
        assert one.get("template_sha256") == locked[f"{one['template_id']}@{one['template_version']}"]
        assert "{" not in one["instructions"]
        assert one["token_count"] >= count_tokens(one["system"] + one["instructions"])
    facts = next(p for p in packages if p["task_key"] == "extract_facts")
    assert GOAL_NORMAL in facts["instructions"]
    assert facts["exemplars"]
    assert (set(facts["allowed_tools"]), set(facts["data_scope"])) == (
        {"root.get_chat", "root.get_lead"},
        {"chat", "lead"},
    )


def _packet_is_whole(packet: Mapping[str, Any]) -> None:
    assert {"area", "budget", "visit_booked"} <= {f["key"] for f in packet["facts"]}
    assert packet["next_steps"]
    assert packet["drafts"]
    assert packet["findings"]
    assert [c["attribute"] for c in packet["contradictions"]] == ["budget"]
    assert {w["operation"] for w in packet["writebacks"]} >= {"patch", "note", "task"}
    checked = {c["claim_id"] for c in packet["review"]["checks"]}
    assert {c["claim_id"] for c in packet["claims"]} == checked
    assert checked


async def silent(state: MissionState, ports: Ports) -> StepResult:
    """Does nothing at all."""
    return StepResult()


async def naive_admission(state: MissionState, ports: Ports) -> StepResult:
    """Wraps the request as it came: nothing normalised, nothing classified."""
    m = ports.mission
    request = m.request
    return StepResult(
        envelope=MissionEnvelope(
            mission_id=m.mission_id,
            mission_type=request.mission_type,
            origin_surface=request.origin_surface,
            user_goal=request.user_goal,
            normalized_goal=request.user_goal,
            tenant_id=m.tenant_id,
            actor_id=m.actor_id,
            risk_level=Level.LOW,
            sensitivity_class=Sensitivity.PUBLIC,
            autonomy_tier=AutonomyTier.ASSISTED,
            review_level=ReviewLevel.STANDARD,
            time_budget_ms=m.time_budget_ms,
            token_budget=m.token_budget,
            requested_outputs=CLASSES[request.mission_type].outputs,
            inputs=request.inputs,
            metadata={},
            trace_id=m.trace_id,
        )
    )


async def naive_planner(state: MissionState, ports: Ports) -> StepResult:
    """One task, always the same."""
    task = TEMPLATES[ports.mission.request.mission_type][0]
    return StepResult(artifacts=(TaskPlan(tasks=(task,), rationale="one task"), task))


async def naive_prompt_master(state: MissionState, ports: Ports) -> StepResult:
    """The task's title for a prompt, and nothing around it."""
    plan = await ports.artifacts.one(TaskPlan, state["plan"])
    envelope = ports.mission.envelope
    assert envelope is not None
    whole = [packaged(task, envelope, ports) for task in plan.tasks]
    bare = {"system": "You help.", "exemplars": (), "template_sha256": ""}
    return StepResult(artifacts=tuple(p.model_copy(update={**bare, "instructions": p.task_key}) for p in whole))


async def naive_librarian(state: MissionState, ports: Ports) -> StepResult:
    """A pass for every task that leads nowhere."""
    plan = await ports.artifacts.one(TaskPlan, state["plan"])
    keys = [t.task_key for t in plan.tasks]
    made = [LibrarianPass(task_key=k, route_cards=(), grants=(), data_scope=(), ttl_ms=1_000) for k in keys]
    return StepResult(artifacts=tuple(made))


async def naive_workers(state: MissionState, ports: Ports) -> StepResult:
    """An empty result for every task."""
    plan = await ports.artifacts.one(TaskPlan, state["plan"])
    made = tuple(WorkerResult(task_key=t.task_key) for t in plan.tasks)
    for result in made:
        await ports.results.save(state["revision"], result, [], [])
    return StepResult(artifacts=made)


async def naive_aggregator(state: MissionState, ports: Ports) -> StepResult:
    """All claims on a heap, and nothing made of them."""
    done = await ports.results.done(state["revision"])
    packet = AggregationPacket(
        summary="",
        claims=tuple(c for r in done.values() for c in r.claims),
        facts=(),
        answer=None,
        metrics=(),
        findings=(),
        next_steps=("Look.",),
        drafts=({"text": ""},),
        contradictions=(),
        open_questions=("?",),
        writebacks=tuple(p for r in done.values() for p in r.proposals),
        evidence_matrix=(),
    )
    return StepResult(artifacts=(packet,))


async def naive_reviewer(state: MissionState, ports: Ports) -> StepResult:
    """A rubber stamp."""
    review = ReviewPacket(verdict="release", reasons=("looks good",), checks=(), covered=(), missing=())
    return StepResult(artifacts=(review,), channels={"verdict": "release"})


async def naive_gate(state: MissionState, runtime: Runtime[RunContext]) -> MissionState:
    """A gate that stands open."""
    release = {"required": False, "verdict": "none", "granted": 0}
    key = f"{Stage.RELEASE_GATE.value}:{state['revision']}"
    return await store(Stage.RELEASE_GATE, key, state, StepResult(channels={"release": release}), runtime.context)


async def naive_writeback(state: MissionState, ports: Ports) -> StepResult:
    """Says that everything was applied, and applies nothing."""
    return StepResult(channels={"release": {**state["release"], "effects": {"applied": state["release"]["granted"]}}})


async def naive_ending(state: MissionState, ports: Ports) -> StepResult:
    """Completes the mission, whatever became of it."""
    return StepResult(events=(NewEvent(event_type=EventType.MISSION_COMPLETED),))


SILENT = [s for s in Stage if s not in {Stage.RELEASE_GATE, Stage.FINALIZE, Stage.BLOCKED, Stage.FAILED}]
NAIVE: dict[Stage, Role] = {
    Stage.ADMISSION: naive_admission,
    Stage.PLANNER: naive_planner,
    Stage.PROMPT_MASTER: naive_prompt_master,
    Stage.LIBRARIAN: naive_librarian,
    Stage.WORKERS: naive_workers,
    Stage.AGGREGATOR: naive_aggregator,
    Stage.REVIEWER: naive_reviewer,
    Stage.WRITEBACK: naive_writeback,
    Stage.FINALIZE: naive_ending,
}
CASES = [pytest.param(s, step(s, silent), id=f"{s.value}-does-nothing") for s in SILENT]
CASES += [pytest.param(s, step(s, role), id=f"{s.value}-is-naive") for s, role in NAIVE.items()]
CASES += [pytest.param(Stage.RELEASE_GATE, naive_gate, id="release_gate-stands-open")]


async def test_a_mission_ends_as_it_should(lab: Lab) -> None:
    await ends_as_it_should(lab, Swaps())


@pytest.mark.parametrize(("stage", "node"), CASES)
async def test_without_a_role_a_mission_does_not_end_as_it_should(lab: Lab, stage: Stage, node: Any) -> None:
    with pytest.raises(AssertionError):
        await ends_as_it_should(lab, Swaps(nodes={stage: node}))
    # It is the mission that went wrong, and not the setting up of it.
    assert lab.db.rows("select from colony_events where event_type = 'stage.entered'")


async def past_missions_are_heard(lab: Lab, swaps: Swaps) -> None:
    """The check: where the last mission found something, this one looks first, and a person can see why."""
    await lab.service.seed_lead(budget_max=300_000)
    before = await lab.mission(swaps)
    ended = await lab.approved(before["mission_id"], swaps)
    assert ended["status"] == "completed", ended["failure"]
    waiting = await lab.mission(swaps)
    passes = [a["payload"] for a in await lab.service.artifacts(waiting["mission_id"], "librarian_pass")]
    cards = {c["source"]: c for p in passes for c in p["route_cards"]}
    read = [e["payload"]["tool"] for e in await lab.service.events(waiting["mission_id"]) if e["event_type"] == TOOL]
    assert set(read[:2]) == {"root.get_chat", "root.get_lead"}, f"in the order {read}"
    assert cards["board"]["priority"] < 0.5 < cards["chat"]["priority"]
    assert "1 past missions" in cards["board"]["why"]


TOOL = "tool.called"


async def deaf_librarian(state: MissionState, ports: Ports) -> StepResult:
    """A librarian that hears nothing of past missions."""

    class Silent:
        def sources(self) -> Any:
            return ports.catalog.sources()

        async def signals(self, mission_type: str) -> Any:
            return []

    return await librarian(state, replace(ports, catalog=Silent()))


async def test_past_missions_are_heard(lab: Lab) -> None:
    await past_missions_are_heard(lab, Swaps())


async def test_without_the_signals_past_missions_are_not_heard(lab: Lab) -> None:
    with pytest.raises(AssertionError, match="in the order"):
        await past_missions_are_heard(lab, Swaps(nodes={Stage.LIBRARIAN: step(Stage.LIBRARIAN, deaf_librarian)}))


class Splitting(ExtractiveChatModel):
    """A model that splits every question it may split, in two, and answers all else as the built-in one does."""

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        made = super()._generate(messages, stop, run_manager, **kwargs)
        message = made.generations[0].message
        if isinstance(message, AIMessage) and message.tool_calls[0]["name"] == "PlanRefinement":
            parts = [{"task": "answer_question", "focus": focus} for focus in PARTS]
            message.tool_calls[0]["args"] = {"parts": parts, "drop": []}
        return made


PARTS = ("Which flats have a garden?", "How much is the service charge?")


async def a_plan_is_refined(lab: Lab, swaps: Swaps) -> None:
    """The check: what a model makes of a question of two parts is what is worked on."""
    document = {"document_id": "D-1", "title": "Flats", "source": "s", "media_type": "text/plain"}
    await lab.service._put("documents", [{**document, "text": "Ground floor flats have a garden."}])
    inputs = {"question": "Which flats have a garden, and how much is the service charge?"}
    ended = await lab.mission(replace(swaps, model=Splitting()), mission_type="oracle_advisory", inputs=inputs)
    tasks = [a["payload"] for a in await lab.service.artifacts(ended["mission_id"], "task")]
    assert sorted(t.get("focus", "") for t in tasks) == sorted(PARTS), "worked on as it was"
    assert ended["packet"]["answer"]["status"] == "partial"
    assert ended["packet"]["open_questions"] == [PARTS[1]]


async def unrefined_planner(state: MissionState, ports: Ports) -> StepResult:
    """A planner that asks nobody."""
    envelope = ports.mission.envelope
    assert envelope is not None
    tasks = in_order(selected(TEMPLATES[envelope.mission_type], envelope))
    return StepResult(artifacts=(TaskPlan(tasks=tasks, rationale="as ever"), *tasks))


async def test_a_plan_is_refined(lab: Lab) -> None:
    await a_plan_is_refined(lab, Swaps())


async def test_without_its_refinement_a_plan_is_worked_on_as_it_was(lab: Lab) -> None:
    with pytest.raises(AssertionError, match="as it was"):
        await a_plan_is_refined(lab, Swaps(nodes={Stage.PLANNER: step(Stage.PLANNER, unrefined_planner)}))


async def a_bad_end_is_told(lab: Lab, stage: Stage, swaps: Swaps) -> None:
    """The check: a mission that is stopped, or that fails, says so, where and why."""
    status = {Stage.BLOCKED: "blocked", Stage.FAILED: "failed"}[stage]
    if stage is Stage.BLOCKED:
        await lab.service.seed_lead()
        swaps = replace(swaps, govern=lambda g: replace(g, tenant_switches={"disabled": True}))
    ended = await lab.mission(swaps)
    assert ended["status"] == status, f"told as {ended['status']}"
    assert all(ended["failure"][part] for part in ("code", "reason", "stage", "hint"))
    last = (await lab.service.events(ended["mission_id"]))[-1]
    assert last["event_type"] == f"mission.{status}"


@pytest.mark.parametrize("stage", [Stage.BLOCKED, Stage.FAILED])
async def test_a_bad_end_is_told(lab: Lab, stage: Stage) -> None:
    await a_bad_end_is_told(lab, stage, Swaps())


@pytest.mark.parametrize("stage", [Stage.BLOCKED, Stage.FAILED])
async def test_without_its_role_a_bad_end_is_told_as_a_good_one(lab: Lab, stage: Stage) -> None:
    with pytest.raises(AssertionError, match="told as completed"):
        await a_bad_end_is_told(lab, stage, Swaps(nodes={stage: step(stage, naive_ending)}))
