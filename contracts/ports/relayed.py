"""What the relay asks of a channel to the outside, and what they hand each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Line:
    """One mission's events that a channel has not carried yet, in order of seq, as plain JSON.

    Attributes:
        attempts: how often the first of them has been refused so far.
        relayed_seq: the last seq that was carried.
        seq: the mission's last seq when the line was taken.
    """

    mission_id: str
    tenant_id: str
    seq: int
    relayed_seq: int
    attempts: int
    events: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Trouble:
    """Why a line stopped before its end.

    Attributes:
        reason: short, stable, free of secrets: it is logged and kept with a dead letter.
        refused: the event itself was refused, which counts against it; otherwise the other side is not there.
        retry_after_ms: the least wait that the other side asked for.
    """

    reason: str
    refused: bool
    retry_after_ms: int = 0


@dataclass(frozen=True)
class Carried:
    """How many of a line's events, from its start, were acknowledged, and what stopped the rest."""

    count: int
    trouble: Trouble | None = None


class ChannelPort(Protocol):
    """Carries events to the outside: each line in order, an event only after the one before it was acknowledged."""

    name: str
    from_start: bool
    """Whether missions from before the channel's first use are carried, too."""

    async def deliver(self, lines: Sequence[Line]) -> Sequence[Carried]:
        """Carry as much as can be in a few seconds; returns what became of each line, in the order given."""
        ...

    async def aclose(self) -> None:
        """Let go of the other side."""
        ...
