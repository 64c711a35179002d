"""The queue: Procrastinate, in its own schema, behind the dispatcher port.

A job carries a mission's id and its tenant's and nothing else. No lock is set on jobs: the claim under a new epoch is
what keeps two workers apart, so a job too many is harmless and a job too few is found by the sweeper.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import procrastinate
import psycopg
import structlog
from procrastinate import exceptions as queue_errors

from adapters.postgres.guard import store_errors
from contracts.errors import StoreUnavailable

_log = structlog.get_logger(__name__)
TASK = "colony.run"
QUEUE = "missions"
Run = Callable[[str, str], Awaitable[None]]


class MissionQueue:
    """Satisfies ``Dispatcher``; ``work`` is the worker's loop."""

    def __init__(self, queue_dsn: str, *, connections: int = 4) -> None:
        connector = procrastinate.PsycopgConnector(
            conninfo=queue_dsn,
            kwargs={"options": "-c search_path=queue", "application_name": "colony queue"},
            min_size=1,
            max_size=connections,
            max_idle=1.0,
        )
        self._app = procrastinate.App(connector=connector)
        self._run: Run | None = None

        @self._app.task(name=TASK, queue=QUEUE, pass_context=False)
        async def run(mission_id: str, tenant_id: str) -> None:
            if self._run is not None:
                await self._run(mission_id, tenant_id)

        self._task = run

    async def open(self) -> None:
        """Open the queue's connections.

        Raises:
            StoreUnavailable: Postgres does not answer.
        """
        try:
            await self._app.open_async()
        except queue_errors.ConnectorException as exc:
            raise StoreUnavailable("Postgres does not answer") from exc

    async def close(self) -> None:
        """Close the queue's connections."""
        await self._app.close_async()

    async def dispatch(self, mission_id: str, tenant_id: str, *, connection: Any = None) -> None:
        """Enqueue a mission, inside the caller's transaction when a connection is given."""
        names = {"mission_id": mission_id, "tenant_id": tenant_id}
        with store_errors():
            await self._task.configure(connection=connection).defer_async(**names)

    async def redispatch(self, mission_id: str, tenant_id: str) -> bool:
        """Enqueue a mission unless a job for it already waits; tells whether one was added."""
        try:
            await self._task.configure(queueing_lock=mission_id).defer_async(mission_id=mission_id, tenant_id=tenant_id)
        except queue_errors.AlreadyEnqueued:
            return False
        except queue_errors.ConnectorException as exc:
            raise StoreUnavailable("Postgres does not answer") from exc
        return True

    async def work(self, run: Run, *, concurrency: int, name: str) -> None:
        """Run jobs until cancelled. Finished jobs are deleted; the mission's row is what is kept.

        Raises:
            StoreUnavailable: Postgres has gone; the process should end and be started again.
        """
        self._run = run
        while not await self._worked(concurrency, name):
            pass

    async def _worked(self, concurrency: int, name: str) -> bool:
        """Work until asked to stop; tells whether that was the end, or this worker has to register anew."""
        try:
            await self._work(concurrency, name)
        except queue_errors.ConnectorException as exc:
            asked_to_stop = (task := asyncio.current_task()) is not None and task.cancelling() > 0
            # A worker that slept through its own heartbeats was taken for dead and struck off.
            if not asked_to_stop and isinstance(exc.__cause__, psycopg.errors.ForeignKeyViolation):
                _log.warning("taken for dead while it slept, this worker registers anew")
                return False
            if not asked_to_stop:
                raise StoreUnavailable("the worker lost its connection to Postgres") from exc
        return True

    async def _work(self, concurrency: int, name: str) -> None:
        await self._app.run_worker_async(
            queues=[QUEUE],
            name=name,
            concurrency=concurrency,
            install_signal_handlers=False,
            fetch_job_polling_interval=1.0,
            delete_jobs="always",
            update_heartbeat_interval=2.0,
            stalled_worker_timeout=6.0,
            # The drain before has let missions reach a step's boundary; what still runs now is stopped where it is.
            shutdown_graceful_timeout=1.0,
        )
