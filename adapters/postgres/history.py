"""Reading a mission's past: its tape, its checkpoints, and what came of its replays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from adapters.postgres.guard import store_errors
from adapters.postgres.pools import Pool
from adapters.postgres.queries import Queries
from adapters.postgres.records import mission_of, taped_of
from adapters.postgres.unit import Connection
from contracts.errors import NotFound
from contracts.ports import Mission
from contracts.tape import Taped


class History:
    """What is kept of missions' pasts, one short transaction a call."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._q = Queries.load("history")

    @asynccontextmanager
    async def connection(self, tenant_id: str) -> AsyncIterator[Connection]:
        """Open a transaction that reads as a tenant."""
        with store_errors():
            async with self._pool.connection() as conn, conn.transaction():
                await self._pool.stamp(conn, tenant_id)
                yield conn

    async def rows(self, tenant_id: str, statement: str, **params: Any) -> list[DictRow]:
        """Return what a statement finds, as a tenant."""
        async with self.connection(tenant_id) as conn:
            cursor = await conn.execute(self._q[statement], params)
            return await cursor.fetchall() if cursor.description else []

    async def mission(self, tenant_id: str, mission_id: str) -> tuple[Mission, DictRow]:
        """Return a mission, and its row.

        Raises:
            NotFound: there is no such mission for this tenant.
            IntegrityBroken: it can't be read.
        """
        rows = await self.rows(tenant_id, "mission", mission_id=mission_id)
        if not rows:
            raise NotFound("there is no such mission", code="mission_not_found")
        return mission_of(rows[0]), rows[0]

    async def is_taped(self, tenant_id: str, mission_id: str) -> bool:
        """Tell whether there is a tape of a mission."""
        return bool(await self.rows(tenant_id, "taped", mission_id=mission_id))

    async def tape(self, tenant_id: str, mission_id: str) -> list[Taped]:
        """Return what a mission asked and was answered, in order.

        Raises:
            IntegrityBroken: a recorded text is not what it was.
        """
        return await asyncio.to_thread(taped_of, await self.rows(tenant_id, "tape", mission_id=mission_id))

    async def stages(self, tenant_id: str, mission_id: str) -> dict[str, int]:
        """Return how often each stage was entered."""
        rows = await self.rows(tenant_id, "stages", mission_id=mission_id)
        return {row["stage"]: row["times"] for row in rows}

    async def report(self, tenant_id: str, mission_id: str) -> dict[str, Any] | None:
        """Return the stored report of a replay, if there is one yet."""
        rows = await self.rows(tenant_id, "report", mission_id=mission_id)
        return dict(rows[0]["payload"]) if rows else None

    async def keep_report(self, tenant_id: str, mission_id: str, report: Mapping[str, Any]) -> None:
        """Store the report of a replay, once."""
        named = {"identical": report["identical"], "payload": Jsonb(dict(report))}
        await self.rows(tenant_id, "keep_report", mission_id=mission_id, **named)
