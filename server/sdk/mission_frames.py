"""A mission's frames, made from its events and checkpoints: the same every time they are made, live or long after.

An event that ends a step is followed by the checkpoint that LangGraph writes of it a moment later. The frames of the
step wait for it, so that what a client sees never depends on when it came.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from contracts.errors import StoreUnavailable
from contracts.events import TERMINAL_EVENTS, EventType
from contracts.stateflow import ENDED, Stage, Status
from server.sdk.frames import Frame
from server.sdk.missions import MissionViews
from server.sdk.steps import Part, Steps, asked, began, closed, ended, spoken
from server.sdk.stretches import Stretches

_PAGE = 500
_WAIT_S, _SOON_S, _LONGEST_S = 5.0, 0.02, 0.5
_GRACE = timedelta(seconds=3)
_LAST = {
    EventType.MISSION_COMPLETED: Stage.FINALIZE,
    EventType.MISSION_REJECTED: Stage.FINALIZE,
    EventType.MISSION_BLOCKED: Stage.BLOCKED,
    EventType.MISSION_FAILED: Stage.FAILED,
}
"""Which stage tells of an end of the graph; told from elsewhere, an end has no checkpoint."""
Event = dict[str, Any]


@dataclass
class MissionFrames:
    """Satisfies ``Source`` for one mission."""

    views: MissionViews
    tenant_id: str
    mission_id: str
    heard: deque[Event] = field(default_factory=deque)
    over: bool = False
    patience_s: float = _WAIT_S
    _events: deque[Event] = field(default_factory=deque)
    _read: int = 0
    _stage: str = ""
    _last: Frame | None = None
    _told_end: bool = False
    _soon_s: float = _SOON_S

    def __post_init__(self) -> None:
        self._cut = Stretches(self.mission_id)
        self._steps = Steps(self.views, self.tenant_id, self.mission_id)

    async def more(self) -> list[Frame]:
        """Return the frames that came since the last call."""
        made: list[Frame] = []
        self.patience_s = _WAIT_S
        try:
            await self._look()
            while self._events and await self._ready(self._events[0]):
                made += await self._frames(self._events.popleft())
            self.over = not self._events and await self._ended()
        except StoreUnavailable:
            self.patience_s = 1.0
        if made:
            self._last = made[-1]
        return [*made, *self._deltas()]

    async def _look(self) -> None:
        new = await self.views.reader.events(self.tenant_id, self.mission_id, self._read, _PAGE)
        if new:
            self._read = new[-1]["seq"]
            self._events.extend(new)
        if len(new) == _PAGE:
            self.patience_s = 0.0

    async def _ended(self) -> bool:
        if self._cut.open is not None or not self._read:
            return False
        row = await self.views.reader.mission(self.tenant_id, self.mission_id)
        return row["seq"] == self._read and Status(row["status"]) in ENDED

    async def _ready(self, event: Event) -> bool:
        """Tell whether everything that the event's frames need is there."""
        wanted = self._next(event)
        if wanted is None or await self._steps.find(wanted):
            self._soon_s = _SOON_S
            return True
        later = [self._next(one) for one in islice(self._events, 1, None)]
        if any(nodes and self._steps.known(nodes) for nodes in later):
            return True  # the graph has gone on without it
        if any(EventType(later["event_type"]) in TERMINAL_EVENTS for later in islice(self._events, 1, None)):
            return True  # the mission was ended from outside, and nobody can write the checkpoint any more
        row = await self.views.reader.mission(self.tenant_id, self.mission_id)
        happened = datetime.fromisoformat(event["timestamp"])
        # Its process died between the two: the checkpoint will never be.
        if Status(row["status"]) in ENDED and datetime.now(UTC) - happened > _GRACE:
            return True
        self.patience_s = self._soon_s
        self._soon_s = min(2 * self._soon_s, _LONGEST_S)
        return False

    def _next(self, event: Event) -> tuple[str, ...] | None:
        """Return which nodes follow in the checkpoint that belongs to an event; None for one without a checkpoint."""
        kind = EventType(event["event_type"])
        if kind is EventType.STAGE_ENTERED:
            return (event["payload"]["stage"],)
        if kind in _LAST and self._stage == _LAST[kind] and self._cut.open is not None:
            return ()
        return None

    async def _frames(self, event: Event) -> list[Frame]:
        kind = EventType(event["event_type"])
        wanted = self._next(event)
        step = self._steps.take(wanted) if wanted is not None else None
        run, begins, ends = self._cut.take(event)
        parts: list[Part] = []
        if begins:
            parts += [("metadata", {"run_id": run.run_id, "attempt": 1}, None), began()]
        parts += [("custom", event, None)]
        if kind is EventType.STAGE_ENTERED:
            self._stage = event["payload"]["stage"]
        if kind is EventType.MISSION_RETRIED:
            self._stage = ""
        if step is not None:
            parts += ended(step)
        parts += await self._told(event, kind)
        parts += self._closing(event, kind, ends=ends)
        at = int(datetime.fromisoformat(event["timestamp"]).timestamp() * 1000)
        return [
            Frame(event["seq"], part, run.run_id, method, data, at, node=node)
            for part, (method, data, node) in enumerate(parts)
        ]

    def _closing(self, event: Event, kind: EventType, *, ends: bool) -> list[Part]:
        if ends:
            self._told_end = kind in TERMINAL_EVENTS
            return [*closed(event, kind), ("end", None, None)]
        if kind in TERMINAL_EVENTS and not self._told_end:  # while it waited for a person
            self._told_end = True
            return [part for part in closed(event, kind) if part[0] == "lifecycle"]
        return []

    async def _told(self, event: Event, kind: EventType) -> list[Part]:
        if kind is EventType.REVIEW_COMPLETED and event["payload"].get("verdict") == "release":
            shown = await self.views.result(self.tenant_id, self.mission_id)
            return spoken(self.mission_id, event["seq"], shown["summary"]) if shown else []
        if kind in {EventType.APPROVAL_REQUESTED, EventType.APPROVAL_GIVEN}:
            questions = await self.views.questions(self.tenant_id, self.mission_id)
            about = event["payload"]["interrupt_id"]
            if about in questions:
                until = event["payload"].get("expires_at", questions[about]["expires_at"])
                value = {**questions[about], "expires_at": until}
                return asked(self._steps.now, about, value, again=kind is EventType.APPROVAL_GIVEN)
        return []

    def _deltas(self) -> Iterator[Frame]:
        """Give what models have said since: best effort, and kept nowhere."""
        while self.heard:
            delta, last = self.heard.popleft(), self._last
            run = self._cut.open
            if last is None or run is None:
                continue
            chunk = {"type": "AIMessageChunk", "id": delta["call_id"], "content": delta["text"]}
            about = {"langgraph_node": Stage.WORKERS.value, "task_key": delta["task_key"], "run_id": run.run_id}
            mark = f".{time.monotonic_ns():x}"
            yield Frame(*last.place, run.run_id, "messages-tuple", [chunk, about], last.at, mark=mark)
