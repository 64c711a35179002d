"""The relay: carries committed events to the outside, per mission in order, at least once.

Take a lease on missions that are behind, hand their events to the channel, move the cursors over what was acknowledged.
Whoever dies in between leaves a lease that lapses and a cursor that has not moved: the next one repeats, with the same
event ids, and nothing is lost.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from adapters.postgres.outbox import Outbox, Settled
from contracts.errors import StoreUnavailable
from contracts.ports.relayed import Carried, ChannelPort, Line, Trouble

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Pace:
    """How a relay works through its backlog.

    Attributes:
        missions: the most missions of one turn.
        events: the most events of each.
        room: bytes of events in memory at a time.
        poll_ms: the wait when nothing is behind.
        lease_ms: after this long, another relay may take over what this one holds; longer than a turn can take.
        backoff_ms: the first wait after trouble; doubled each time, with jitter.
        longest_ms: the longest such wait.
        attempts: how often an event is tried before it becomes a dead letter.
    """

    missions: int = 50
    events: int = 100
    room: int = 8_000_000
    poll_ms: int = 200
    lease_ms: int = 20_000
    backoff_ms: int = 500
    longest_ms: int = 30_000
    attempts: int = 10


class Relay:
    """One process's relay of one channel; any number of them share the work."""

    def __init__(self, outbox: Outbox, channel: ChannelPort, pace: Pace) -> None:
        self._outbox = outbox
        self._channel = channel
        self._pace = pace
        self._away = 0

    async def run(self) -> None:
        """Relay until cancelled; lives through an absent store and an absent receiver."""
        opened = False
        while True:
            try:
                if not opened:
                    await self._outbox.open(from_start=self._channel.from_start)
                    opened = True
                worked = await self.turn()
            except StoreUnavailable:
                await asyncio.sleep(self._backoff_ms(1) / 1000)
                continue
            if self._away:
                await asyncio.sleep(self._backoff_ms(self._away) / 1000)
            elif not worked:
                await asyncio.sleep(self._pace.poll_ms / 1000)

    async def turn(self) -> bool:
        """Take what is behind, carry it, note how far it got; tells whether there was anything."""
        lines = await self._outbox.take(self._pace.missions, self._pace.events, self._pace.room)
        if not lines:
            await self._outbox.settle([])
            return False
        carried = await self._channel.deliver(lines)
        await self._outbox.settle([await self._settled(*pair) for pair in zip(lines, carried, strict=True)])
        self._note([c.trouble for c in carried])
        return True

    async def _settled(self, line: Line, carried: Carried) -> Settled:
        if not line.events:
            return Settled(line, line.seq)  # pruned before they were carried
        upto = int(line.events[carried.count - 1]["seq"]) if carried.count else line.relayed_seq
        trouble = carried.trouble
        if trouble is None or not trouble.refused:
            return Settled(line, upto, 0 if carried.count else line.attempts)
        attempts = 1 + (0 if carried.count else line.attempts)
        event = line.events[carried.count]
        about = {"channel": self._channel.name, "mission_id": line.mission_id, "event_id": event["event_id"]}
        if attempts >= self._pace.attempts:
            await self._outbox.bury(line, carried.count, attempts, trouble.reason)
            _log.error("an event was given up", **about, reason=trouble.reason, attempts=attempts)
            return Settled(line, int(event["seq"]))
        delay_ms = max(trouble.retry_after_ms, self._backoff_ms(attempts))
        _log.warning("an event was refused", **about, reason=trouble.reason, attempts=attempts, again_in_ms=delay_ms)
        return Settled(line, upto, attempts, delay_ms)

    def _note(self, troubles: Sequence[Trouble | None]) -> None:
        """Keep count of turns in which the other side was not there, and say when that begins and ends."""
        away = next((t for t in troubles if t is not None and not t.refused), None)
        if away is None:
            if self._away:
                _log.info("the receiver is back", channel=self._channel.name)
            self._away = 0
            return
        if not self._away:
            _log.warning("the receiver does not answer: events wait", channel=self._channel.name, reason=away.reason)
        self._away += 1

    def _backoff_ms(self, attempts: int) -> int:
        wait = min(self._pace.longest_ms, self._pace.backoff_ms * 2 ** min(attempts - 1, 30))
        return int(wait * random.uniform(0.5, 1.0))  # noqa: S311
