"""Planner: the mission class's template, cut to what was asked for, within the limits of decomposition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from contracts.base import TaskKey
from contracts.errors import BadInput
from contracts.events import EventType, NewEvent
from contracts.mission import MissionClass, MissionEnvelope
from contracts.ports import Ports, StepResult
from contracts.registry import artifact_id
from contracts.state import MissionState
from contracts.tasks import Task, TaskKind, TaskPlan
from nodes.refinement import refined

_K = TaskKind


def _task(
    kind: TaskKind,
    title: str,
    output: str,
    *,
    after: Sequence[TaskKind] = (),
    needs: Sequence[str] = (),
    weight: int = 1,
) -> Task:
    return Task(
        task_key=TaskKey(kind.value),
        kind=kind,
        title=title,
        depends_on=tuple(TaskKey(k.value) for k in after),
        needs=tuple(needs),
        expected_output=output,
        weight=weight,
    )


TEMPLATES: Mapping[MissionClass, tuple[Task, ...]] = {
    MissionClass.CRM_LEAD_INTELLIGENCE: (
        _task(_K.EXTRACT_FACTS, "Extract what the lead wants", "facts", needs=("chat", "lead"), weight=5),
        _task(_K.ASSESS_ENGAGEMENT, "Assess engagement and intent", "engagement", needs=("chat", "signals"), weight=3),
        _task(
            _K.ASSESS_STAGE,
            "Assess the stage against the board",
            "stage",
            after=(_K.EXTRACT_FACTS, _K.ASSESS_ENGAGEMENT),
            needs=("lead", "board"),
        ),
        _task(
            _K.RECOMMEND_NEXT_STEPS,
            "Recommend next steps",
            "next_steps",
            after=(_K.EXTRACT_FACTS, _K.ASSESS_ENGAGEMENT, _K.ASSESS_STAGE),
        ),
        _task(_K.DRAFT_MESSAGE, "Draft a message", "draft", after=(_K.EXTRACT_FACTS,), needs=("lead",)),
        _task(
            _K.PROPOSE_WRITEBACKS,
            "Propose what to write back",
            "writebacks",
            after=(_K.EXTRACT_FACTS, _K.ASSESS_STAGE, _K.RECOMMEND_NEXT_STEPS),
            needs=("lead",),
        ),
    ),
    MissionClass.ORACLE_ADVISORY: (
        _task(_K.ANSWER_QUESTION, "Answer from the evidence", "answer", needs=("documents", "lead", "chat"), weight=5),
        _task(
            _K.PROPOSE_WRITEBACKS,
            "Propose what to write on the page",
            "writebacks",
            after=(_K.ANSWER_QUESTION,),
            needs=("page",),
        ),
    ),
    MissionClass.CATALYST_STRATEGY_BRIEF: (
        _task(_K.COMPUTE_METRICS, "Compute totals and rates", "metrics", needs=("campaign", "dataset"), weight=5),
        _task(_K.STATE_FINDINGS, "State what the numbers say", "findings", after=(_K.COMPUTE_METRICS,)),
        _task(_K.RECOMMEND_CHANGES, "Recommend what to change", "next_steps", after=(_K.COMPUTE_METRICS,)),
        _task(_K.ASSESS_RISKS, "Say what could mislead", "risks", after=(_K.COMPUTE_METRICS,)),
    ),
}

_NAMED_BY: Mapping[str, str] = {
    "page": "page",
    "campaign": "campaign_id",
    "dataset": "dataset",
    "lead": "lead_id",
    "chat": "lead_id",
}
"""Sources that are read only when the mission's inputs name them, by the input that does."""


async def planner(state: MissionState, ports: Ports) -> StepResult:
    """Split the mission into a task graph: the class's template for what was asked, refined where it leaves a choice.

    Raises:
        BadInput: the plan would be over the limits, or is no graph.
    """
    envelope = ports.mission.envelope
    if envelope is None:
        raise BadInput("the mission was not admitted", code="not_admitted")
    tasks = selected(TEMPLATES[envelope.mission_type], envelope)
    if len(tasks) > ports.limits.max_tasks:
        raise BadInput(
            f"the plan needs {len(tasks)} tasks, {ports.limits.max_tasks} are allowed", code="plan_too_large"
        )
    ordered = in_order(tasks)
    asked = ", ".join(envelope.requested_outputs)
    template = TaskPlan(tasks=ordered, rationale=f"{envelope.mission_type.value}: {len(ordered)} tasks for {asked}")
    plan, became = await refined(template, envelope, ports)
    payload = {"tasks": [{"task_key": t.task_key, "depends_on": list(t.depends_on)} for t in plan.tasks], **became}
    event = NewEvent(event_type=EventType.PLAN_CREATED, payload=payload, artifact_id=artifact_id(plan))
    return StepResult(artifacts=(plan, *plan.tasks), events=(event,))


def selected(template: Sequence[Task], envelope: MissionEnvelope) -> list[Task]:
    """Return the template's tasks that the requested outputs need, directly or through a dependency.

    Of the sources that inputs name (a page, a campaign), those are read that this mission's inputs do name; a task that
    is left with none is left out.
    """
    named = [narrowed(task, envelope) for task in template]
    by_key = {task.task_key: task for task in named}
    wanted: set[str] = set()

    def add(task: Task) -> None:
        if task.task_key not in wanted:
            wanted.add(task.task_key)
            for key in task.depends_on:
                add(by_key[key])

    for task, whole in zip(named, template, strict=True):
        if task.expected_output in envelope.requested_outputs and bool(task.needs) == bool(whole.needs):
            add(task)
    if not wanted:
        add(named[0])
    return [task for task in named if task.task_key in wanted]


def narrowed(task: Task, envelope: MissionEnvelope) -> Task:
    """Return the task without the sources that this mission's inputs do not name."""
    needs = tuple(n for n in task.needs if n not in _NAMED_BY or _NAMED_BY[n] in envelope.inputs)
    return task.model_copy(update={"needs": needs})


def in_order(tasks: Sequence[Task]) -> tuple[Task, ...]:
    """Return the tasks so that each comes after what it depends on.

    Raises:
        BadInput: a key is used twice, a dependency is missing, or the tasks go in a circle.
    """
    by_key = {task.task_key: task for task in tasks}
    if len(by_key) < len(tasks):
        raise BadInput("the plan uses a task key twice", code="plan_invalid")
    if any(key not in by_key for task in tasks for key in task.depends_on):
        raise BadInput("the plan depends on a task it does not have", code="plan_invalid")
    done: dict[str, Task] = {}
    while len(done) < len(tasks):
        ready = [t for t in tasks if t.task_key not in done and all(key in done for key in t.depends_on)]
        if not ready:
            raise BadInput("the plan's tasks go in a circle", code="plan_invalid")
        done |= {task.task_key: task for task in ready}
    return tuple(done.values())
