"""The decomposition policy, beside the rules on size, kinds and sources: what a refined plan owes its template."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from contracts.tasks import TaskPlan
from policies.limits import LIMITS, Limits


def problems(plan: TaskPlan, template: TaskPlan, limits: Limits = LIMITS) -> tuple[str, ...]:
    """Return what a refined plan breaks; nothing if it keeps what the template's plan promises.

    Whatever was asked for is still worked on, every task declares what it reads as the template's task of its kind
    does and waits for the same kinds, and a task's parts are few, distinct and each about something.
    """
    return (*_outputs(plan, template), *_needs(plan, template), *_parts(plan, limits))


def _outputs(plan: TaskPlan, template: TaskPlan) -> Iterator[str]:
    given = {task.expected_output for task in plan.tasks}
    for output in sorted({task.expected_output for task in template.tasks} - given):
        yield f"nothing in the plan gives {output}, which was asked for"


def _needs(plan: TaskPlan, template: TaskPlan) -> Iterator[str]:
    known = {task.kind: task for task in template.tasks}
    kinds = {task.task_key: task.kind for task in (*template.tasks, *plan.tasks)}
    for task in plan.tasks:
        if (like := known.get(task.kind)) is None:
            yield f"{task.task_key} is of the kind {task.kind.value}, which the template does not have"
        elif task.needs != like.needs:
            yield f"{task.task_key} does not declare what a task of its kind reads"
        elif {kinds[key] for key in like.depends_on} != {kinds[key] for key in task.depends_on if key in kinds}:
            yield f"{task.task_key} does not wait for what a task of its kind builds on"


def _parts(plan: TaskPlan, limits: Limits) -> Iterator[str]:
    parts = Counter(task.kind for task in plan.tasks if task.focus)
    for kind, number in parts.items():
        if number > limits.max_parts:
            yield f"{kind.value} is split into {number} parts, {limits.max_parts} are allowed"
        if number == 1:
            yield f"{kind.value} is split into a single part"
    for (kind, focus), number in Counter((t.kind, t.focus.casefold()) for t in plan.tasks if t.focus).items():
        if number > 1:
            yield f"{kind.value} has the part '{focus[:60]}' twice"
        if len(focus) > limits.max_focus:
            yield f"a part of {kind.value} is longer than {limits.max_focus} characters"
    of_a_kind = Counter(task.kind for task in plan.tasks)
    if any(of_a_kind[t.kind] > 1 and not t.focus for t in plan.tasks):
        yield "a part says nothing of what it is about"
