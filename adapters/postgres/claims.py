"""Who runs a mission: claiming under a new epoch, keeping the lease alive, finding what nobody runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import structlog
from psycopg.rows import DictRow

from adapters.postgres.chaining import Holder
from adapters.postgres.guard import store_errors
from adapters.postgres.pools import Pool
from adapters.postgres.queries import Queries
from adapters.postgres.records import mission_of
from adapters.postgres.unit import Connection, Unit
from adapters.tracing import span_id
from contracts.errors import IntegrityBroken, RunsAlone
from contracts.events import EventType, NewEvent
from contracts.ports import Clock, Mission
from contracts.stateflow import RUNNABLE, Status

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class LeaseTimes:
    """How leases are kept, in milliseconds; leases end on the database's clock.

    Attributes:
        heartbeat_ms: between two renewals.
        lease_ms: how long a lease lasts without one.
        sweep_ms: between two searches for missions that nobody runs.
        away_ms: how long Postgres may be away before a worker ends, for its supervisor to start it anew.
    """

    heartbeat_ms: int = 2_000
    lease_ms: int = 8_000
    sweep_ms: int = 2_000
    away_ms: int = 60_000


MOST_DEATHS = 5
"""A mission in whose run this many processes in a row have died, without one finished step between, is given up."""
SUSPECT_DEATHS = 2
"""From this many on it runs with nothing beside it, so that no other mission dies with it again."""


class Claims:
    """Claims missions for one worker process."""

    def __init__(self, pool: Pool, worker_id: str, times: LeaseTimes, clock: Clock, graph_version: str) -> None:
        self._pool = pool
        self._worker_id = worker_id
        self._times = times
        self._clock = clock
        self._graph_version = graph_version
        self._q = Queries.load("claims")

    def of_version(self, graph_version: str) -> Claims:
        """Return the same for missions of another version of the graph."""
        return Claims(self._pool, self._worker_id, self._times, self._clock, graph_version)

    async def claim(self, conn: Connection, mission_id: str, tenant_id: str, *, alone: bool = False) -> Mission | None:
        """Take a mission over on this connection, which is stamped with its tenant and its new epoch.

        Returns None when there is nothing to run here: ended, waiting for a person, in another worker's hands, of a
        graph that this process does not have, or given up just now: it has killed ``MOST_DEATHS`` processes, or
        can't be read.

        Raises:
            RunsAlone: processes died with it before; it is claimed only where nothing else runs.
        """
        with store_errors():
            await self._pool.stamp(conn, tenant_id, local=False)
            async with conn.transaction():
                # Locked first and read then: a join that waits for the lock sees the lease as it was before the wait.
                await conn.execute(self._q["lock"], {"mission_id": mission_id})
                row = await (await conn.execute(self._q["read"], {"mission_id": mission_id})).fetchone()
                if row is None or Status(row["status"]) not in RUNNABLE or row["leased"]:
                    return None
                if row["graph_version"] != self._graph_version:
                    return None
                # A lease that has lapsed is what a process leaves behind that died.
                deaths = int(row["deaths"]) + (row["leased"] is not None)
                if SUSPECT_DEATHS <= deaths < MOST_DEATHS and not alone:
                    raise RunsAlone("processes have died with this mission, it runs alone")
                return await self._take(conn, row, deaths)

    async def _take(self, conn: Connection, row: DictRow, deaths: int) -> Mission | None:
        epoch = int(row["epoch"]) + 1
        await self._pool.stamp(conn, row["tenant_id"], str(epoch), local=False)
        names = {"mission_id": row["mission_id"], "was": row["epoch"], "epoch": epoch}
        await conn.execute(self._q["take"], names | {"deaths": deaths})
        trace_id, names_of = row["trace_id"], (row["mission_id"], row["tenant_id"])
        unit = Unit(conn, Holder(*names_of, epoch, trace_id, row["actor_id"], span_id(trace_id)), self._clock)
        try:
            row = conn.vault.opened("colony_missions", row["tenant_id"], row)
            mission = mission_of({**row, "epoch": epoch, "status": Status.RUNNING.value})
        except IntegrityBroken as exc:
            await _give_up(unit, row["stage"], exc.code, exc.message, exc.hint)
            return None
        if deaths >= MOST_DEATHS:
            reason = f"{deaths} processes in a row died while they ran it, with no step finished in between"
            await _give_up(unit, row["stage"], "quarantined", reason, _MEND)
            return None
        lease = {"worker_id": self._worker_id, "lease_ms": self._times.lease_ms}
        await conn.execute(self._q["lease"], names | lease)
        first = Status(row["status"]) is Status.RECEIVED
        unit.record(
            NewEvent(event_type=EventType.STAGE_ENTERED, payload={"stage": row["stage"]})
            if first
            else NewEvent(event_type=EventType.MISSION_RESUMED, payload={"stage": row["stage"], "epoch": epoch})
        )
        await unit.flush()
        return mission

    async def renew(self, held: Mapping[str, int]) -> set[str]:
        """Extend this worker's leases; returns the missions that are still its own."""
        params = {
            "worker_id": self._worker_id,
            "missions": list(held),
            "epochs": list(held.values()),
            "lease_ms": self._times.lease_ms,
        }
        with store_errors():
            async with self._pool.connection() as conn:
                rows = await (await conn.execute(self._q["renew"], params)).fetchall()
        return {str(row["mission_id"]) for row in rows}

    async def let_go(self, held: Mapping[str, int]) -> None:
        """Give back missions that this process can't go on with, so that another may at once."""
        params = {"worker_id": self._worker_id, "missions": list(held), "epochs": list(held.values())}
        with store_errors():
            async with self._pool.connection() as conn:
                await conn.execute(self._q["let_go"], params)

    async def runnable(self, most: int = 100) -> list[tuple[str, str]]:
        """Return this graph's missions that should run, that nobody runs and that no job waits for, with tenants."""
        params = {"most": most, "version": self._graph_version}
        with store_errors():
            async with self._pool.connection() as conn:
                rows = await (await conn.execute(self._q["runnable"], params)).fetchall()
        return [(str(row["mission_id"]), str(row["tenant_id"])) for row in rows]

    async def overdue(self, most: int = 100, *, but: Collection[str] = ()) -> list[tuple[str, str, str]]:
        """Return approvals past their deadline, of this graph's missions: mission, tenant, interrupt id.

        ``but`` those of these interrupt ids.
        """
        return await self._approvals("overdue", most, but)

    async def to_escalate(self, most: int = 100, *, but: Collection[str] = ()) -> list[tuple[str, str, str]]:
        """Return approvals that have waited long enough to be escalated and were not yet, as ``overdue`` does."""
        return await self._approvals("to_escalate", most, but)

    async def _approvals(self, statement: str, most: int, but: Collection[str]) -> list[tuple[str, str, str]]:
        params = {"most": most, "version": self._graph_version, "but": list(but)}
        with store_errors():
            async with self._pool.connection() as conn:
                rows = await (await conn.execute(self._q[statement], params)).fetchall()
        return [(str(r["mission_id"]), str(r["tenant_id"]), str(r["interrupt_id"])) for r in rows]

    async def fold_metrics(self) -> None:
        """Move what has been counted since into the totals, so that it does not pile up where nobody scrapes."""
        with store_errors():
            async with self._pool.connection() as conn:
                await conn.execute(self._q["fold_metrics"])


_MEND = "See the log of the workers that died, mend the cause, then `colony missions retry`."


async def _give_up(unit: Unit, stage: str, code: str, reason: str, hint: str) -> None:
    _log.error("mission given up", mission_id=unit.holder.mission_id, code=code, reason=reason)
    failure = {"code": code, "reason": reason, "stage": stage, "hint": hint}
    payload = {**failure, "status": Status.FAILED.value}
    unit.record(NewEvent(event_type=EventType.MISSION_FAILED, payload=payload))
    await unit.move(Status.FAILED, failure=failure)
    await unit.flush()


def holder_of(mission: Mission, *, actor_id: str | None = None) -> Holder:
    """Return who writes for a claimed mission."""
    m = mission
    return Holder(m.mission_id, m.tenant_id, m.epoch, m.trace_id, actor_id or m.actor_id, span_id(m.trace_id))
