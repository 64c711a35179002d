"""Refining a plan: where the template leaves a choice, a model is asked for it, and policy judges what it makes.

The plan is made before any untrusted text is read: all that goes into this prompt was said by the requester.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from contracts.base import TaskKey
from contracts.errors import BudgetExceeded, ModelFailed
from contracts.mission import MissionEnvelope
from contracts.outputs import PlanRefinement
from contracts.ports import Ports, Prompt
from contracts.tasks import PLANNING, PromptPackage, Task, TaskKind, TaskPlan
from nodes.packages import packaged

SPLITTABLE: Mapping[TaskKind, str] = {TaskKind.ANSWER_QUESTION: "question"}
"""The kinds of task that can be split into parts, and the input that a part's focus stands for."""

FEWEST_WORDS = 8
"""A question of fewer words is one question: nothing is asked about it."""

Refined = tuple[TaskPlan, Mapping[str, Any]]


def choices(plan: TaskPlan, envelope: MissionEnvelope) -> list[Task]:
    """Return the tasks that a model may be asked about: those that could be more than one."""
    return [
        t for t in plan.tasks if t.kind in SPLITTABLE and _several(str(envelope.inputs.get(SPLITTABLE[t.kind], "")))
    ]


def _several(text: str) -> bool:
    return len(text.split()) >= FEWEST_WORDS or text.count("?") > 1


async def refined(plan: TaskPlan, envelope: MissionEnvelope, ports: Ports) -> Refined:
    """Return the plan as a model refined it, or as it was; and what became of the refinement, for the record.

    A refinement that breaks the decomposition policy is told so and asked for once more; then the plan stands.
    """
    if not choices(plan, envelope):
        return plan, {"refinement": "no_choice"}
    try:
        async with asyncio.timeout(ports.limits.planning_ms / 1000):
            return await _asked(plan, envelope, ports)
    except TimeoutError:
        return plan, {"refinement": "template", "reasons": ["model_timeout"]}
    except (ModelFailed, BudgetExceeded) as exc:
        return plan, {"refinement": "template", "reasons": [exc.code]}


async def _asked(plan: TaskPlan, envelope: MissionEnvelope, ports: Ports) -> Refined:
    package = package_of(envelope, ports)
    parameters = parameters_of(plan, envelope, ports)
    refused: list[tuple[str, ...]] = []
    while len(refused) < 2:
        told = {"refused": list(refused[-1])} if refused else {}
        made = await ports.model.fill(PlanRefinement, Prompt(package, parameters | told, ()))
        if not made.parts and not made.drop:
            return plan, {"refinement": "kept", **_reasons(refused)}
        candidate, problems = applied(plan, made)
        problems = problems or ports.plans(candidate, plan)
        if not problems:
            return candidate, {"refinement": "repaired" if refused else "refined", **_reasons(refused)}
        refused.append(problems)
    return plan, {"refinement": "template", **_reasons(refused)}


def _reasons(refused: Sequence[Sequence[str]]) -> dict[str, Any]:
    return {"reasons": [reason for reasons in refused for reason in reasons]} if refused else {}


def package_of(envelope: MissionEnvelope, ports: Ports) -> PromptPackage:
    """Return what the model is told about planning; its tier is asked of policy like any other's."""
    title = f"Plan a mission of the class {envelope.mission_type.value}"
    task = Task(task_key=PLANNING, kind=TaskKind.ANSWER_QUESTION, title=title, expected_output="plan")
    return packaged(task, envelope, ports, template_id="plan_mission")


def parameters_of(plan: TaskPlan, envelope: MissionEnvelope, ports: Ports) -> dict[str, Any]:
    """Return the plan and its limits as plain values."""
    split = {t.task_key for t in choices(plan, envelope)}
    return {
        "asked": {name: envelope.inputs[name] for name in sorted(set(SPLITTABLE.values()) & envelope.inputs.keys())},
        "requested_outputs": list(envelope.requested_outputs),
        "max_tasks": ports.limits.max_tasks,
        "tasks": [
            {
                "task": t.task_key,
                "title": t.title,
                "gives": t.expected_output,
                "after": list(t.depends_on),
                "may_be_split": t.task_key in split,
            }
            for t in plan.tasks
        ],
    }


def applied(plan: TaskPlan, made: PlanRefinement) -> tuple[TaskPlan, tuple[str, ...]]:
    """Return the plan with a refinement carried out, and what in it can't be.

    The first part of a task keeps its key, and what came after the task comes after all of its parts.
    """
    keys = {str(t.task_key) for t in plan.tasks}
    unknown = sorted({p.task for p in made.parts if p.task not in keys} | (set(made.drop) - keys))
    if unknown:
        return plan, tuple(f"there is no task {name[:60]}" for name in unknown)
    focuses: dict[str, list[str]] = {}
    for part in made.parts:
        focuses.setdefault(part.task, []).append(" ".join(part.focus.split()))
    names = {key: [TaskKey(key), *(TaskKey(f"{key}_{n}") for n in range(2, len(f) + 1))] for key, f in focuses.items()}
    tasks: list[Task] = []
    for task in plan.tasks:
        if task.task_key in made.drop:
            continue
        after = tuple(new for old in task.depends_on for new in names.get(old, [old]) if old not in made.drop)
        kept = task.model_copy(update={"depends_on": after})
        parts = zip(names.get(task.task_key, []), focuses.get(task.task_key, []), strict=True)
        split = [kept.model_copy(update={"task_key": key, "focus": focus}) for key, focus in parts]
        tasks += split or [kept]
    return TaskPlan(tasks=tuple(tasks), rationale=plan.rationale), ()
