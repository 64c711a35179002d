"""Threads as clients of the LangGraph SDK see them: missions, and what such a client keeps beside them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from adapters.postgres.guard import store_errors
from adapters.postgres.pools import Pool
from adapters.postgres.queries import Queries
from adapters.postgres.saver import StepSaver
from adapters.postgres.sealed_checkpoints import TenantSerializer
from adapters.postgres.unit import Connection
from contracts.errors import Conflict, NotFound


def thread_not_found() -> NotFound:
    """Return the error for a thread that is not there, or another tenant's."""
    return NotFound("there is no such thread", code="thread_not_found")


KEPT_MIN = 60.0
"""For how many minutes the thread of a run that was begun without one is kept."""


class ThreadStore:
    """Threads and their notes, one short transaction a call, always as one tenant."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._q = Queries.load("threads")

    @asynccontextmanager
    async def acting(self, tenant_id: str, epoch: str = "") -> AsyncIterator[Connection]:
        """Open a transaction as a tenant."""
        with store_errors():
            async with self._pool.connection() as conn, conn.transaction():
                await self._pool.stamp(conn, tenant_id, epoch)
                yield conn

    @asynccontextmanager
    async def checkpoints(self, tenant_id: str, epoch: str = "") -> AsyncIterator[StepSaver]:
        """Open LangGraph's checkpoints as a tenant for the block; without an epoch they can only be read."""
        async with self.acting(tenant_id, epoch) as conn:
            yield StepSaver(conn, serde=TenantSerializer(conn.vault, tenant_id))

    async def rows(self, tenant_id: str, statement: str, **params: Any) -> list[DictRow]:
        """Run one named query as a tenant."""
        async with self.acting(tenant_id) as conn:
            rows = await (await conn.execute(self._q[statement], params)).fetchall()
        return [self._opened(tenant_id, row) if row.get("failure") else row for row in rows]

    def _opened(self, tenant_id: str, row: DictRow) -> DictRow:
        """Open why a mission failed; the failure of another graph's run is no mission's."""
        if row.get("mission_id") is None:
            return row
        said = {"payload": {"failure": row["failure"]}}
        opened = self._pool.vault.opened("colony_missions", tenant_id, said, mission_id=row["mission_id"])
        return {**row, **opened["payload"]}

    async def create(
        self,
        tenant_id: str,
        actor_id: str,
        thread_id: str,
        metadata: Mapping[str, Any],
        config: Mapping[str, Any],
        ttl_min: float | None = None,
    ) -> bool:
        """Keep a new thread, for so many minutes after its last change if given; False when its id is taken."""
        values = {"metadata": Jsonb(dict(metadata)), "config": Jsonb(dict(config)), "ttl_min": ttl_min}
        return bool(await self.rows(tenant_id, "create", thread_id=thread_id, actor_id=actor_id, **values))

    async def thread(self, tenant_id: str, thread_id: str) -> DictRow:
        """Return a thread joined with its mission, if it has one.

        Raises:
            NotFound: there is no such thread for this tenant.
        """
        found = await self.rows(tenant_id, "thread", thread_id=thread_id)
        if not found:
            raise thread_not_found()
        return found[0]

    async def search(self, tenant_id: str, **asked: Any) -> tuple[list[DictRow], int]:
        """Return a page of threads, and how many there are in all."""
        named = {**asked, "metadata": Jsonb(asked["metadata"]) if asked["metadata"] else None}
        found = await self.rows(tenant_id, "search", **named)
        if found or not asked["offset"]:
            return found, int(found[0]["total"]) if found else 0
        return [], await self.count(tenant_id, **{key: asked[key] for key in ("ids", "status", "metadata")})

    async def count(self, tenant_id: str, **asked: Any) -> int:
        """Return how many threads there are."""
        named = {**asked, "metadata": Jsonb(asked["metadata"]) if asked["metadata"] else None}
        return int((await self.rows(tenant_id, "count", **named))[0]["total"])

    async def patch(
        self,
        tenant_id: str,
        actor_id: str,
        thread_id: str,
        metadata: Mapping[str, Any],
        ttl_min: float | None = None,
    ) -> None:
        """Merge metadata into a thread's, and say for how long it is kept, if that is given.

        Raises:
            NotFound: there is no such thread for this tenant.
        """
        merged = Jsonb(dict(metadata))
        async with self.acting(tenant_id) as conn:
            await conn.execute(self._q["note"], {"thread_id": thread_id, "actor_id": actor_id, "metadata": Jsonb({})})
            named = {"thread_id": thread_id, "metadata": merged, "ttl_min": ttl_min}
            cursor = await conn.execute(self._q["patch"], named)
            if await cursor.fetchone() is None:
                raise thread_not_found()

    async def delete(self, tenant_id: str, thread_id: str) -> None:
        """Forget a thread that is no mission, with its runs and checkpoints.

        Raises:
            NotFound: there is no such thread for this tenant.
            Conflict: it is a mission: what a mission did stays on record.
        """
        await self.thread(tenant_id, thread_id)
        if not (await self.rows(tenant_id, "forget", thread_id=thread_id))[0]["forgotten"]:
            raise Conflict(
                "this thread is a mission, whose record is kept",
                code="thread_is_a_mission",
                hint="Cancel its run if it must stop; `colony db prune` drops what replay alone needs.",
            )

    async def unkept(self) -> int:
        """Forget the threads that have been kept for as long as they were to be; returns how many."""
        with store_errors():
            async with self._pool.connection() as conn:
                found = await (await conn.execute(self._q["unkept"])).fetchall()
        for row in found:
            await self.rows(row["tenant_id"], "forget", thread_id=row["thread_id"])
        return len(found)


