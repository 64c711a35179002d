"""Developers' own graphs under the SDK's routes: ungoverned, and told so in every thread's and assistant's metadata."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any
from uuid import uuid4

from adapters.postgres.graph_runs import GraphRunStore
from adapters.postgres.threads import MemoryStore, ThreadStore
from contracts.clock import rfc3339
from contracts.errors import BadInput, Conflict, StoreUnavailable
from graph import schemas, snapshots
from graph.extra import Access, Extra
from graph.extra_runs import bound
from graph.memory import TenantStore
from graph.snapshots import Shown
from server.principal import Principal
from server.sdk import bodies, run_bodies
from server.sdk.body_parts import CheckpointRef
from server.sdk.extra_assistants import GraphAssistants, graph_assistant
from server.sdk.frames import Frame
from server.sdk.graph_worker import GraphWorker, ending
from server.sdk.runs import Started, run_not_found
from server.sdk.threads import Row

_PAGE, _PATIENCE_S = 1_000, 5.0


@dataclass
class GraphFrames:
    """Satisfies ``Source`` for a thread of a developer's graph: what its runs said, as it was stored."""

    store: GraphRunStore
    tenant_id: str
    thread_id: str
    over: bool = False
    patience_s: float = _PATIENCE_S
    _after: int = 0

    async def more(self) -> list[Frame]:
        """Return the frames that came since the last call."""
        named: dict[str, Any] = {"thread_id": self.thread_id, "after": self._after, "limit": _PAGE}
        try:
            rows = await self.store.rows(self.tenant_id, "frames", **named)
            if not rows:  # a thread that was forgotten says nothing any more
                self.over = not await self.store.rows(self.tenant_id, "head", thread_id=self.thread_id)
        except StoreUnavailable:
            return []
        self.patience_s = 0.0 if len(rows) == _PAGE else _PATIENCE_S
        if rows:
            self._after = rows[-1]["seq"]
        return [
            Frame(
                row["seq"], 0, row["run_id"], row["method"], row["payload"],
                int(row["created_at"].timestamp() * 1000), tuple(row["namespace"]),
            )
            for row in rows
        ]  # fmt: skip


