"""Reading missions for the API: always as one tenant, always whole rows, never a lock."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from psycopg.rows import DictRow

from adapters.postgres.audit.rows import shown
from adapters.postgres.guard import store_errors
from adapters.postgres.opening import OpenRows, constitutions_of
from adapters.postgres.pools import Pool
from adapters.postgres.queries import Queries
from adapters.postgres.unit import Connection
from contracts.errors import IntegrityBroken, NotFound

_VERSIONS = Queries.load("constitution")["versions"]


@dataclass(frozen=True)
class MissionRecord:
    """Everything that is stored about one mission, as rows of one moment."""

    mission: DictRow
    events: list[DictRow]
    artifacts: list[DictRow]
    approvals: list[DictRow]
    grants: list[DictRow]
    writebacks: list[DictRow]
    model_calls: list[DictRow]
    tool_calls: list[DictRow]
    constitutions: list[DictRow] = field(default_factory=list)
    rows: list[dict[str, str]] = field(default_factory=list)
    roots: list[DictRow] = field(default_factory=list)
    rules: list[DictRow] = field(default_factory=list)


class MissionReader:
    """What the API shows of missions, one short transaction a call."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._opened = OpenRows(pool.vault)
        self._q = Queries.load("reader")

    @asynccontextmanager
    async def _as(self, tenant_id: str) -> AsyncIterator[Connection]:
        with store_errors():
            async with self._pool.connection() as conn, conn.transaction():
                await self._pool.stamp(conn, tenant_id)
                yield conn

    async def _rows(self, tenant_id: str, statement: str, **params: Any) -> list[DictRow]:
        async with self._as(tenant_id) as conn:
            return await (await conn.execute(self._q[statement], params)).fetchall()

    async def mission(self, tenant_id: str, mission_id: str) -> DictRow:
        """Return a mission's row with its budget.

        Raises:
            NotFound: there is no such mission for this tenant.
        """
        rows = await self._rows(tenant_id, "mission", mission_id=mission_id)
        if not rows:
            raise NotFound("there is no such mission", code="mission_not_found")
        return self._opened.of("colony_missions", tenant_id, rows)[0]

    async def missions(
        self,
        tenant_id: str,
        *,
        status: str | None,
        mission_type: str | None,
        before: tuple[datetime, str] | None,
        limit: int,
    ) -> list[DictRow]:
        """Return missions, newest first; ``before`` is the last row of the page before."""
        moment, last = before or (None, None)
        rows = await self._rows(
            tenant_id, "missions", status=status, mission_type=mission_type, before=moment, before_id=last, limit=limit
        )
        return self._opened.of("colony_missions", tenant_id, rows)

    async def artifacts(self, tenant_id: str, mission_id: str, kind: str | None = None) -> list[DictRow]:
        """Return the artifacts of a mission in the order they were stored."""
        rows = await self._rows(tenant_id, "artifacts", mission_id=mission_id, kind=kind)
        return await asyncio.to_thread(self._opened.artifacts, tenant_id, mission_id, rows)

    async def newest(self, tenant_id: str, mission_id: str, *kinds: str) -> dict[str, DictRow]:
        """Return the newest artifact of each kind, by kind."""
        found = await self._rows(tenant_id, "newest", mission_id=mission_id, kinds=list(kinds))
        rows = await asyncio.to_thread(self._opened.artifacts, tenant_id, mission_id, found)
        return {row["kind"]: row for row in reversed(rows)}

    async def events(
        self, tenant_id: str, mission_id: str, after: int, limit: int = 500, *, kind: str | None = None
    ) -> list[dict[str, Any]]:
        """Return recorded events after a seq, in order, as they were hashed; of one type if asked."""
        found = await self._rows(tenant_id, "events", mission_id=mission_id, after=after, limit=limit, kind=kind)
        rows = self._opened.of("colony_events", tenant_id, found, mission_id=mission_id)
        return [
            {**json.loads(bytes(r["content"])), "seq": r["seq"], "prev_hash": r["prev_hash"], "hash": r["hash"]}
            for r in rows
        ]

    async def record(self, tenant_id: str, mission_id: str) -> MissionRecord:
        """Return everything about a mission in one snapshot, for the audit bundle.

        Raises:
            NotFound: there is no such mission for this tenant.
        """
        named: dict[str, Any] = {"mission_id": mission_id}
        with store_errors():
            async with self._pool.connection() as conn, conn.transaction():
                await conn.execute(self._q["snapshot"])
                await self._pool.stamp(conn, tenant_id)

                async def rows(statement: str, **more: Any) -> list[DictRow]:
                    return await (await conn.execute(self._q[statement], named | more)).fetchall()

                if not (missions := await rows("mission")):
                    raise NotFound("there is no such mission", code="mission_not_found")
                found = MissionRecord(
                    mission=missions[0],
                    events=await rows("events", after=0, limit=None, kind=None),
                    artifacts=await rows("bundle_artifacts"),
                    approvals=await rows("approvals", status=None),
                    grants=await rows("bundle_grants"),
                    writebacks=await rows("writebacks"),
                    model_calls=await rows("bundle_model_calls"),
                    tool_calls=await rows("bundle_tool_calls"),
                    rows=[
                        {"table": table, **row}
                        for table, statement in shown()
                        for row in await (await conn.execute(statement.encode(), named)).fetchall()
                    ],
                    roots=await rows("bundle_roots"),
                )
                opened = await asyncio.to_thread(_whole, found, OpenRows(self._pool.vault, IntegrityBroken))
                wanted = constitutions_of(opened.artifacts)
                return replace(opened, constitutions=await rows("bundle_constitutions", wanted=wanted))

    async def approvals(self, tenant_id: str, mission_id: str | None, status: str | None) -> list[DictRow]:
        """Return approvals, oldest first."""
        rows = await self._rows(tenant_id, "approvals", mission_id=mission_id, status=status)
        return self._opened.approvals(tenant_id, rows)

    async def sources(self, tenant_id: str, missions: Sequence[str], ids: Sequence[str]) -> list[DictRow]:
        """Return where pieces of evidence come from and whose text they are: mission, id, kind, trust, source."""
        rows = await self._rows(tenant_id, "sources", missions=list(missions), ids=list(ids))
        return await asyncio.to_thread(self._opened.sources, tenant_id, rows)

    async def writebacks(self, tenant_id: str, mission_id: str) -> list[DictRow]:
        """Return how each approved proposal ended."""
        rows = await self._rows(tenant_id, "writebacks", mission_id=mission_id)
        return self._opened.of("colony_writebacks", tenant_id, rows, mission_id=mission_id)

    async def rule_texts(self, tenant_id: str, hashes: Sequence[str]) -> list[DictRow]:
        """Return the texts of rule sets by the hashes that decisions name: rules_sha256, content."""
        return await self._rows(tenant_id, "rule_texts", hashes=list(hashes))

    async def constitutions(self, hashes: Sequence[str]) -> list[DictRow]:
        """Return constitutions by their hashes, as they were signed: sha256, version, content, signature, key_id."""
        async with self._as("") as conn:
            return await (await conn.execute(_VERSIONS.encode(), {"hashes": list(hashes)})).fetchall()

    async def metrics(self) -> tuple[list[DictRow], list[DictRow]]:
        """Return counters and histograms ``{name, labels, le, count, sum}``, and gauges, over all tenants."""
        await self._rows("", "fold_metrics")
        return await self._rows("", "metric_series"), await self._rows("", "metric_gauges")

    async def ping(self) -> None:
        """Ask Postgres for a sign of life.

        Raises:
            StoreUnavailable: there is none.
        """
        await self._rows("", "ping")


def _whole(record: MissionRecord, rows: OpenRows) -> MissionRecord:
    """Open everything of a record; what does not open stays as it is stored, for the verifier to name."""
    tenant_id, mission_id = record.mission["tenant_id"], record.mission["mission_id"]

    def of(table: str, found: list[DictRow]) -> list[DictRow]:
        return rows.of(table, tenant_id, found, mission_id=mission_id)

    return replace(
        record,
        mission=of("colony_missions", [record.mission])[0],
        events=of("colony_events", record.events),
        artifacts=rows.artifacts(tenant_id, mission_id, record.artifacts),
        approvals=rows.approvals(tenant_id, record.approvals),
        grants=of("colony_approval_grants", record.grants),
        writebacks=of("colony_writebacks", record.writebacks),
        tool_calls=of("colony_tool_calls", record.tool_calls),
    )
