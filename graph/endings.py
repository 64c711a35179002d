"""The two stages that end a mission early: a policy or the review said no, or something failed for good."""

from __future__ import annotations

from contracts.events import EventType, NewEvent
from contracts.ports import Ports, StepResult
from contracts.state import MissionState


async def blocked(state: MissionState, ports: Ports) -> StepResult:
    """End the mission as blocked, with the rule or the review's reason."""
    return _ended(state, EventType.MISSION_BLOCKED)


async def failed(state: MissionState, ports: Ports) -> StepResult:
    """End the mission as failed, with its reason and what to do; its artifacts are kept."""
    return _ended(state, EventType.MISSION_FAILED)


def _ended(state: MissionState, event_type: EventType) -> StepResult:
    outcome = state["outcome"]
    event = NewEvent(event_type=event_type, payload=dict(outcome))
    return StepResult(channels={"outcome": outcome}, events=(event,))
