"""How a new event becomes a recorded one: its place in the mission's chain, its id and its hash."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.canonical import digest
from contracts.events import NewEvent, RuntimeEvent, chain_hash, phase_of


@dataclass(frozen=True)
class Holder:
    """Whose unit it is: the mission, the epoch it is written under, and who acts."""

    mission_id: str
    tenant_id: str
    epoch: int
    trace_id: str
    actor_id: str
    span_id: str


def event_id(mission_id: str, seq: int, epoch: int) -> str:
    """Return an event's id; by the epoch, what a restored mission goes on with is not what was at that seq before."""
    return f"ev_{digest([mission_id, seq, epoch])[:24]}_{epoch}"


def chained(event: NewEvent, holder: Holder, seq: int, prev_hash: str, timestamp: str) -> RuntimeEvent:
    """Return the event as it is recorded after the one with ``prev_hash``."""
    bare = RuntimeEvent(
        event_id=event_id(holder.mission_id, seq, holder.epoch),
        mission_id=holder.mission_id,
        tenant_id=holder.tenant_id,
        seq=seq,
        trace_id=holder.trace_id,
        span_id=holder.span_id,
        actor=event.actor,
        intent=event.intent,
        artifact_id=event.artifact_id,
        phase=phase_of(event.event_type),
        event_type=event.event_type,
        timestamp=timestamp,
        payload=event.payload,
        prev_hash=prev_hash,
        hash="",
    )
    return bare.model_copy(update={"hash": chain_hash(prev_hash, seq, bare.body())})
