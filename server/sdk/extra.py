"""Developers' own graphs under the SDK's routes: ungoverned, and told so in every thread's and assistant's metadata."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
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
from server.sdk import bodies
from server.sdk.extra_assistants import GraphAssistants, graph_assistant
from server.sdk.frames import Frame
from server.sdk.graph_worker import GraphWorker, ending
from server.sdk.runs import Started, run_not_found
from server.sdk.threads import Row

_PAGE = 1_000


@dataclass
class GraphFrames:
    """Satisfies ``Source`` for a thread of a developer's graph: what its runs said, as it was stored."""

    store: GraphRunStore
    tenant_id: str
    thread_id: str
    over: bool = False
    patience_s: float = 2.0
    _after: int = 0

    async def more(self) -> list[Frame]:
        """Return the frames that came since the last call."""
        named: dict[str, Any] = {"thread_id": self.thread_id, "after": self._after, "limit": _PAGE}
        try:
            rows = await self.store.rows(self.tenant_id, "frames", **named)
        except StoreUnavailable:
            return []
        self.patience_s = 0.0 if len(rows) == _PAGE else 2.0
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

    async def start(self, who: Principal, row: Row, name: str, body: bodies.RunCreate, *, events: bool) -> Started:
        """Enqueue a run in a thread.

        Raises:
            Conflict: another run is open, and the client wants no other beside it.
            BadInput: the run asks for what is not done here.
        """
        who.needs("mission:submit")
        for unsupported in ("webhook", "after_seconds"):
            if getattr(body, unsupported):
                raise BadInput(f"{unsupported} is not supported", code=f"{unsupported}_unsupported")
        thread_id = row["thread_id"]
        opened = await self.store.rows(who.tenant_id, "open_runs", thread_id=thread_id)
        if opened and body.multitask_strategy == "reject":
            raise Conflict("a run is under way in this thread", code="thread_busy")
        if body.multitask_strategy in {"interrupt", "rollback"}:
            for one in opened:
                await self.cancel(who, thread_id, one["run_id"])
        kept = await self.assistants.kept(who, body.assistant_id)
        told = body.model_dump(mode="json", exclude_none=True, exclude={"stream_mode", "assistant_id"})
        base = (kept["payload"].get("config") or {}) if kept else {}
        told["config"] = {**base, **(body.config or {})}
        run_id = str(uuid4())
        await self.store.enqueue(
            who.tenant_id,
            {
                "run_id": run_id,
                "thread_id": thread_id,
                "actor_id": who.actor_id,
                "graph_id": name,
                "assistant_id": kept["assistant_id"] if kept else graph_assistant(name),
                "payload": {**told, "events": events},
                "metadata": body.metadata or {},
            },
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

    async def cancel(self, who: Principal, thread_id: str, run_id: str) -> None:
        """Stop a run.

        Raises:
            NotFound: the thread has no such run.
            Conflict: it has ended.
        """
        who.needs("mission:operate")
        await self.run(who, thread_id, run_id)
        failure = {"error": "cancelled", "message": "the run was cancelled"}
        _, *frames = ending("interrupted", failure=failure)
        if not await self.store.stop(who.tenant_id, thread_id, run_id, frames):
            raise Conflict("the run has ended", code="already_ended")
        self.worker.drop(run_id)

    async def state(
        self, who: Principal, row: Row, checkpoint_id: str | None, *, subgraphs: bool = False
    ) -> Shown | None:
        """Return a thread's state."""
        async with self.reading(who, row["graph_id"]) as graph:
            return await snapshots.state(
                graph, graph.checkpointer, row["thread_id"], checkpoint_id, subgraphs=subgraphs
            )

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
        at = body.checkpoint_id or (body.checkpoint or {}).get("checkpoint_id")
        epoch = await self.store.taken(who.tenant_id, row["thread_id"])
        async with self.reading(who, row["graph_id"], "threads.update", str(epoch)) as graph:
            config = snapshots.config_of(row["thread_id"], at)
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
        "kwargs": {},
        "multitask_strategy": row["payload"].get("multitask_strategy", "enqueue"),
    }
