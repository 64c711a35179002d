"""The doorbell: one LISTEN connection a process; whoever waits for a mission's events is woken, and reads the table."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import psycopg
import structlog
from psycopg import AsyncConnection

_log = structlog.get_logger(__name__)
_CHANNEL = "colony_events"
JOBS = "procrastinate_queue_v1#missions"
"""The channel on which Procrastinate's trigger says that a job was added."""
_RETRY_S = 0.5


class Doorbell:
    """Wakes waiters by mission id. After a lost connection everybody is woken, since a ring may have been missed.

    Attributes:
        jobs: set whenever the queue may have a job.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._waiting: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._hooks: dict[str, Callable[[str], None]] = {}
        self.jobs = asyncio.Event()
        self.closing = False

    def on(self, channel: str, hook: Callable[[str], None]) -> None:
        """Give a channel's payloads to a hook; to be said before the listening begins."""
        self._hooks[channel] = hook

    @asynccontextmanager
    async def waiter(self, mission_id: str) -> AsyncIterator[asyncio.Event]:
        """Give an event that is set whenever the mission may have news, and once when the process closes."""
        event = asyncio.Event()
        self._waiting[mission_id].add(event)
        try:
            yield event
        finally:
            self._waiting[mission_id].discard(event)
            if not self._waiting[mission_id]:
                del self._waiting[mission_id]

    @property
    def waiting(self) -> int:
        """How many wait at present."""
        return sum(len(events) for events in self._waiting.values())

    def close(self) -> None:
        """Wake everybody for the last time."""
        self.closing = True
        self._ring_all()

    def _ring_all(self) -> None:
        self.jobs.set()
        for events in self._waiting.values():
            for event in events:
                event.set()

    async def listen(self) -> None:
        """Listen until cancelled; reconnects by itself."""
        lost = False
        while True:
            try:
                async with await AsyncConnection.connect(
                    self._dsn, autocommit=True, application_name="colony doorbell"
                ) as conn:
                    for channel in (_CHANNEL, JOBS, *self._hooks):
                        await conn.execute(f'listen "{channel}"')
                    self._ring_all()
                    if lost:
                        _log.info("the event listener is back")
                    lost = False
                    async for notice in conn.notifies():
                        if notice.channel == JOBS:
                            self.jobs.set()
                        if (hook := self._hooks.get(notice.channel)) is not None:
                            hook(notice.payload)
                            continue
                        for event in self._waiting.get(notice.payload, ()):
                            event.set()
            except psycopg.OperationalError:
                if not lost:
                    _log.warning("the event listener lost its connection")
                lost = True
            await asyncio.sleep(_RETRY_S)
