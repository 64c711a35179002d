"""What a thread says, as frames with an order of their own, and how a run's frames go over the wire."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

HEARTBEAT_S = 5.0
_PARTS = 1_000
_MODES: Mapping[str, tuple[str, ...]] = {
    "values": ("values",),
    "updates": ("updates",),
    "messages": ("messages/metadata", "messages/partial", "messages/complete"),
    "messages-tuple": ("messages-tuple",),
    "custom": ("custom",),
    "tasks": ("tasks",),
    "checkpoints": ("checkpoints",),
    "debug": ("debug",),
    "events": ("events",),
}
MODES = tuple(_MODES)
_ALWAYS = ("metadata", "error", "end")
_LINES = str.maketrans({"\u2028": "\\u2028", "\u2029": "\\u2029", "\x85": "\\u0085"})


@dataclass(frozen=True)
class Frame:
    """One thing that a thread said: its place in the thread's order, its run, and what kind of thing it is.

    ``at`` is in milliseconds since 1970. A frame that is not kept has a ``mark`` of its own behind its place.
    """

    seq: int
    part: int
    run_id: str
    method: str
    data: Any
    at: int = 0
    namespace: tuple[str, ...] = ()
    node: str | None = None
    mark: str = ""

    @property
    def place(self) -> tuple[int, int]:
        """Where the frame stands among the thread's."""
        return self.seq, self.part

    @property
    def number(self) -> int:
        """The place as one number."""
        return number_of(self.place)

    @property
    def name(self) -> str:
        """The place as text: the id of the event on the wire."""
        return f"{self.seq}-{self.part}{self.mark}"


START = (-1, 0)


def number_of(place: tuple[int, int]) -> int:
    """Return the number of the frame at a place."""
    return place[0] * _PARTS + place[1]


def place_of(last_event_id: str | None) -> tuple[int, int]:
    """Return the place that an event's id names; ``-1`` and nothing are the start, a number alone all of that event."""
    seq, dash, rest = (last_event_id or "").partition("-")
    part = rest.partition(".")[0] if dash else str(_PARTS - 1)
    return (int(seq), int(part)) if seq.isdigit() and part.isdigit() else START


def place_at(number: int | None) -> tuple[int, int]:
    """Return the place that a frame's number names."""
    return START if number is None else divmod(number, _PARTS)


class Source(Protocol):
    """Gives a thread's frames in their order, those that are there."""

    @property
    def over(self) -> bool:
        """Whether nothing more can come."""
        ...

    @property
    def patience_s(self) -> float:
        """How long to wait at most for a sign before looking again."""
        ...

    async def more(self) -> list[Frame]:
        """Return the frames that came since the last call; a failure of the store gives none."""
        ...


class Bell(Protocol):
    """Wakes who waits for a thread."""

    @property
    def closing(self) -> bool:
        """Whether the process ends."""
        ...


async def follow(source: Source, rung: asyncio.Event, bell: Bell) -> AsyncIterator[Frame | None]:
    """Give a thread's frames as they come, and None whenever nothing came for a heartbeat's time."""
    said = time.monotonic()
    while not bell.closing:
        rung.clear()
        for frame in await source.more():
            yield frame
            said = time.monotonic()
        if source.over:
            return
        if time.monotonic() - said >= HEARTBEAT_S:
            yield None
            said = time.monotonic()
        left_s = min(source.patience_s, said + HEARTBEAT_S - time.monotonic())
        try:
            await asyncio.wait_for(rung.wait(), max(0.001, left_s))
        except TimeoutError:
            continue


def wanted(modes: Collection[str]) -> frozenset[str]:
    """Return the kinds of frames that stream modes ask for."""
    return frozenset(method for mode in modes for method in _MODES[mode])


async def run_stream(
    frames: AsyncIterator[Frame | None],
    run_id: str,
    modes: Collection[str],
    after: tuple[int, int],
    *,
    subgraphs: bool = False,
) -> AsyncIterator[bytes]:
    """Give a run's frames after a place as server-sent events, up to its end."""
    methods = wanted(modes)
    async for frame in frames:
        if frame is None:
            yield b": heartbeat\n\n"
            continue
        if frame.run_id != run_id:
            continue
        if frame.method == "end":
            if frame.place > after:
                yield sse(frame)
            return
        if frame.place <= after and not frame.mark:
            continue
        if frame.method in _ALWAYS or (frame.method in methods and (subgraphs or not frame.namespace)):
            yield sse(frame)


async def thread_stream(
    frames: AsyncIterator[Frame | None], methods: Collection[str], after: tuple[int, int]
) -> AsyncIterator[bytes]:
    """Give a thread's frames of some kinds after a place, over all its runs."""
    yield b": colony\n\n"
    async for frame in frames:
        if frame is None:
            yield b": heartbeat\n\n"
        elif frame.method in methods and (frame.place > after or frame.mark):
            yield sse(frame)


def sse(frame: Frame) -> bytes:
    """Return a frame as a server-sent event of the protocol's first version."""
    event = "messages" if frame.method == "messages-tuple" else frame.method
    if frame.namespace:
        event = "|".join((event, *frame.namespace))
    return event_of(event, frame.data, frame.name)


def event_of(event: str, data: Any, name: str) -> bytes:
    """Return a server-sent event; no line of it is broken by any reader's notion of lines."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).translate(_LINES)
    return f"id: {name}\nevent: {event}\ndata: {text}\n\n".encode()
