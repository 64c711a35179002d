"""Prompt master: everything each worker is told, from the template registry, with token counts and the route."""

from __future__ import annotations

from contracts.errors import BadInput
from contracts.events import EventType, NewEvent
from contracts.ports import Ports, StepResult
from contracts.registry import artifact_id
from contracts.state import MissionState
from contracts.tasks import TaskPlan
from nodes.packages import packaged


async def prompt_master(state: MissionState, ports: Ports) -> StepResult:
    """Build a prompt package for every task of the plan.

    Raises:
        BadInput: a template names a variable that does not exist.
    """
    envelope = ports.mission.envelope
    if envelope is None:
        raise BadInput("the mission was not admitted", code="not_admitted")
    plan = await ports.artifacts.one(TaskPlan, state["plan"])
    packages = tuple(packaged(task, envelope, ports) for task in plan.tasks)
    events = tuple(
        NewEvent(
            event_type=EventType.PROMPT_PACKAGED,
            payload={
                "task_key": p.task_key,
                "template": f"{p.template_id}@{p.template_version}",
                "template_sha256": p.template_sha256,
                "exemplars": [f"{e.exemplar_id}@{e.version}" for e in p.exemplars],
                "tokens": p.token_count,
            },
            artifact_id=artifact_id(p),
        )
        for p in packages
    )
    return StepResult(artifacts=packages, events=events)
