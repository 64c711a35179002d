"""Schedules by which developers' own graphs are run: each time comes round once, whoever looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from adapters.postgres.graph_runs import keep_run
from adapters.postgres.guard import store_errors
from adapters.postgres.pools import Pool
from adapters.postgres.queries import Queries
from adapters.postgres.threads import KEPT_MIN, ThreadStore

_Q = Queries.load("crons")
_THREADS = Queries.load("threads")


class CronStore:
    """Schedules, one short transaction a call."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._threads = ThreadStore(pool)

    async def rows(self, tenant_id: str, statement: str, **params: Any) -> list[DictRow]:
        """Run one named query as a tenant."""
        named = {key: Jsonb(value) if isinstance(value, dict) else value for key, value in params.items()}
        async with self._threads.acting(tenant_id) as conn:
            return await (await conn.execute(_Q[statement], named)).fetchall()

    async def due(self, graphs: Sequence[str]) -> list[tuple[str, str]]:
        """Return the schedules of these graphs that have come round: their ids and tenants."""
        with store_errors():
            async with self._pool.connection() as conn:
                rows = await (await conn.execute(_Q["due"], {"graphs": list(graphs)})).fetchall()
        return [(row["cron_id"], row["tenant_id"]) for row in rows]

    async def at(self, tenant_id: str, cron_id: str) -> DictRow | None:
        """Return a schedule that has come round, or None."""
        found = await self.rows(tenant_id, "at", cron_id=cron_id)
        return found[0] if found else None

    async def fire(self, cron: Mapping[str, Any], next_at: datetime | None) -> bool:
        """Keep the run that a schedule is for, and when the next is; False when another process has done it."""
        async with self._threads.acting(cron["tenant_id"]) as conn:
            taken = {"cron_id": cron["cron_id"], "was": cron["next_at"], "next_at": next_at}
            if await (await conn.execute(_Q["take"], taken)).fetchone() is None:
                return False
            named = {key: cron[key] for key in ("actor_id", "graph_id", "assistant_id", "payload", "metadata")}
            thread_id = cron["thread_id"] or str(uuid4())
            if cron["thread_id"] is None:
                ttl_min = None if cron["keep"] else KEPT_MIN
                notes = {"metadata": Jsonb({"cron_id": cron["cron_id"]}), "config": Jsonb({}), "ttl_min": ttl_min}
                made = {"thread_id": thread_id, "actor_id": cron["actor_id"], **notes}
                await conn.execute(_THREADS["create"], made)
            about = {**named["metadata"], "cron_id": cron["cron_id"]}
            await keep_run(conn, {**named, "metadata": about, "run_id": str(uuid4()), "thread_id": thread_id})
        return True
