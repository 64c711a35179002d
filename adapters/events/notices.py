"""What a webhook says: what happened, where to look, and nothing that a customer or a document said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Event = Mapping[str, Any]
_API = "/api/colony/missions"
# Of these only names, numbers and codes are said: ids, verdicts, codes, times.
_SAID: dict[str, tuple[str, ...]] = {
    "approval.requested": ("interrupt_id", "risk_level", "expires_at"),
    "approval.given": ("interrupt_id", "number"),
    "approval.escalated": ("interrupt_id", "required", "answers", "expires_at"),
    "approval.decided": ("interrupt_id", "verdict"),
    "budget.exceeded": ("code",),
    "writeback.unknown": ("proposal_id", "status"),
    "mission.completed": ("status",),
}
_OF_AN_END = ("code", "stage", "status")
_OF_A_GATE = ("outcome", "layer")
_COUNTED = {
    "approval.requested": "proposals",
    "approval.given": "open",
    "approval.escalated": "proposals",
    "approval.decided": "granted",
}
_TO_ANSWER = frozenset({"approval.requested", "approval.given", "approval.escalated"})


def notice(event: Event, base_url: str) -> dict[str, Any]:
    """Return a webhook's body: ``{type, timestamp, data}``, as Standard Webhooks has it."""
    kind, payload = str(event["event_type"]), event["payload"]
    names = _SAID.get(kind) or (_OF_A_GATE if kind.startswith("gate.") else _OF_AN_END)
    said = {name: payload[name] for name in names if name in payload}
    if (counted := _COUNTED.get(kind)) is not None:
        said[counted] = len(payload.get(counted, ()))
    who = {name: event[name] for name in ("event_id", "mission_id", "tenant_id", "seq", "trace_id")}
    return {"type": kind, "timestamp": event["timestamp"], "data": {**who, **said, "links": _links(event, base_url)}}


def _links(event: Event, base_url: str) -> dict[str, str]:
    mission = f"{base_url}{_API}/{event['mission_id']}"
    links = {"mission": mission, "events": f"{mission}/events"}
    if event["event_type"] in _TO_ANSWER:
        links |= {"approve": f"{mission}/approve", "reject": f"{mission}/reject"}
    return links
