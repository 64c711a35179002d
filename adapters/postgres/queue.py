"""The queue: Procrastinate's tables in a schema of their own, behind the dispatcher port.

A job carries a mission's id and its tenant's and nothing else, and is a hint: the claim under a new epoch is what keeps
two workers apart. A job too many is harmless, a job too few is found by the sweeper.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import procrastinate
from procrastinate.exceptions import ConnectorException

from adapters.postgres.guard import store_errors
from adapters.postgres.pools import open_pool
from adapters.postgres.queries import Queries

TASK = "colony.run"
QUEUE = "missions"
_HOLD_MS = 3_000
_LATER_MS = 1_000


@dataclass(frozen=True)
class Job:
    """A mission that was handed out to this process."""

    job_id: int
    mission_id: str
    tenant_id: str


class NoQueue:
    """Satisfies ``Dispatcher``: whoever submits a mission runs it, too."""

    async def dispatch(self, mission_id: str, tenant_id: str, *, connection: Any = None) -> None:
        """Enqueue nothing."""


class MissionQueue:
    """Satisfies ``Dispatcher``; hands jobs out to the tenants in turn, those of one version of the graph."""

    def __init__(self, queue_dsn: str, graph_version: str, *, connections: int = 2) -> None:
        self._dsn = queue_dsn
        self._version = graph_version
        self._holder = secrets.token_hex(8)
        self._connections = connections
        self._app = procrastinate.App(connector=procrastinate.PsycopgConnector())
        self._q = Queries.load("queue")

    async def open(self) -> None:
        """Open the queue's connections.

        Raises:
            StoreUnavailable: Postgres does not answer.
        """
        with store_errors():
            self._pool = await open_pool(self._dsn, name="queue", most=self._connections, search_path="queue")
        await self._app.open_async(self._pool)

    async def close(self) -> None:
        """Close the queue's connections."""
        await self._app.close_async()
        await self._pool.close()

    async def dispatch(self, mission_id: str, tenant_id: str, *, connection: Any = None) -> None:
        """Enqueue a mission, inside the caller's transaction when a connection is given."""
        task = self._app.configure_task(TASK, queue=QUEUE, connection=connection)
        with store_errors():
            try:
                await task.defer_async(mission_id=mission_id, tenant_id=tenant_id)
            except ConnectorException as exc:
                raise exc.__cause__ or exc from None  # what the driver said

    async def requeue(self, missions: Sequence[tuple[str, str]]) -> list[str]:
        """Enqueue those of the missions, each with its tenant, that have no job; returns which.

        Raises:
            StoreUnavailable: Postgres does not answer.
        """
        names = {"missions": [m for m, _ in missions], "tenants": [t for _, t in missions]}
        return [str(row["mission_id"]) for row in await self._rows("requeue", names)]

    async def next(self, running: Mapping[str, int], *, last_place: bool) -> Job | None:
        """Take the job whose turn it is, or None.

        Args:
            running: how many missions of each tenant this process runs; who has fewest goes first.
            last_place: only a tenant that has none here may have it.

        Raises:
            StoreUnavailable: Postgres does not answer.
        """
        here = {"tenants": list(running), "running": list(running.values())}
        rows = await self._rows("next", {**here, "last_place": last_place, "version": self._version})
        return Job(int(rows[0]["id"]), rows[0]["mission_id"], rows[0]["tenant_id"]) if rows else None

    async def done(self, job: Job) -> None:
        """Forget a job; the mission's row is what is kept.

        Raises:
            StoreUnavailable: Postgres does not answer; the job is forgotten by the next sweep.
        """
        await self._do("done", {"id": job.job_id})

    async def put_back(self, job: Job) -> None:
        """Let a job be handed out again, in a moment and to whoever asks.

        Raises:
            StoreUnavailable: Postgres does not answer; the mission is found by a sweep.
        """
        await self._do("put_back", {"id": job.job_id, "later_ms": _LATER_MS})

    async def hold_alone(self, job: Job) -> tuple[bool, bool]:
        """Be the one process of all that gets free for a mission, for the next seconds; say so again to stay it.

        Returns:
            Whether this process is the one (where it is not, the job is put back), and whether the mission waits for
            somebody to run it.

        Raises:
            StoreUnavailable: Postgres does not answer.
        """
        times = {"hold_ms": _HOLD_MS, "later_ms": _LATER_MS}
        names = {"holder": self._holder, "id": job.job_id, "mission_id": job.mission_id}
        row = (await self._rows("hold_alone", {**names, **times}))[0]
        return bool(row["held"]), bool(row["wanted"])

    async def leave_alone(self) -> None:
        """Let another process be the one.

        Raises:
            StoreUnavailable: Postgres does not answer; it ends by itself.
        """
        await self._do("leave_alone", {"holder": self._holder})

    async def _do(self, statement: str, params: dict[str, Any]) -> None:
        with store_errors():
            async with self._pool.connection() as conn:
                await conn.execute(self._q[statement], params)

    async def _rows(self, statement: str, params: dict[str, Any]) -> list[dict[str, Any]]:
        with store_errors():
            async with self._pool.connection() as conn:
                return await (await conn.execute(self._q[statement], params)).fetchall()
