"""The worker: takes missions from the queue, keeps their leases, and sweeps up what nobody runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Protocol

import structlog

from adapters.postgres.claims import Claims
from adapters.postgres.queue import MissionQueue
from contracts.errors import ColonyError, Conflict, IntegrityBroken, NotFound, StoreUnavailable
from graph.leases import LeaseKeeper
from graph.runner import Runner
from server.ending import ended
from server.intake import Intake

_log = structlog.get_logger(__name__)
Late = Callable[[str, str, str], Awaitable[None]]


class Unanswered(Protocol):
    """What becomes of approvals that nobody answers; each is named by tenant, mission and interrupt."""

    async def escalate(self, tenant_id: str, mission_id: str, interrupt_id: str) -> None:
        """Bring one up again, once."""
        ...

    async def expire(self, tenant_id: str, mission_id: str, interrupt_id: str) -> None:
        """End its mission."""
        ...


class Worker:
    """One process's share of the work."""

    def __init__(
        self,
        queue: MissionQueue,
        claims: Claims,
        keeper: LeaseKeeper,
        runner: Runner,
        intake: Intake,
        unanswered: Unanswered,
        *,
        sweep_ms: int,
        beside: Sequence[Callable[[], Awaitable[None]]] = (),
    ) -> None:
        self._queue = queue
        self._claims = claims
        self._keeper = keeper
        self._runner = runner
        self._intake = intake
        self._unanswered = unanswered
        self._sweep_s = sweep_ms / 1000
        self._beside = beside
        self._tasks: list[asyncio.Task[None]] = []
        self._unreadable: set[str] = set()

    def start(self) -> None:
        """Begin taking missions, in the background."""
        loops: list[Awaitable[None]] = [self._intake.work(), self._keeper.beat(), self._sweep()]
        loops += [loop() for loop in self._beside]
        self._tasks = [asyncio.ensure_future(loop) for loop in loops]

    async def wait(self) -> None:
        """Wait until one of the worker's loops ends, which none does by itself; its error is raised.

        Raises:
            StoreUnavailable: Postgres has been away for too long.
        """
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if not task.cancelled():
                task.result()

    async def stop(self, grace_s: float = 20.0) -> None:
        """Drain: no new claims; running missions stop at their next step boundary and go on elsewhere.

        A step that takes longer than ``grace_s`` is stopped where it is, and runs again elsewhere.
        """
        self._intake.closed = True
        self._runner.drain()
        _log.info("draining: running missions stop at their next step")
        with suppress(TimeoutError):
            await asyncio.wait_for(self._keeper.idle(), grace_s)
        await ended(*self._tasks)
        await self._keeper.give_back()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(self._sweep_s)
            with suppress(StoreUnavailable):
                await self.sweep_once()
                await self._claims.fold_metrics()

    async def sweep_once(self) -> None:
        """Enqueue runnable missions that nobody runs and no job waits for; escalate and expire unanswered approvals."""
        if found := await self._claims.runnable():
            for mission_id in await self._queue.requeue(found):
                _log.info("mission found without a worker", mission_id=mission_id)
        await self._each(self._unanswered.escalate, await self._claims.to_escalate(but=self._unreadable))
        await self._each(self._unanswered.expire, await self._claims.overdue(but=self._unreadable))

    async def _each(self, late: Late, approvals: list[tuple[str, str, str]]) -> None:
        for mission_id, tenant_id, interrupt_id in approvals:
            try:
                await late(tenant_id, mission_id, interrupt_id)
            except (Conflict, NotFound):
                continue  # somebody answered in the meantime
            except IntegrityBroken as exc:
                # Not asked for again by this process: neither its log nor the others' turn is to be lost on it.
                self._unreadable.add(interrupt_id)
                _log.error("an approval can't be read", mission_id=mission_id, code=exc.code, reason=exc.message)
            except ColonyError as exc:
                _log.warning("an overdue approval could not be settled", mission_id=mission_id, code=exc.code)
