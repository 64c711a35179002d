"""Runtime events: the append-only record that every projection and stream is made from."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import Field

from contracts.base import Contract, Value
from contracts.canonical import canonical_bytes, sha256_hex
from contracts.stateflow import Status


class Phase(StrEnum):
    """Which plane an event belongs to."""

    CONTROL_PLANE = "control_plane"
    DATA_PLANE = "data_plane"
    GATE = "gate"


class EventType(StrEnum):
    """Every kind of event Colony records."""

    INTENT_RECEIVED = "intent.received"
    GATE_ADMISSION = "gate.admission"
    GATE_SCOPE = "gate.scope"
    GATE_ROUTING = "gate.routing"
    GATE_RELEASE = "gate.release"
    PLAN_CREATED = "plan.created"
    PROMPT_PACKAGED = "prompt.packaged"
    PASS_ISSUED = "pass.issued"
    PASS_RENEWED = "pass.renewed"
    EVIDENCE_GATHERED = "evidence.gathered"
    DATAPLANE_DISPATCHED = "dataplane.dispatched"
    TASK_STARTED = "task.started"
    TASK_COMPLETED = "task.completed"
    TASK_FAILED = "task.failed"
    MODEL_CALLED = "model.called"
    MODEL_FALLBACK = "model.fallback"
    TOOL_CALLED = "tool.called"
    TOOL_DENIED = "tool.denied"
    ARTIFACT_DELIVERED = "artifact.delivered"
    AGGREGATION_COMPLETED = "aggregation.completed"
    REVIEW_COMPLETED = "review.completed"
    REVIEW_REVISED = "review.revised"
    STAGE_ENTERED = "stage.entered"
    APPROVAL_REQUESTED = "approval.requested"
    APPROVAL_GIVEN = "approval.given"
    APPROVAL_REFUSED = "approval.refused"
    APPROVAL_ESCALATED = "approval.escalated"
    APPROVAL_DECIDED = "approval.decided"
    PROPOSAL_WITHHELD = "proposal.withheld"
    WRITEBACK_INTENDED = "writeback.intended"
    WRITEBACK_APPLIED = "writeback.applied"
    WRITEBACK_CONFLICTED = "writeback.conflicted"
    WRITEBACK_FAILED = "writeback.failed"
    WRITEBACK_UNKNOWN = "writeback.unknown"
    BUDGET_EXCEEDED = "budget.exceeded"
    CONSTITUTION_UPDATED = "constitution.updated"
    MISSION_COMPLETED = "mission.completed"
    MISSION_BLOCKED = "mission.blocked"
    MISSION_REJECTED = "mission.rejected"
    MISSION_CANCELLED = "mission.cancelled"
    MISSION_EXPIRED = "mission.expired"
    MISSION_FAILED = "mission.failed"
    MISSION_RETRIED = "mission.retried"
    MISSION_RESUMED = "mission.resumed"
    MISSION_FORKED = "mission.forked"
    REPLAY_ANSWERED = "replay.answered"
    REPLAY_SIMULATED = "replay.simulated"


TERMINAL_EVENTS: dict[EventType, Status] = {
    EventType.MISSION_COMPLETED: Status.COMPLETED,
    EventType.MISSION_BLOCKED: Status.BLOCKED,
    EventType.MISSION_REJECTED: Status.REJECTED,
    EventType.MISSION_CANCELLED: Status.CANCELLED,
    EventType.MISSION_EXPIRED: Status.EXPIRED,
    EventType.MISSION_FAILED: Status.FAILED,
}


def phase_of(event_type: EventType) -> Phase:
    """Tell which plane an event type belongs to."""
    family = event_type.value.split(".")[0]
    if family in {"gate", "approval"}:
        return Phase.GATE
    if family in {"dataplane", "task", "model", "tool", "artifact", "evidence", "writeback"}:
        return Phase.DATA_PLANE
    return Phase.CONTROL_PLANE


class NewEvent(Value):
    """An event that is about to be recorded; the ledger adds identity, sequence and hash."""

    event_type: EventType
    payload: dict[str, Any] = Field(default_factory=dict)
    artifact_id: str | None = None
    actor: str = "colony"
    intent: str = ""


class RuntimeEvent(Contract):
    """A recorded event; ``seq`` is gapless per mission; ``hash`` covers ``prev_hash``, ``seq`` and the rest."""

    event_id: str
    mission_id: str
    tenant_id: str
    seq: int
    trace_id: str
    span_id: str
    actor: str
    intent: str
    artifact_id: str | None
    phase: Phase
    event_type: EventType
    timestamp: str
    payload: dict[str, Any]
    prev_hash: str
    hash: str

    def body(self) -> bytes:
        """Return the canonical bytes of everything but ``seq``, ``prev_hash`` and ``hash``."""
        return canonical_bytes(self.model_dump(mode="json", exclude={"seq", "prev_hash", "hash"}))


def chain_hash(prev_hash: str, seq: int, body: bytes) -> str:
    """Link an event to the one before it: SHA-256 of the previous hash, the seq and the body, line feeds between."""
    return sha256_hex(prev_hash.encode() + b"\n" + str(seq).encode() + b"\n" + body)
