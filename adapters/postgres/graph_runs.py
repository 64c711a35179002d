"""Runs of developers' own graphs: a queue by thread, leases, and what each run said, fenced by the thread's epoch."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from adapters.postgres.guard import store_errors
from adapters.postgres.halts import let_on
from adapters.postgres.pools import Pool
from adapters.postgres.queries import Queries
from adapters.postgres.saver import StepSaver
from adapters.postgres.sealed_checkpoints import TenantSerializer
from adapters.postgres.steady import SteadyConnection
from adapters.postgres.threads import ThreadStore
from adapters.postgres.unit import Connection
from contracts.errors import Conflict, FenceLost

_Q = Queries.load("graph_runs")
First = Callable[[], Awaitable[None]]


async def keep_run(conn: Connection, run: Mapping[str, Any], *, alone: bool = False) -> None:
    """Keep a run, in a transaction of the caller's.

    Raises:
        Conflict: the thread is a mission, or another run is open and there must be none.
    """
    named: dict[str, Any] = {key: run[key] for key in ("run_id", "thread_id", "actor_id", "graph_id", "assistant_id")}
    kept = {"payload": Jsonb(run["payload"]), "metadata": Jsonb(run["metadata"]), "after_s": run.get("after_s") or 0}
    bound = await conn.execute(_Q["bind"], {key: named[key] for key in ("thread_id", "graph_id")})
    if await bound.fetchone() is None:  # from here on the thread is held, and others' runs wait to be kept
        raise Conflict("this thread is a mission", code="thread_is_a_mission")
    if alone and await (await conn.execute(_Q["open_runs"], named)).fetchone() is not None:
        raise Conflict("a run is under way in this thread", code="thread_busy")
    await conn.execute(_Q["enqueue"], {**named, **kept})


class WholeSaver(StepSaver):
    """LangGraph's checkpointer for any graph: what each of a step's nodes gave is kept until the step is done.

    What a step said is stored before its checkpoint is: who goes on from there can't say it any more.
    """

    def __init__(self, conn: SteadyConnection, *, serde: TenantSerializer, first: First | None = None) -> None:
        super().__init__(conn, serde=serde)
        self._first = first

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint, and before it what was said."""
        if self._first is not None:
            await self._first()
        return await super().aput(config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Store a node's writes."""
        await AsyncPostgresSaver.aput_writes(self, config, writes, task_id, task_path)


@dataclass(frozen=True)
class Claimed:
    """A run in this process's hands."""

    run_id: str
    thread_id: str
    tenant_id: str
    epoch: int
    attempts: int
    actor_id: str
    graph_id: str
    assistant_id: str
    payload: dict[str, Any]
    metadata: dict[str, Any]
    silent: bool


class GraphRunStore:
    """Runs and frames, one short transaction a call."""

    def __init__(self, pool: Pool, worker_id: str, lease_ms: int) -> None:
        self._pool = pool
        self._worker_id = worker_id
        self._lease_ms = lease_ms
        self._threads = ThreadStore(pool)

    async def rows(self, tenant_id: str, statement: str, fence: str = "", /, **params: Any) -> list[DictRow]:
        """Run one named query as a tenant."""
        async with self._threads.acting(tenant_id, fence) as conn:
            named = {key: Jsonb(value) if isinstance(value, dict) else value for key, value in params.items()}
            cursor = await conn.execute(_Q[statement], named)
            return await cursor.fetchall() if cursor.description else []

    async def enqueue(self, tenant_id: str, run: Mapping[str, Any], *, alone: bool = False) -> None:
        """Keep a run that is to be done after those before it in its thread; ``alone`` if there must be none.

        Raises:
            Conflict: the thread is a mission, or another run is open.
            Halted: the tenant is halted.
        """
        async with self._threads.acting(tenant_id) as conn:
            await let_on(conn, tenant_id)
            await keep_run(conn, run, alone=alone)

    async def claim(self, graphs: Sequence[str]) -> Claimed | None:
        """Take the next run of these graphs that nobody runs, or None."""
        with store_errors():
            async with self._pool.connection() as conn:
                named = {"worker": self._worker_id, "lease_ms": self._lease_ms, "graphs": list(graphs)}
                found = await (await conn.execute(_Q["claim"], named)).fetchone()
        if found is None:
            return None
        (row,) = await self.rows(found["tenant_id"], "run", thread_id=found["thread_id"], run_id=found["run_id"])
        held = {key: row[key] for key in ("attempts", "actor_id", "graph_id", "assistant_id", "payload", "metadata")}
        return Claimed(
            **{key: found[key] for key in ("run_id", "thread_id", "tenant_id", "epoch")},
            **held,
            silent=not row["first_seq"],
        )

    async def renew(self, run: Claimed) -> bool:
        """Keep a run's lease; False when it is no longer this process's."""
        named: dict[str, Any] = {"run_id": run.run_id, "worker": self._worker_id, "attempts": run.attempts}
        return bool(await self.rows(run.tenant_id, "renew", lease_ms=self._lease_ms, **named))

    async def say(self, run: Claimed, frames: Sequence[Mapping[str, Any]]) -> None:
        """Store what a run said.

        Raises:
            FenceLost: the run is no longer this process's.
        """
        async with self._threads.acting(run.tenant_id, str(run.epoch)) as conn:
            await self._say(conn, run.thread_id, run.run_id, run.epoch, frames)

    async def said(self, run: Claimed) -> list[tuple[str, tuple[str, ...], Any]]:
        """Return what a run said in the step that was under way when its process died, and before it which steps."""
        rows = await self.rows(run.tenant_id, "said_before", thread_id=run.thread_id, run_id=run.run_id)
        return [(row["method"], tuple(row["namespace"]), row["payload"]) for row in rows]

    async def settle(
        self, run: Claimed, status: str, failure: Mapping[str, str] | None, frames: Sequence[Mapping[str, Any]]
    ) -> None:
        """Say how a run ended, and the frames of its end, at once: who hears of the end finds it ended.

        Raises:
            FenceLost: the run is no longer this process's.
        """
        told = Jsonb(dict(failure)) if failure else None
        async with self._threads.acting(run.tenant_id, str(run.epoch)) as conn:
            await self._say(conn, run.thread_id, run.run_id, run.epoch, frames)
            await conn.execute(_Q["settle"], {"run_id": run.run_id, "status": status, "failure": told})

    async def _say(
        self, conn: Connection, thread_id: str, run_id: str, epoch: int, frames: Sequence[Mapping[str, Any]]
    ) -> None:
        named = {"thread_id": thread_id, "run_id": run_id, "epoch": epoch, "n": len(frames)}
        row = await (await conn.execute(_Q["say"], {**named, "frames": Jsonb(list(frames))})).fetchone()
        if row is None or row["n"] != len(frames):
            raise FenceLost("another process has taken this run over")

    async def stop(
        self,
        tenant_id: str,
        thread_id: str,
        run_id: str,
        frames: Sequence[Mapping[str, Any]],
        made: Callable[[WholeSaver], Awaitable[list[str]]] | None = None,
    ) -> bool:
        """Stop a run: whoever runs it can write nothing more. False when it has ended.

        With ``made``, which names the checkpoints that the run made, these are undone and the run is forgotten.
        """
        async with self._threads.acting(tenant_id) as conn:
            row = await (await conn.execute(_Q["raise_epoch"], {"thread_id": thread_id})).fetchone()
            named = {"run_id": run_id, "status": "interrupted", "failure": None}
            settled = await (await conn.execute(_Q["settle"], named)).fetchone()
            if row is None or settled is None:
                return False
            await self._pool.stamp(conn, tenant_id, str(row["epoch"]))
            await self._say(conn, thread_id, run_id, row["epoch"], frames)
            if made is not None:
                undone = await made(WholeSaver(conn, serde=TenantSerializer(conn.vault, tenant_id)))
                await conn.execute(_Q["undo"], {"thread_id": thread_id, "checkpoints": undone})
                await conn.execute(_Q["forget_run"], {"thread_id": thread_id, "run_id": run_id})
        return True

    @asynccontextmanager
    async def saver(self, tenant_id: str, epoch: int, first: First | None = None) -> AsyncIterator[WholeSaver]:
        """Hold a connection with LangGraph's checkpointer over it, stamped with the thread's epoch, for the block."""
        with store_errors():
            async with self._pool.connection() as conn:
                await self._pool.stamp(conn, tenant_id, str(epoch), local=False)
                yield WholeSaver(conn, serde=TenantSerializer(conn.vault, tenant_id), first=first)

    async def taken(self, tenant_id: str, thread_id: str) -> int:
        """Raise a thread's epoch for a writer outside a run; returns it.

        Raises:
            Conflict: a run is under way.
        """
        async with self._threads.acting(tenant_id) as conn:
            if await (await conn.execute(_Q["open_runs"], {"thread_id": thread_id})).fetchone() is not None:
                raise Conflict("a run is under way in this thread", code="thread_busy")
            row = await (await conn.execute(_Q["raise_epoch"], {"thread_id": thread_id})).fetchone()
        if row is None:
            raise Conflict("nothing has run in this thread yet", code="thread_blank")
        return int(row["epoch"])
