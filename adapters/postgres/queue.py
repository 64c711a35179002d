"""The queue: Procrastinate's tables in a schema of their own, behind the dispatcher port.

A job carries a mission's id and its tenant's and nothing else, and is a hint: the claim under a new epoch is what keeps
two workers apart. A job too many is harmless, a job too few is found by the sweeper.
"""

from __future__ import annotations

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


@dataclass(frozen=True)
class Job:
    """A mission that was handed out to this process."""

    job_id: int
    mission_id: str
    tenant_id: str


class MissionQueue:
    """Satisfies ``Dispatcher``; hands jobs out to the tenants in turn."""

    def __init__(self, queue_dsn: str, *, connections: int = 2) -> None:
        self._dsn = queue_dsn
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
        params = {"tenants": list(running), "running": list(running.values()), "last_place": last_place}
        rows = await self._rows("next", params)
        return Job(int(rows[0]["id"]), rows[0]["mission_id"], rows[0]["tenant_id"]) if rows else None

    async def done(self, job: Job) -> None:
        """Forget a job; the mission's row is what is kept.

        Raises:
            StoreUnavailable: Postgres does not answer; the job is forgotten by the next sweep.
        """
        with store_errors():
            async with self._pool.connection() as conn:
                await conn.execute(self._q["done"], {"id": job.job_id})

    async def _rows(self, statement: str, params: dict[str, Any]) -> list[dict[str, Any]]:
        with store_errors():
            async with self._pool.connection() as conn:
                return await (await conn.execute(self._q[statement], params)).fetchall()