@dataclass(frozen=True)
class ExtraGraphs:
    """Begins, shows and stops runs of developers' graphs."""

    graphs: Mapping[str, Extra]
    store: GraphRunStore
    threads: ThreadStore
    memories: MemoryStore
    worker: GraphWorker

    @property
    def assistants(self) -> GraphAssistants:
        """The graphs as assistants."""
        return GraphAssistants(self.graphs, self.store)

    @asynccontextmanager
    async def reading(
        self, who: Principal, name: str, access: Access = "threads.read", epoch: str = ""
    ) -> AsyncIterator[Any]:
        """Give a graph over its checkpoints for the block."""
        store = TenantStore(self.memories, who.tenant_id, who.actor_id)
        async with (
            self.threads.checkpoints(who.tenant_id, epoch) as saver,
            self.graphs[name].opened(store, access) as graph,
        ):
            yield bound(graph, saver, store)

    async def start(
        self, who: Principal, row: Row, name: str, body: run_bodies.RunCreate, tells: run_bodies.Tells, *, events: bool
    ) -> Started:
        """Enqueue a run in a thread.

        Raises:
            Conflict: another run is open, and the client wants no other beside it.
            BadInput: the run asks for what is not done here.
        """
        who.needs("mission:submit")
        if body.webhook:
            raise BadInput("webhook is not supported", code="webhook_unsupported", hint="Join the run instead.")
        thread_id = row["thread_id"]
        if body.multitask_strategy in {"interrupt", "rollback"}:
            for one in await self.store.rows(who.tenant_id, "open_runs", thread_id=thread_id):
                with suppress(Conflict):  # it has just ended by itself
                    await self.cancel(who, thread_id, one["run_id"], body.multitask_strategy)
        kept = await self.assistants.kept(who, body.assistant_id)
        run_id = str(uuid4())
        await self.store.enqueue(
            who.tenant_id,
            {
                "run_id": run_id,
                "thread_id": thread_id,
                "actor_id": who.actor_id,
                "graph_id": name,
                "assistant_id": kept["assistant_id"] if kept else graph_assistant(name),
                "payload": {
                    **run_bodies.asked_of(body, kept["payload"] if kept else {}),
                    **asdict(tells),
                    "events": events,
                },
                "metadata": body.metadata or {},
                "after_s": body.after_seconds,
            },
            alone=body.multitask_strategy == "reject",
        )
        return Started(thread_id, run_id)

    async def runs(self, who: Principal, thread_id: str) -> list[Shown]:
        """Return a thread's runs, newest first."""
        return [_shown(row) for row in await self.store.rows(who.tenant_id, "runs", thread_id=thread_id)]

    async def run(self, who: Principal, thread_id: str, run_id: str) -> Shown:
        """Return one run.

        Raises:
            NotFound: the thread has no such run.
        """
        found = await self.store.rows(who.tenant_id, "run", thread_id=thread_id, run_id=run_id)
        if not found:
            raise run_not_found()
        return _shown(found[0])

    async def head(self, who: Principal, thread_id: str) -> int:
        """Return the seq of the last frame of a thread."""
        found = await self.store.rows(who.tenant_id, "head", thread_id=thread_id)
        return int(found[0]["seq"]) if found else 0

    async def cancel(self, who: Principal, thread_id: str, run_id: str, action: str) -> None:
        """Stop a run; with ``rollback`` undo what it did to the thread, too, and forget it.

        Raises:
            NotFound: the thread has no such run.
            Conflict: it has ended.
        """
        who.needs("mission:operate")
        await self.run(who, thread_id, run_id)
        failure = {"error": "cancelled", "message": "the run was cancelled"}
        _, *frames = ending("interrupted", failure=failure)

        async def made(saver: Any) -> list[str]:
            return await snapshots.made_by(saver, thread_id, run_id)

        undone = made if action == "rollback" else None
        if not await self.store.stop(who.tenant_id, thread_id, run_id, frames, undone):
            raise Conflict("the run has ended", code="already_ended")
        self.worker.drop(run_id)

    async def cancel_many(self, who: Principal, asked: run_bodies.CancelMany, action: str) -> None:
        """Stop the runs that are meant."""
        told = {"thread_id": asked.thread_id, "status": None if asked.status in {None, "all"} else asked.status}
        named = {**told, "run_ids": list(asked.run_ids) if asked.run_ids is not None else None}
        for row in await self.store.rows(who.tenant_id, "to_cancel", **named):
            with suppress(Conflict):  # it has just ended by itself
                await self.cancel(who, row["thread_id"], row["run_id"], action)

    async def forget_run(self, who: Principal, thread_id: str, run_id: str) -> None:
        """Forget a run that has ended.

        Raises:
            NotFound: the thread has no such run.
            Conflict: it is under way.
        """
        await self.run(who, thread_id, run_id)
        if not await self.store.rows(who.tenant_id, "forget_ended", thread_id=thread_id, run_id=run_id):
            raise Conflict("the run is under way", code="run_open", hint="Cancel it first.")

    async def state(self, who: Principal, row: Row, at: CheckpointRef, *, subgraphs: bool = False) -> Shown | None:
        """Return a thread's state, or that of a graph below its own."""
        below: dict[str, Any] = {"namespace": at.checkpoint_ns or "", "subgraphs": subgraphs}
        async with self.reading(who, row["graph_id"]) as graph:
            return await snapshots.state(graph, graph.checkpointer, row["thread_id"], at.checkpoint_id, **below)

    async def history(self, who: Principal, row: Row, **asked: Any) -> list[Shown]:
        """Return a thread's checkpoints, newest first."""
        async with self.reading(who, row["graph_id"]) as graph:
            return await snapshots.history(graph, graph.checkpointer, row["thread_id"], **asked)

    async def copy(self, who: Principal, row: Row, to: str) -> None:
        """Copy a thread's checkpoints into another, which has none."""
        await self.store.rows(who.tenant_id, "bind", thread_id=to, graph_id=row["graph_id"])
        epoch = await self.store.taken(who.tenant_id, to)
        async with self.store.saver(who.tenant_id, epoch) as saver:
            await snapshots.copied(saver, row["thread_id"], to)

    async def update(self, who: Principal, row: Row, body: bodies.StateUpdate) -> Shown:
        """Write into a thread's state.

        Raises:
            Conflict: a run is under way.
            BadInput: the graph can't take the values.
        """
        epoch = await self.store.taken(who.tenant_id, row["thread_id"])
        async with self.reading(who, row["graph_id"], "threads.update", str(epoch)) as graph:
            config = snapshots.config_of(row["thread_id"], body.at.checkpoint_id, body.at.checkpoint_ns or "")
            made = await snapshots.updated(graph, config, body.values, body.as_node)
        return {"checkpoint": made, "configurable": made}

    async def drawn(self, who: Principal, name: str, *, xray: int | bool) -> Shown:
        """Return a graph's nodes and edges."""
        async with self.graphs[name].opened(self._store(who), "assistants.read") as graph:
            return schemas.drawn(graph, xray=xray)

    async def schemas(self, who: Principal, name: str) -> Shown:
        """Return a graph's JSON schemas."""
        async with self.graphs[name].opened(self._store(who), "assistants.read") as graph:
            return {"graph_id": name, **schemas.of_graph(graph)}

    async def subgraphs(self, who: Principal, name: str, within: str | None, *, deep: bool) -> Shown:
        """Return the JSON schemas of the graphs below a graph, by their namespaces."""
        async with self.graphs[name].opened(self._store(who), "assistants.read") as graph:
            return schemas.below(graph, within, deep=deep)

    def _store(self, who: Principal) -> TenantStore:
        return TenantStore(self.memories, who.tenant_id, who.actor_id)


def _shown(row: Row) -> Shown:
    about = {**row["metadata"], "graph_id": row["graph_id"], "governed": False, "first_seq": row["first_seq"]}
    return {
        "run_id": row["run_id"],
        "thread_id": row["thread_id"],
        "assistant_id": row["assistant_id"],
        "created_at": rfc3339(row["created_at"]),
        "updated_at": rfc3339(row["updated_at"]),
        "status": row["status"],
        "metadata": about,
        "kwargs": {
            "stream_mode": row["payload"].get("modes") or [],
            "stream_subgraphs": row["payload"].get("subgraphs"),
        },
        "multitask_strategy": row["payload"].get("multitask_strategy", "enqueue"),
    }