MOST_ITEMS = 100_000
"""How many items one tenant's store may hold."""


class MemoryStore:
    """The items of the SDK's store: one table, tenant by tenant."""

    def __init__(self, pool: Pool) -> None:
        self._store = ThreadStore(pool)

    async def put(
        self, tenant_id: str, actor_id: str, namespace: Sequence[str], key: str, value: Any, ttl_min: float | None
    ) -> None:
        """Keep an item, in the place of the one with its name; for ``ttl_min`` minutes if that is given.

        Raises:
            Conflict: the tenant's store is full.
        """
        named = {"namespace": list(namespace), "key": key, "value": Jsonb(value), "ttl_min": ttl_min}
        await self._store.rows(tenant_id, "sweep_items")
        if not await self._store.rows(tenant_id, "put_item", actor_id=actor_id, most=MOST_ITEMS, **named):
            raise Conflict(f"the store holds {MOST_ITEMS} items already", code="store_full", hint="Delete some first.")

    async def get(self, tenant_id: str, namespace: Sequence[str], key: str) -> DictRow | None:
        """Return an item, or None."""
        found = await self._store.rows(tenant_id, "get_item", namespace=list(namespace), key=key)
        return found[0] if found else None

    async def delete(self, tenant_id: str, namespace: Sequence[str], key: str) -> None:
        """Forget an item, if it is there."""
        await self._store.rows(tenant_id, "delete_item", namespace=list(namespace), key=key)

    async def search(
        self, tenant_id: str, prefix: Sequence[str], wanted: Mapping[str, Any] | None, limit: int, offset: int
    ) -> list[DictRow]:
        """Return items under a namespace that hold the wanted values, last changed first."""
        held = Jsonb(dict(wanted)) if wanted else None
        page = {"limit": limit, "offset": offset}
        return await self._store.rows(
            tenant_id, "search_items", prefix=list(prefix), depth=len(prefix), filter=held, **page
        )

    async def namespaces(
        self, tenant_id: str, prefix: Sequence[str], suffix: Sequence[str], max_depth: int, limit: int, offset: int
    ) -> list[list[str]]:
        """Return the namespaces that begin and end so, cut to a depth."""
        ends = {"prefix": list(prefix), "depth": len(prefix), "suffix": list(suffix), "tail": len(suffix)}
        page = {"max_depth": max_depth, "limit": limit, "offset": offset}
        return [list(row["namespace"]) for row in await self._store.rows(tenant_id, "namespaces", **ends, **page)]
