"""Submissions on their way into the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from contracts.events import EventType, NewEvent
from contracts.lineage import Lineage
from contracts.mission import MissionRequest


@dataclass(frozen=True)
class Submission:
    """A checked request on its way into the store; times in milliseconds.

    Attributes:
        asked_sha256: what the idempotency key stands for, where that is more than the request.
    """

    mission_id: str
    tenant_id: str
    actor_id: str
    request: MissionRequest
    request_sha256: str
    trace_id: str
    graph_version: str
    token_budget: int
    time_budget_ms: int
    approval_timeout_ms: int
    approval_escalate_ms: int | None = None
    idempotency_key: str | None = None
    lineage: Lineage | None = None
    asked_sha256: str | None = None

    @property
    def keyed_sha256(self) -> str:
        """What the idempotency key stands for."""
        return self.asked_sha256 or self.request_sha256


@dataclass(frozen=True)
class Submitted:
    """What became of a submission: a new mission, or the one that the same key made before."""

    mission_id: str
    fresh: bool


def received(s: Submission) -> NewEvent:
    """Return a mission's first event."""
    payload: dict[str, Any] = {
        "mission_type": s.request.mission_type.value,
        "origin_surface": s.request.origin_surface,
        "request_sha256": s.request_sha256,
    }
    if s.lineage is not None:
        payload["lineage"] = s.lineage.told()
    return NewEvent(event_type=EventType.INTENT_RECEIVED, payload=payload, actor=s.actor_id, intent="submit")
