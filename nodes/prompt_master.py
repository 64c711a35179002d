"""Prompt master: everything each worker is told, from the template registry, with token counts and the route."""

from __future__ import annotations

import re
from collections.abc import Mapping

from contracts.errors import BadInput
from contracts.events import EventType, NewEvent
from contracts.mission import MissionEnvelope
from contracts.ports import Ports, StepResult
from contracts.registry import artifact_id
from contracts.state import MissionState
from contracts.tasks import PromptPackage, Task, TaskPlan

_VARIABLE = re.compile(r"\{([a-z_]+)\}")


async def prompt_master(state: MissionState, ports: Ports) -> StepResult:
    """Build a prompt package for every task of the plan.

    Raises:
        BadInput: a template names a variable that does not exist.
    """
    envelope = ports.mission.envelope
    if envelope is None:
        raise BadInput("the mission was not admitted", code="not_admitted")
    plan = await ports.artifacts.one(TaskPlan, state["plan"])
    packages = tuple(_package(task, envelope, ports) for task in plan.tasks)
    events = tuple(
        NewEvent(
            event_type=EventType.PROMPT_PACKAGED,
            payload={
                "task_key": p.task_key,
                "template": f"{p.template_id}@{p.template_version}",
                "tokens": p.token_count,
            },
            artifact_id=artifact_id(p),
        )
        for p in packages
    )
    return StepResult(artifacts=packages, events=events)


def _package(task: Task, envelope: MissionEnvelope, ports: Ports) -> PromptPackage:
    template = ports.templates.get(task.kind.value)
    route = ports.routes.route(envelope.sensitivity_class.value, task.kind.value)
    # Only operator text may instruct: the goal is the requester's; nothing a customer wrote is among the variables.
    variables = {"goal": envelope.normalized_goal, "title": task.title, "output": task.expected_output}
    system = filled(template.system, variables)
    instructions = filled(template.instructions, variables)
    tools = tuple(sorted({card.tool for card in ports.catalog.sources() if card.source in task.needs}))
    return PromptPackage(
        task_key=task.task_key,
        template_id=template.template_id,
        template_version=template.version,
        system=system,
        instructions=instructions,
        output_schema=template.output_schema,
        tier=route.tier,
        token_count=ports.routes.count_tokens(system + instructions),
        max_output_tokens=route.max_tokens,
        # The task's own; a route's bounds each answer, so that there is time left for its fallback.
        timeout_ms=ports.limits.task_timeout_ms,
        allowed_tools=tools,
        data_scope=task.needs,
    )


def filled(text: str, variables: Mapping[str, str]) -> str:
    """Put the variables into a template's text, once: a value that looks like a variable is left as it is.

    Raises:
        BadInput: the text names a variable that does not exist.
    """

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in variables:
            raise BadInput(f"a prompt template names the unknown variable {name}", code="template_invalid")
        return variables[name]

    return _VARIABLE.sub(value, text)
