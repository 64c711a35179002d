"""Keeping leases alive, and stopping a run in time when its lease can't be kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import structlog

from contracts.errors import FenceLost, StoreRefused, StoreUnavailable
from contracts.ports import Mission

_log = structlog.get_logger(__name__)
AnswerT = TypeVar("AnswerT")


class RenewPort(Protocol):
    """Renews leases in the store."""

    async def renew(self, held: Mapping[str, int]) -> set[str]:
        """Extend the leases of missions held under the given epochs; returns those still held."""
        ...

    async def let_go(self, held: Mapping[str, int]) -> None:
        """Give missions back that were held under the given epochs."""
        ...


@dataclass(eq=False)
class _Held:
    mission_id: str
    epoch: int
    driver: asyncio.Task[None]
    released: Callable[[], bool]
    end: asyncio.TimerHandle | None = None
    stopped: bool = False

    def good_until(self, moment: float) -> None:
        """Stop the run at a moment of the event loop's clock, unless its lease is known to be kept by then."""
        self.forget()
        self.end = asyncio.get_running_loop().call_at(moment, self.stop)

    def forget(self) -> None:
        if self.end is not None:
            self.end.cancel()

    def stop(self) -> None:
        """Cancel the run, once: what it is ending meanwhile is not to be broken off."""
        self.forget()
        if not (self.stopped or self.released()):
            self.stopped = True
            _log.warning("lease lost, run stopped", mission_id=self.mission_id, epoch=self.epoch)
            self.driver.cancel("lease lost")


class LeaseKeeper:
    """One heartbeat for all missions that this process runs."""

    def __init__(self, claims: RenewPort, *, heartbeat_ms: int, lease_ms: int) -> None:
        self._claims = claims
        self._heartbeat_s = heartbeat_ms / 1000
        # A run stops itself a heartbeat before others may take its mission.
        self._safe_s = (lease_ms - heartbeat_ms) / 1000
        self._held: set[_Held] = set()
        self._let_go: set[tuple[str, int]] = set()
        self._giving = asyncio.Lock()
        self._sooner = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def holding(self) -> int:
        """How many missions this process runs."""
        return len(self._held)

    async def idle(self) -> None:
        """Wait until this process runs no mission."""
        await self._idle.wait()

    @asynccontextmanager
    async def keep(
        self, mission: Mission, driver: asyncio.Task[None], released: Callable[[], bool]
    ) -> AsyncIterator[None]:
        """Keep the mission's lease for the block; the driver is cancelled when the lease is lost.

        ``released`` tells whether the run has given its lease up itself, since a lease that is gone then is not lost.
        A run that ends because the store was away or its process ends gives its lease back with the next heartbeat. Any
        other error keeps it: the mission may be what killed the run, and the lapsed lease is what counts it.
        """
        held = _Held(mission.mission_id, mission.epoch, driver, released)
        held.good_until(asyncio.get_running_loop().time() + self._safe_s)
        self._held.add(held)
        self._idle.clear()
        self._outdated(mission.mission_id)
        try:
            yield
        except (StoreUnavailable, FenceLost, asyncio.CancelledError) as exc:
            if not isinstance(exc, StoreRefused):
                self._let_go.add((mission.mission_id, mission.epoch))
            raise
        finally:
            held.forget()
            self._held.discard(held)
            if not self._held:
                self._idle.set()

    def _outdated(self, mission_id: str) -> None:
        """Stop the runs of a mission that this process has claimed anew since: no renewal would tell the two apart."""
        runs = [held for held in self._held if held.mission_id == mission_id]
        newest = max(held.epoch for held in runs)
        for held in runs:
            if held.epoch < newest:
                held.stop()

    async def give_back(self) -> None:
        """Give back what stopped runs still held. If Postgres does not answer, it is kept for the next time."""
        await self._answer(self._give_back())

    async def _give_back(self) -> None:
        async with self._giving:
            if given := sorted(self._let_go):
                # Of a mission's epochs the highest counts, and the others are nobody's any more.
                await self._claims.let_go(dict(given))
                self._let_go.difference_update(given)

    def look(self, mission_id: str) -> None:
        """Renew at once, since this mission was taken over: a run of it stops within a moment, not a heartbeat."""
        if any(held.mission_id == mission_id for held in self._held):
            self._sooner.set()

    async def beat(self) -> None:
        """Renew until cancelled."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._sooner.wait(), self._heartbeat_s)
            self._sooner.clear()
            await self.beat_once()

    async def beat_once(self) -> None:
        """Renew every lease once, and stop the runs whose lease is gone."""
        await asyncio.gather(self.give_back(), self._renew())

    async def _renew(self) -> None:
        asked = [held for held in self._held if not (held.stopped or held.released())]
        if not asked:
            return
        sent = asyncio.get_running_loop().time()
        kept = await self._answer(self._claims.renew({held.mission_id: held.epoch for held in asked}))
        if kept is None:
            return
        for held in asked:
            if held not in self._held or held.stopped:
                continue
            if held.mission_id in kept:
                held.good_until(sent + self._safe_s)
            else:
                held.stop()

    async def _answer(self, work: Coroutine[Any, Any, AnswerT]) -> AnswerT | None:
        """Return what Postgres answers; None when it does not within a heartbeat, or not at all."""
        asking = asyncio.ensure_future(work)
        await asyncio.wait({asking}, timeout=self._heartbeat_s)
        if not asking.done():
            # One that neither answers nor refuses is left behind: the leases end meanwhile.
            asking.add_done_callback(lambda late: late.cancelled() or late.exception())
            return None
        try:
            return asking.result()
        except StoreUnavailable:
            return None
