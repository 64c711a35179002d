"""Prompt packages: a template filled with what the operator said, its exemplars, the route, and what it all counts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from contracts.errors import BadInput
from contracts.mission import MissionEnvelope
from contracts.ports import Ports
from contracts.tasks import Exemplar, PromptPackage, Task

_VARIABLE = re.compile(r"\{([a-z_]+)\}")


def packaged(task: Task, envelope: MissionEnvelope, ports: Ports, template_id: str | None = None) -> PromptPackage:
    """Return everything a model is told for a task; equal inputs give equal bytes.

    Raises:
        BadInput: the template names a variable that does not exist.
        NotFound: there is no template for the task.
    """
    template = ports.templates.get(template_id or task.kind.value)
    exemplars = tuple(ports.templates.exemplars(template.template_id))
    route = ports.routes.route(envelope.sensitivity_class.value, task.kind.value)
    # Only operator text may instruct: the goal is the requester's; nothing a customer wrote is among the variables.
    variables = {"goal": envelope.normalized_goal, "title": task.title, "output": task.expected_output}
    system = filled(template.system, variables)
    instructions = filled(template.instructions, variables)
    return PromptPackage(
        task_key=task.task_key,
        template_id=template.template_id,
        template_version=template.version,
        template_sha256=template.sha256,
        exemplars=exemplars,
        system=system,
        instructions=instructions,
        output_schema=template.output_schema,
        tier=route.tier,
        token_count=ports.routes.count_tokens(told(system, instructions, exemplars)),
        max_output_tokens=route.max_tokens,
        # The task's own; a route's bounds each answer, so that there is time left for its fallback.
        timeout_ms=ports.limits.task_timeout_ms,
        allowed_tools=tuple(sorted({card.tool for card in ports.catalog.sources() if card.source in task.needs})),
        data_scope=task.needs,
    )


def told(system: str, instructions: str, exemplars: Sequence[Exemplar]) -> str:
    """Return everything that a package's tokens are counted of."""
    shown = json.dumps([e.shown() for e in exemplars], ensure_ascii=False, sort_keys=True) if exemplars else ""
    return system + instructions + shown


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
