"""Which topics an event goes to: the one table that docs/events.md shows.

An event goes to its family's topics, and to ``notifications.events`` besides when it is news for a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from contracts.events import TERMINAL_EVENTS, EventType


class Topic(StrEnum):
    """A topic of the event backbone."""

    AGENT = "agent.events"
    PROJECT = "project.events"
    MODELS = "slm.metrics"
    TOOLS = "tool.events"
    AUDIT = "gateway.audit"
    NOTIFICATIONS = "notifications.events"
    SETTINGS = "settings.changed"
    CONSTITUTION = "constitution.updated"


_T = Topic
FAMILIES: dict[str, tuple[Topic, ...]] = {
    "intent": (_T.AGENT, _T.PROJECT),
    "mission": (_T.AGENT, _T.PROJECT),
    "writeback": (_T.PROJECT, _T.AUDIT),
    "model": (_T.MODELS,),
    "tool": (_T.TOOLS,),
    "gate": (_T.AUDIT,),
    "approval": (_T.AUDIT,),
    "settings": (_T.SETTINGS,),
    "constitution": (_T.CONSTITUTION,),
}
"""Topics by the first word of the event type. A family that is not named here is a role's, and goes to agent.events."""

BESIDES: dict[str, tuple[Topic, ...]] = {EventType.TOOL_DENIED.value: (_T.AUDIT,)}
NOTIFIED = frozenset(
    {
        EventType.APPROVAL_REQUESTED.value,
        EventType.APPROVAL_GIVEN.value,
        EventType.APPROVAL_ESCALATED.value,
        EventType.APPROVAL_DECIDED.value,
        EventType.BUDGET_EXCEEDED.value,
        EventType.WRITEBACK_UNKNOWN.value,
        *(event.value for event in TERMINAL_EVENTS),
    }
)


def topics_of(event: Mapping[str, Any]) -> tuple[Topic, ...]:
    """Return the topics of a recorded event, given as plain JSON; at least one."""
    event_type = str(event["event_type"])
    found = FAMILIES.get(event_type.partition(".")[0], (Topic.AGENT,)) + BESIDES.get(event_type, ())
    return (*found, Topic.NOTIFICATIONS) if is_notified(event) else found


def is_notified(event: Mapping[str, Any]) -> bool:
    """Tell whether an event is news for a person: a question, its answer, an end, or what a policy escalated."""
    if event["event_type"] in NOTIFIED:
        return True
    return str(event["event_type"]).startswith("gate.") and event["payload"].get("outcome") == "escalated"
