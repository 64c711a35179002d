"""Order of actions as rules: from a list of flows, each an ordered list of actions, to a tenant's rule file.

Nothing in them is about these flows: ``context.task`` says which flow is followed, ``resource`` which action is wanted,
``context.done`` and ``context.calls`` what was done before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

Flows = Mapping[str, Sequence[str]]


def rule_file(flows: Flows) -> str:
    """Return rules that let each flow's actions be done in their order, each once, and nothing else."""
    return "\n".join([_unknown(flows), *(rule for flow, actions in flows.items() for rule in _rules(flow, actions))])


def _unknown(flows: Flows) -> str:
    return _forbid("flow-unknown", "no such flow", f"!{_set(flows)}.contains(context.task)")


def _rules(flow: str, actions: Sequence[str]) -> Iterator[str]:
    name = re.sub(r"[^a-z0-9]+", "-", flow.lower()).strip("-")
    of_flow = f"context.task == {json.dumps(flow)}"
    tools = " || ".join(f"resource == Tool::{json.dumps(a)}" for a in dict.fromkeys(actions))
    yield _forbid(f"flow-{name}-unlisted", f"{flow} has no such action", f"{of_flow} && !({tools})")
    turns = [_turn(action, actions[:at]) for at, action in enumerate(actions)]
    yield _forbid(
        f"flow-{name}-order", f"it is not this action's turn in {flow}", f"{of_flow} && !({' || '.join(turns)})"
    )


def _turn(action: str, before: Sequence[str]) -> str:
    done = f" && context.done.containsAll({_set(before)})" if before else ""
    return f"(resource == Tool::{json.dumps(action)} && context.calls == {len(before)}{done})"


def _forbid(name: str, reason: str, when: str) -> str:
    return (
        f'@id("scope.our-{name}")\n@reason({json.dumps(reason)})\n'
        f'forbid (principal, action == Action::"call", resource)\nwhen {{ {when} }};\n'
    )


def _set(names: Iterator[str] | Mapping[str, object] | Sequence[str]) -> str:
    return "[" + ", ".join(json.dumps(name) for name in names) + "]"
