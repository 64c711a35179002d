"""Reading a mission's past: its tape, its checkpoints, and what came of its replays."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from adapters.postgres.guard import store_errors
from adapters.postgres.opening import OpenRows
from adapters.postgres.pools import Pool
from adapters.postgres.queries import Queries
from adapters.postgres.reader import MissionReader
from adapters.postgres.records import mission_of, taped_of
from adapters.postgres.unit import Connection
from contracts.errors import NotFound
from contracts.events import EventType
from contracts.ports import Mission
from contracts.stateflow import ENDED, Stage
from contracts.tape import Taped


class History:
    """What is kept of missions' pasts, one short transaction a call."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._q = Queries.load("history")
        self._reader = MissionReader(pool)

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
            return await self.on(conn, statement, **params)

    async def on(self, conn: Connection, statement: str, **params: Any) -> list[DictRow]:
        """Return what a statement finds on an open connection."""
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
        row = self._pool.vault.opened("colony_missions", tenant_id, rows[0])
        return mission_of(row), row

    async def is_taped(self, tenant_id: str, mission_id: str) -> bool:
        """Tell whether there is a tape of a mission."""
        return bool(await self.rows(tenant_id, "taped", mission_id=mission_id))

    async def tape(self, tenant_id: str, mission_id: str) -> list[Taped]:
        """Return what a mission asked and was answered, in order.

        Raises:
            IntegrityBroken: a recorded text is not what it was.
        """
        rows = await self.rows(tenant_id, "tape", mission_id=mission_id)
        return await asyncio.to_thread(taped_of, rows, self._pool.vault, tenant_id)

    async def stages(self, tenant_id: str, mission_id: str) -> dict[str, int]:
        """Return how often each stage was entered."""
        events = await self._reader.events(tenant_id, mission_id, 0, 1_000, kind=EventType.STAGE_ENTERED)
        return dict(Counter(str(event["payload"]["stage"]) for event in events))

    async def begins(self, tenant_id: str, mission_id: str) -> tuple[int, Stage] | None:
        """Return the plan's revision and the stage that a mission inherited its state at; None: it began like any."""
        events = await self._reader.events(tenant_id, mission_id, 0, 1, kind=EventType.MISSION_FORKED)
        payload = events[0]["payload"] if events else {}
        return (payload["revision"], Stage(payload["stage"])) if "revision" in payload else None

    async def report(self, tenant_id: str, mission_id: str) -> dict[str, Any] | None:
        """Return the stored report of a replay, if there is one yet."""
        rows = await self.rows(tenant_id, "report", mission_id=mission_id)
        opened = [
            self._pool.vault.opened("colony_replay_reports", tenant_id, row, mission_id=mission_id) for row in rows
        ]
        return dict(opened[0]["payload"]) if opened else None

    async def is_unreported(self, tenant_id: str, mission_id: str) -> bool:
        """Tell whether this is a replay that has ended, and of which there is no report."""
        ended = [status.value for status in ENDED]
        return bool(await self.rows(tenant_id, "unreported", mission_id=mission_id, ended=ended))

    async def keep_report(self, tenant_id: str, mission_id: str, report: Mapping[str, Any]) -> None:
        """Store the report of a replay, once."""
        said = {"mission_id": mission_id, "payload": Jsonb(dict(report))}
        sealed = self._pool.vault.sealed("colony_replay_reports", tenant_id, said)
        await self.rows(tenant_id, "keep_report", identical=report["identical"], **sealed)

    async def artifacts(self, tenant_id: str, mission_id: str) -> list[dict[str, Any]]:
        """Return what a mission made, each with its content as JSON."""
        rows = await self._reader.artifacts(tenant_id, mission_id)
        kept = [row for row in rows if row["content"] is not None]
        return [{**row, "payload": json.loads(bytes(row["content"]))} for row in kept]

    async def referred(self, tenant_id: str, mission_id: str, values: Mapping[str, Any]) -> set[tuple[str, str]]:
        """Return which artifacts a state refers to, by kind and id; an id is its content's own."""
        refs = [value for value in values.values() if isinstance(value, dict) and "sha256" in value]
        sets = [(ref["kind"], ref["revision"]) for ref in refs if "kind" in ref]
        named = {"kinds": [kind for kind, _ in sets], "revisions": [revision for _, revision in sets]}
        ids = [ref["id"] for ref in refs if "id" in ref]
        rows = await self.rows(tenant_id, "referred", mission_id=mission_id, ids=ids, **named)
        return {(row["kind"], row["artifact_id"]) for row in rows}

    async def contents(self, tenant_id: str, mission_id: str, ids: Collection[str]) -> list[dict[str, Any]]:
        """Return artifacts of a mission, each with its content as JSON."""
        rows = await self.rows(tenant_id, "contents", mission_id=mission_id, ids=sorted(ids))
        return await asyncio.to_thread(_read, OpenRows(self._pool.vault), tenant_id, mission_id, rows)


def _read(opening: OpenRows, tenant_id: str, mission_id: str, rows: Sequence[DictRow]) -> list[dict[str, Any]]:
    opened = opening.artifacts(tenant_id, mission_id, rows)
    return [{**row, "payload": json.loads(bytes(row["content"]))} for row in opened]
