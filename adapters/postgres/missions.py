"""Writing a mission from outside a run: submission, a person's answer, an operator's command.

Each takes the mission's row for itself and raises its epoch first, which also evicts a worker that may be running it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from adapters.postgres.chaining import Holder
from adapters.postgres.claims import holder_of
from adapters.postgres.guard import store_errors
from adapters.postgres.pools import Pool
from adapters.postgres.queries import Queries
from adapters.postgres.records import intact, mission_of
from adapters.postgres.unit import Connection, Unit
from adapters.tracing import span_id, traceparent
from contracts.base import InterruptId
from contracts.canonical import sha256_hex
from contracts.decisions import ApprovalRequest
from contracts.errors import IntegrityBroken, NotFound
from contracts.events import TERMINAL_EVENTS, EventType, NewEvent
from contracts.mission import MissionRequest
from contracts.ports import Clock, Dispatcher, Mission

TAKEN = "colony_taken"
"""The channel that says which mission was taken over from outside a run."""


@dataclass(frozen=True)
class Submission:
    """A checked request on its way into the store; times in milliseconds."""

    mission_id: str
    tenant_id: str
    actor_id: str
    request: MissionRequest
    request_sha256: str
    trace_id: str
    graph_version: str
    token_budget: int
    time_budget_ms: int
    approval_timeout_ms: int
    idempotency_key: str | None = None


@dataclass(frozen=True)
class Pending:
    """The approval that a mission waits for."""

    interrupt_id: InterruptId
    request: ApprovalRequest
    expires_at: datetime


@dataclass(frozen=True)
class Submitted:
    """What became of a submission: a new mission, or the one that the same key made before."""

    mission_id: str
    fresh: bool
    same_request: bool = True


class Takeover:
    """A mission in the hands of somebody outside a run, inside one transaction."""

    def __init__(self, mission: Mission, unit: Unit, pending: Pending | None, conn: Connection) -> None:
        self.mission = mission
        self.unit = unit
        self.pending = pending
        self.connection = conn


class MissionStore:
    """Missions as the API writes them."""

    def __init__(self, pool: Pool, dispatcher: Dispatcher, clock: Clock) -> None:
        self._pool = pool
        self._dispatcher = dispatcher
        self._clock = clock
        self._q = Queries.load("missions")

    @asynccontextmanager
    async def _transaction(self, tenant_id: str) -> AsyncIterator[Connection]:
        with store_errors():
            async with self._pool.connection() as conn, conn.transaction():
                await self._pool.stamp(conn, tenant_id)
                yield conn

    async def submit(self, submission: Submission) -> Submitted:
        """Commit the mission, its first event and its job together; the same key gives the same mission.

        Raises:
            StoreUnavailable: Postgres does not answer; nothing was kept.
        """
        s = submission
        async with self._transaction(s.tenant_id) as conn:
            if s.idempotency_key is not None and (earlier := await self._reserve(conn, s)) is not None:
                return earlier
            payload = {"request": s.request.model_dump(mode="json"), "approval_timeout_ms": s.approval_timeout_ms}
            payload["traceparent"] = traceparent(s.trace_id)
            names = {"mission_id": s.mission_id, "actor_id": s.actor_id, "mission_type": s.request.mission_type.value}
            versions = {"graph_version": s.graph_version, "trace_id": s.trace_id}
            await conn.execute(self._q["scope_epoch"], {"epoch": "1"})
            await conn.execute(self._q["insert"], {**names, **versions, "payload": Jsonb(payload)})
            unit = Unit(
                conn, Holder(s.mission_id, s.tenant_id, 1, s.trace_id, s.actor_id, span_id(s.trace_id)), self._clock
            )
            await unit.open_budget(s.token_budget, s.time_budget_ms)
            unit.record(_received(s))
            await unit.flush()
            await self._dispatcher.dispatch(s.mission_id, s.tenant_id, connection=conn)
        return Submitted(s.mission_id, fresh=True)

    async def _reserve(self, conn: Connection, s: Submission) -> Submitted | None:
        params = {"key": s.idempotency_key, "request_sha256": s.request_sha256, "mission_id": s.mission_id}
        if await (await conn.execute(self._q["reserve"], params)).fetchone() is not None:
            return None
        row = await (await conn.execute(self._q["reserved"], params)).fetchone()
        if row is None:
            raise NotFound("the earlier submission with this key is gone")
        return Submitted(row["mission_id"], fresh=False, same_request=row["request_sha256"] == s.request_sha256)

    @asynccontextmanager
    async def take(self, tenant_id: str, mission_id: str, actor_id: str) -> AsyncIterator[Takeover]:
        """Lock the mission, raise its epoch and open a unit; everything in the block commits together.

        Raises:
            NotFound: there is no such mission for this tenant.
            IntegrityBroken: it, or its pending approval, can't be read.
        """
        async with self._transaction(tenant_id) as conn:
            names = {"mission_id": mission_id}
            row = await (await conn.execute(self._q["lock"], names)).fetchone()
            if row is None:
                raise NotFound("there is no such mission", code="mission_not_found")
            pending = await self._pending(conn, names)
            await conn.execute(self._q["scope_epoch"], {"epoch": str(row["epoch"] + 1)})
            await conn.execute(self._q["take_over"], names)
            await conn.execute(self._q["evict"], names)
            mission = mission_of({**row, "epoch": row["epoch"] + 1})
            unit = Unit(conn, holder_of(mission, actor_id=actor_id), self._clock)
            yield Takeover(mission, unit, pending, conn)
            await unit.flush()

    async def end_again(self, takeover: Takeover) -> None:
        """Say once more how a mission ended, as it is now: what became known after its end is not the last word.

        To be called when everything else about it is written.
        """
        names = {"mission_id": takeover.mission.mission_id}
        row = await (await takeover.connection.execute(self._q["ending"], names)).fetchone()
        if row is None or EventType(row["event_type"]) not in TERMINAL_EVENTS:
            return
        counted = {"effects": row["effects"]} if "effects" in row["payload"] else {}
        payload = {**row["payload"], **counted}
        takeover.unit.record(NewEvent(event_type=EventType(row["event_type"]), payload=payload, actor=row["actor_id"]))

    async def writing(self, takeover: Takeover) -> bool:
        """Whether the mission has begun to write, or has written."""
        names = {"mission_id": takeover.mission.mission_id}
        row = await (await takeover.connection.execute(self._q["writing"], names)).fetchone()
        return bool(row and row["writing"])

    async def resume(self, takeover: Takeover) -> None:
        """Enqueue the mission inside the takeover's transaction."""
        m = takeover.mission
        await self._dispatcher.dispatch(m.mission_id, m.tenant_id, connection=takeover.connection)

    async def _pending(self, conn: Connection, names: dict[str, Any]) -> Pending | None:
        row = await (await conn.execute(self._q["pending"], names)).fetchone()
        if row is None:
            return None
        content = bytes(row["content"])
        if sha256_hex(content) != row["sha256"]:
            raise IntegrityBroken("the stored approval request does not match its hash")
        with intact("approval request"):
            return Pending(row["interrupt_id"], ApprovalRequest.model_validate_json(content), row["expires_at"])


def _received(s: Submission) -> NewEvent:
    payload = {
        "mission_type": s.request.mission_type.value,
        "origin_surface": s.request.origin_surface,
        "request_sha256": s.request_sha256,
    }
    return NewEvent(event_type=EventType.INTENT_RECEIVED, payload=payload, actor=s.actor_id, intent="submit")
