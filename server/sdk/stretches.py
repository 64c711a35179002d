"""A mission's runs: the stretches of its events between a submission, answer or retry and the next rest.

Runs are stored nowhere. They follow from the events, so an approval over any surface makes the run that it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid5

from contracts.events import TERMINAL_EVENTS, EventType
from contracts.stateflow import Status

_NAMES = UUID("6f1c1c1e-5a0b-4c57-9f0e-2f6f1d1b7a27")
_BEGIN = frozenset({EventType.APPROVAL_GIVEN, EventType.APPROVAL_DECIDED, EventType.MISSION_RETRIED})
_PAUSE = frozenset({EventType.APPROVAL_REQUESTED, EventType.APPROVAL_GIVEN})
ENDINGS: dict[Status, str] = {
    Status.COMPLETED: "success",
    Status.REJECTED: "success",
    Status.BLOCKED: "error",
    Status.FAILED: "error",
    Status.CANCELLED: "interrupted",
    Status.EXPIRED: "timeout",
}
"""What a run's status is when its mission has ended so."""


def run_name(mission_id: str, first: int) -> str:
    """Return the id of the run that begins with an event."""
    return str(uuid5(_NAMES, f"{mission_id}/{first}"))


def assistant_name(mission_type: str) -> str:
    """Return the id of the assistant that a mission class is."""
    return str(uuid5(_NAMES, f"assistant/{mission_type}"))


@dataclass
class Run:
    """One stretch: its first event's seq, its last one's when it is over, and how it stands."""

    run_id: str
    first: int
    created_at: str
    updated_at: str
    status: str = "pending"
    last: int | None = None


@dataclass
class Stretches:
    """Cuts a mission's events, given one by one, into runs."""

    mission_id: str
    runs: list[Run] = field(default_factory=list)

    @property
    def open(self) -> Run | None:
        """The run that is under way."""
        return self.runs[-1] if self.runs and self.runs[-1].last is None else None

    def take(self, event: Mapping[str, Any]) -> tuple[Run, bool, bool]:
        """Return the run an event belongs to, whether it begins it and whether it ends it."""
        kind, seq, at = EventType(event["event_type"]), int(event["seq"]), str(event["timestamp"])
        begins = not self.runs or (self.open is None and kind in _BEGIN)
        if begins:
            self.runs.append(Run(run_name(self.mission_id, seq), seq, at, at))
        run = self.runs[-1]
        if run.last is not None:
            return run, False, False
        run.updated_at = at
        if seq > run.first or kind is not EventType.INTENT_RECEIVED:
            run.status = "running"
        ended = TERMINAL_EVENTS.get(kind)
        if ended is None and kind not in _PAUSE:
            return run, begins, False
        run.last = seq
        run.status = "interrupted" if ended is None else ENDINGS[ended]
        return run, begins, True


def runs_of(mission_id: str, events: Iterable[Mapping[str, Any]]) -> list[Run]:
    """Return a mission's runs, oldest first."""
    cut = Stretches(mission_id)
    for event in events:
        cut.take(event)
    return cut.runs
