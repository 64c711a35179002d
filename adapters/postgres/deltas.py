"""What models say while they say it, from whichever process asks them to whichever streams it: best effort only.

A writer stores nothing for a mission that nobody listens to. Listeners make themselves known by a notification that is
repeated, so a process that starts later learns of them, too. Notifications carry ids only: the text stays under
row-level security, in an unlogged table, for about a minute.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from adapters.postgres.guard import store_errors
from adapters.postgres.pools import Pool
from adapters.postgres.queries import Queries
from contracts.errors import ColonyError
from contracts.ports import Mission, OnDelta

DELTAS, WATCHED = "colony_deltas", "colony_watched"
_COALESCE_S = 0.05
_ANNOUNCE_S = 5.0
_WATCHED_S = 12.0
_MOST_PENDING = 256_000
"""Characters that wait to be written; what a model says beyond them, while Postgres is slow, is not shown."""
_MOST_HEARD = 1_000


@dataclass(frozen=True)
class _Call:
    """One model call of a claimed mission."""

    mission_id: str
    tenant_id: str
    epoch: int
    task_key: str
    call_id: str


class DeltaWriter:
    """Stores what models say, in a background task that no mission waits for."""

    def __init__(self, pool: Pool, *, prune_ms: int = 65_000) -> None:
        self._pool = pool
        self._prune_s = prune_ms / 1000
        self._watched: dict[str, float] = {}
        self._pending: dict[_Call, list[str]] = {}
        self._size = 0
        self._there = asyncio.Event()
        self._q = Queries.load("deltas")

    def watched(self, mission_id: str) -> None:
        """Note that somebody listens to a mission, for the next few seconds."""
        now = time.monotonic()
        if len(self._watched) > _MOST_HEARD:
            self._watched = {m: until for m, until in self._watched.items() if until > now}
        self._watched[mission_id] = now + _WATCHED_S

    def of(self, mission: Mission) -> OnDelta:
        """Return where a mission's models are heard; it never waits and never fails."""

        def say(task_key: str, call_id: str, text: str) -> None:
            if self._watched.get(mission.mission_id, 0.0) < time.monotonic() or self._size > _MOST_PENDING:
                return
            call = _Call(mission.mission_id, mission.tenant_id, mission.epoch, task_key, call_id)
            self._pending.setdefault(call, []).append(text)
            self._size += len(text)
            self._there.set()

        return say

    async def run(self) -> None:
        """Write what is said until cancelled, and prune what has grown old."""
        prune_at = time.monotonic() + self._prune_s
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._there.wait(), prune_at - time.monotonic())
            if time.monotonic() >= prune_at:
                await self._prune()
                prune_at = time.monotonic() + self._prune_s
            if not self._there.is_set():
                continue
            await asyncio.sleep(_COALESCE_S)
            self._there.clear()
            pending, self._pending, self._size = self._pending, {}, 0
            for call, pieces in pending.items():
                # A mission in other hands, or a store that is away: nobody hears of it.
                with suppress(ColonyError):
                    await self._write(call, "".join(pieces))

    async def _write(self, call: _Call, text: str) -> None:
        clean = text.replace("\0", "").encode("utf-8", "replace").decode()
        said = {"mission_id": call.mission_id, "task_key": call.task_key, "call_id": call.call_id}
        with store_errors():
            async with self._pool.connection() as conn, conn.transaction():
                await self._pool.stamp(conn, call.tenant_id, str(call.epoch))
                row = conn.vault.sealed("colony_deltas", call.tenant_id, {**said, "text": clean})
                await conn.execute(self._q["say"], row)

    async def _prune(self) -> None:
        with suppress(ColonyError), store_errors():
            async with self._pool.connection() as conn:
                await conn.execute(self._q["prune"])


@dataclass(eq=False)
class _Ear:
    tenant_id: str
    rung: asyncio.Event
    heard: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=_MOST_HEARD))


class DeltaFeed:
    """Brings what models say to this process's streams: one read for all of a mission's."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._ears: dict[str, set[_Ear]] = defaultdict(set)
        self._new: dict[str, list[int]] = defaultdict(list)
        self._there = asyncio.Event()
        self._joined = asyncio.Event()
        self._q = Queries.load("deltas")

    @asynccontextmanager
    async def listening(
        self, tenant_id: str, mission_id: str, rung: asyncio.Event
    ) -> AsyncIterator[deque[dict[str, Any]]]:
        """Collect a mission's deltas for the block; ``rung`` is set whenever there are new ones."""
        ear = _Ear(tenant_id, rung)
        self._ears[mission_id].add(ear)
        self._joined.set()
        try:
            yield ear.heard
        finally:
            self._ears[mission_id].discard(ear)
            if not self._ears[mission_id]:
                del self._ears[mission_id]

    def rung(self, payload: str) -> None:
        """Take a notification: a mission's id and a delta's."""
        mission_id, _, delta_id = payload.partition(" ")
        if mission_id in self._ears and delta_id.isdigit():
            self._new[mission_id].append(int(delta_id))
            self._there.set()

    async def run(self) -> None:
        """Announce and read until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._announce())
            group.create_task(self._read())

    async def _announce(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._joined.wait(), _ANNOUNCE_S if self._ears else None)
            self._joined.clear()
            with suppress(ColonyError), store_errors():
                async with self._pool.connection() as conn:
                    await conn.execute(self._q["watch"], {"missions": list(self._ears)})

    async def _read(self) -> None:
        while True:
            await self._there.wait()
            self._there.clear()
            new, self._new = self._new, defaultdict(list)
            for mission_id, ids in new.items():
                ears = tuple(self._ears.get(mission_id, ()))
                if not ears:
                    continue
                with suppress(ColonyError):
                    rows = await self._rows(ears[0].tenant_id, mission_id, ids)
                    for ear in ears:
                        ear.heard.extend(rows)
                        ear.rung.set()

    async def _rows(self, tenant_id: str, mission_id: str, ids: Sequence[int]) -> list[dict[str, Any]]:
        with store_errors():
            async with self._pool.connection() as conn, conn.transaction():
                await self._pool.stamp(conn, tenant_id)
                cursor = await conn.execute(self._q["heard"], {"mission_id": mission_id, "ids": list(ids)})
                rows = await cursor.fetchall()
        return [self._pool.vault.opened("colony_deltas", tenant_id, row) for row in rows]
