"""What is recorded of a write to the root: its key, its intent and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contracts.canonical import digest
from contracts.events import EventType, NewEvent
from contracts.evidence import WritebackProposal
from contracts.ports import EffectOutcome

_EVENTS = {
    "applied": EventType.WRITEBACK_APPLIED,
    "conflicted": EventType.WRITEBACK_CONFLICTED,
    "failed": EventType.WRITEBACK_FAILED,
    "unknown": EventType.WRITEBACK_UNKNOWN,
    "simulated": EventType.REPLAY_SIMULATED,
}


def key_of(mission_id: str, proposal: WritebackProposal) -> str:
    """Return the idempotency key of a write: the same for every attempt, another for every other payload."""
    return digest([mission_id, proposal.proposal_id, proposal.payload_sha256])


def intended_event(proposal: WritebackProposal, key: str) -> NewEvent:
    """Return the event that says that a write is about to be sent."""
    return _event(EventType.WRITEBACK_INTENDED, proposal, {"idempotency_key": key})


def effect_event(proposal: WritebackProposal, outcome: EffectOutcome) -> NewEvent:
    """Return the event that says how a write ended."""
    return _event(_EVENTS[outcome.status], proposal, outcome.detail)


def _event(event_type: EventType, proposal: WritebackProposal, detail: Mapping[str, Any]) -> NewEvent:
    payload = {
        "proposal_id": proposal.proposal_id,
        "payload_sha256": proposal.payload_sha256,
        "target": proposal.target.model_dump(mode="json"),
        "operation": proposal.operation,
        **detail,
    }
    return NewEvent(event_type=event_type, payload=payload, artifact_id=proposal.proposal_id)
