"""Keeping leases alive, and stopping a run in time when its lease can't be kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

import structlog

from contracts.errors import FenceLost, StoreRefused, StoreUnavailable
from contracts.ports import Mission

_log = structlog.get_logger(__name__)


class RenewPort(Protocol):
    """Renews leases in the store."""

    async def renew(self, held: Mapping[str, int]) -> set[str]:
        """Extend the leases of missions held under the given epochs; returns those still held."""
        ...

    async def let_go(self, held: Mapping[str, int]) -> None:
        """Give missions back that were held under the given epochs."""
        ...


@dataclass
class _Held:
    epoch: int
    driver: asyncio.Task[None]
    released: Callable[[], bool]
    good_until: float


class LeaseKeeper:
    """One heartbeat for all missions that this process runs."""

    def __init__(self, claims: RenewPort, *, heartbeat_ms: int, lease_ms: int) -> None:
        self._claims = claims
        self._heartbeat_s = heartbeat_ms / 1000
        # A run stops itself a heartbeat before others may take its mission.
        self._safe_s = (lease_ms - heartbeat_ms) / 1000
        self._held: dict[str, _Held] = {}
        self._let_go: dict[str, int] = {}
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
        good_until = time.monotonic() + self._safe_s
        self._held[mission.mission_id] = _Held(mission.epoch, driver, released, good_until)
        self._idle.clear()
        try:
            yield
        except (StoreUnavailable, FenceLost, asyncio.CancelledError) as exc:
            if not isinstance(exc, StoreRefused):
                self._let_go[mission.mission_id] = mission.epoch
            raise
        finally:
            self._held.pop(mission.mission_id, None)
            if not self._held:
                self._idle.set()

    async def give_back(self) -> None:
        """Give back what stopped runs still held.

        Raises:
            StoreUnavailable: Postgres does not answer; they are kept for the next time.
        """
        if given := dict(self._let_go):
            await self._claims.let_go(given)
            self._let_go = {m: e for m, e in self._let_go.items() if given.get(m) != e}

    def look(self, mission_id: str) -> None:
        """Renew at once, since this mission was taken over: a run of it stops within a moment, not a heartbeat."""
        if mission_id in self._held:
            self._sooner.set()

    async def beat(self) -> None:
        """Renew until cancelled."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._sooner.wait(), self._heartbeat_s)
            self._sooner.clear()
            await self.beat_once()

    async def beat_once(self) -> None:
        """Renew every lease once, and stop the runs whose lease is gone or can't be known to be kept."""
        with suppress(StoreUnavailable):
            await self.give_back()
        asked = {mission_id: held.epoch for mission_id, held in self._held.items()}
        if not asked:
            return
        sent = time.monotonic()
        kept = await self._renewed(asked)
        now = time.monotonic()
        for mission_id, epoch in asked.items():
            held = self._held.get(mission_id)
            if held is None or held.epoch != epoch or held.released():
                continue
            if kept is not None and mission_id in kept:
                held.good_until = sent + self._safe_s
            elif kept is not None or now > held.good_until:
                _log.warning("lease lost, run stopped", mission_id=mission_id, epoch=epoch)
                held.driver.cancel("lease lost")

    async def _renewed(self, asked: Mapping[str, int]) -> set[str] | None:
        """Return what was renewed; None when Postgres does not answer within a heartbeat, or not at all."""
        renewal = asyncio.ensure_future(self._claims.renew(asked))
        await asyncio.wait({renewal}, timeout=self._heartbeat_s)
        if not renewal.done():
            # One that neither answers nor refuses is left behind: the leases end meanwhile.
            renewal.add_done_callback(lambda late: late.cancelled() or late.exception())
            return None
        try:
            return renewal.result()
        except StoreUnavailable:
            return None
