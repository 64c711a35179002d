"""The intake: takes jobs from the queue for as many missions as this process has places, and starts their runs."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from typing import Protocol

import structlog

from adapters.postgres.queue import Job, MissionQueue
from contracts.errors import RunsAlone, StoreUnavailable
from server.ending import ended

_log = structlog.get_logger(__name__)
_POLL_S = 1.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 2.0


class Run(Protocol):
    """Runs one mission."""

    async def __call__(self, mission_id: str, tenant_id: str, *, alone: bool = False) -> None:
        """Run it until it ends or stops.

        Raises:
            RunsAlone: it must not share a process.
        """
        ...


class Intake:
    """``places`` missions at a time; the last free one is for a tenant that has none here.

    A mission that processes died with runs alone: one process of all takes no other until nothing else runs there.
    """

    def __init__(self, queue: MissionQueue, run: Run, *, places: int, rung: asyncio.Event, away_ms: int) -> None:
        self._queue = queue
        self._run = run
        self._places = places
        self._rung = rung
        self._away_s = away_ms / 1000
        self._running: dict[asyncio.Task[None], str] = {}
        self._suspect: Job | None = None
        self._alone = False
        self.closed = False

    @property
    def full(self) -> bool:
        """Whether no further mission is taken at present."""
        return self.closed or self._suspect is not None or len(self._running) >= self._places

    async def work(self) -> None:
        """Take jobs until cancelled. Runs that are under way are not touched when the queue is away.

        Raises:
            StoreUnavailable: Postgres has been away for too long; the process should end and be started again.
        """
        away_since: float | None = None
        wait_s = _FIRST_WAIT_S
        try:
            while True:
                try:
                    found = await self._take()
                    away_since, wait_s = None, _FIRST_WAIT_S
                except StoreUnavailable:
                    away_since = away_since or time.monotonic()
                    if time.monotonic() - away_since > self._away_s:
                        raise
                    await asyncio.sleep(wait_s)
                    wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
                    continue
                if not found:
                    await self._news()
        finally:
            await ended(*self._running)

    async def _take(self) -> bool:
        """Start one mission if there is a place and a job; tells whether it did."""
        self._rung.clear()
        if self._suspect is not None:
            return await self._attend(self._suspect)
        if self.full:
            return False
        last = self._places > 1 and len(self._running) == self._places - 1
        job = await self._queue.next(Counter(self._running.values()), last_place=last)
        if job is not None:
            self._start(job)
        return job is not None

    async def _attend(self, suspect: Job) -> bool:
        """Get free for a suspect if no other process does, and start it when nothing else runs here."""
        held, wanted = await self._queue.hold_alone(suspect)
        if self._alone or self._suspect is not suspect:
            return False
        if held and wanted and not self.closed:
            if not self._running:
                self._start(suspect, alone=True)
            return False
        self._suspect = None
        if held:
            await self._queue.put_back(suspect)
            await self._queue.leave_alone()
        return True

    async def _news(self) -> None:
        """Wait until a job may be there or a place is free."""
        rung = asyncio.ensure_future(self._rung.wait())
        try:
            waited: Iterable[asyncio.Future[object]] = [rung, *self._running]  # type: ignore[list-item]
            await asyncio.wait(waited, timeout=_POLL_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            rung.cancel()

    def _start(self, job: Job, *, alone: bool = False) -> None:
        self._alone = alone
        task = asyncio.create_task(self._work_on(job, alone=alone), name=f"job {job.mission_id}")
        self._running[task] = job.tenant_id
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        if self._alone:
            self._alone, self._suspect = False, None
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a run ended with an error", task=task.get_name(), exc_info=error)

    async def _work_on(self, job: Job, *, alone: bool) -> None:
        suspect = False
        try:
            await self._run(job.mission_id, job.tenant_id, alone=alone)
        except RunsAlone:
            suspect = True
        finally:
            with suppress(StoreUnavailable):
                await (self._put_aside(job) if suspect else self._done(job, alone=alone))

    async def _put_aside(self, job: Job) -> None:
        if self._suspect is None:
            self._suspect = job
        else:
            await self._queue.put_back(job)

    async def _done(self, job: Job, *, alone: bool) -> None:
        await self._queue.done(job)
        if alone:
            await self._queue.leave_alone()
