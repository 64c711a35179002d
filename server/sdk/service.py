"""One door for the SDK's routes: which engine a thread or an assistant belongs to, and the frames of a thread."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from adapters.postgres.deltas import DeltaFeed
from adapters.postgres.doorbell import Doorbell
from adapters.postgres.threads import MemoryStore, ThreadStore
from contracts.errors import BadInput, Conflict, NotFound
from graph.snapshots import Shown
from server.ending import ended
from server.principal import Principal
from server.sdk import bodies
from server.sdk.assistants import GRAPH
from server.sdk.extra import ExtraGraphs, GraphFrames
from server.sdk.frames import Frame, Source, follow
from server.sdk.graph_worker import GraphWorker
from server.sdk.mission_frames import MissionFrames
from server.sdk.missions import MissionViews
from server.sdk.runs import MissionRuns, Started, shown_run
from server.sdk.threads import Row, Threads, status_of

_BLANK_S = 0.25


@dataclass(frozen=True)
class Sdk:
    """What the SDK's routes are made of."""

    threads: Threads
    runs: MissionRuns
    views: MissionViews
    memories: MemoryStore
    doorbell: Doorbell
    feed: DeltaFeed
    extra: ExtraGraphs | None = None
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def store(self) -> ThreadStore:
        """Where threads are kept."""
        return self.threads.store

    async def thread_for(self, who: Principal, thread_id: str, body: bodies.RunCreate) -> Row:
        """Return the thread that a run is begun in; made now, where the client asked so.

        Raises:
            NotFound: there is no such thread for this tenant.
        """
        try:
            return await self.threads.row(who, thread_id)
        except NotFound:
            if body.if_not_exists != "create":
                raise
        who.needs("mission:submit")
        named = bodies.ThreadCreate.model_validate({"thread_id": thread_id, "if_exists": "do_nothing"})
        return await self.threads.create(who, named)

    async def start(
        self,
        who: Principal,
        row: Row | None,
        body: bodies.RunCreate,
        trace_id: str,
        key: str | None = None,
        *,
        events: bool = False,
    ) -> Started:
        """Begin a run in a thread, or in a new one; ``events`` for a stream of the protocol's third version."""
        if self.extra is not None and (row is None or row["mission_id"] is None):
            name = await self.extra.assistants.graph_of(who, body.assistant_id)
            if name is not None:
                row = row or await self.threads.create(who, bodies.ThreadCreate())
                return await self.extra.start(who, row, name, body, events=events)
        if row is not None and row["mission_id"] is None and row["graph_id"] is not None:
            raise Conflict("the thread is of another graph", code="assistant_mismatch")
        return await self.runs.start(who, row, body, trace_id, key)

    @property
    def worker(self) -> GraphWorker | None:
        """Who runs developers' graphs in this process, if anybody does."""
        return self.extra.worker if self.extra is not None else None

    def begin_work(self) -> None:
        """Begin to run developers' graphs in this process, if there are any."""
        if self.worker is not None:
            self.tasks.append(asyncio.create_task(self.worker.work(), name="graph runs"))

    async def end_work(self) -> None:
        """Stop; what was under way goes on elsewhere, or when the process is back."""
        await ended(*self.tasks)

    async def head(self, who: Principal, thread_id: str) -> int | None:
        """Return the number of the last frame of a thread of a developer's graph; None for a mission's."""
        row = await self.threads.row(who, thread_id)
        extra = self._extra(row)
        return None if extra is None else Frame(await extra.head(who, thread_id), 0, "", "", None).number

    async def waits(self, row: Row) -> bool:
        """Tell whether a thread waits for an answer."""
        return status_of(row) == "interrupted"

    async def respond(self, who: Principal, row: Row, responses: dict[str, Any]) -> Started:
        """Answer interrupts, by their ids.

        Raises:
            Conflict: the thread does not wait for it.
            BadInput: a mission asks one question at a time.
        """
        if (extra := self._extra(row)) is not None:
            resume = bodies.Command(resume=responses)
            body = bodies.RunCreate(assistant_id=row["graph_id"], command=resume)
            return await extra.start(who, row, row["graph_id"], body, events=True)
        if row["mission_id"] is None:
            raise Conflict("the thread waits for no answer", code="not_pending")
        if len(responses) != 1:
            raise BadInput("a mission asks one question at a time", code="resume_invalid")
        (interrupt_id, response), *_ = responses.items()
        return await self.runs.resume(who, row["mission_id"], response, interrupt_id)

    def assistant_of(self, row: Row) -> str:
        """Return the name of the assistant that a thread's runs are of."""
        return str(row["mission_type"] or row["graph_id"] or GRAPH)

    def _extra(self, row: Row) -> ExtraGraphs | None:
        return self.extra if self.threads.foreign(row) is not None else None

    async def state(self, who: Principal, row: Row, checkpoint_id: str | None = None) -> Shown:
        """Return a thread's state."""
        return await self.threads.state(who, row, checkpoint_id)

    async def history(self, who: Principal, row: Row, asked: bodies.HistoryAsked) -> list[Shown]:
        """Return a thread's checkpoints, newest first."""
        return await self.threads.history(who, row, asked)

    async def run(self, who: Principal, thread_id: str, run_id: str) -> Shown:
        """Return a run.

        Raises:
            NotFound: there is no such thread or run for this tenant.
        """
        row = await self.threads.row(who, thread_id)
        if (extra := self._extra(row)) is not None:
            return await extra.run(who, thread_id, run_id)
        return shown_run(row, await self.runs.run(who, thread_id, run_id))

    async def runs_of(self, who: Principal, thread_id: str) -> list[Shown]:
        """Return a thread's runs, newest first."""
        row = await self.threads.row(who, thread_id)
        if (extra := self._extra(row)) is not None:
            return await extra.runs(who, thread_id)
        if row["mission_id"] is None:
            return []
        return [shown_run(row, one) for one in reversed(await self.runs.runs(who, thread_id))]

    async def cancel(self, who: Principal, thread_id: str, run_id: str, action: str) -> None:
        """Stop a run."""
        if (extra := self._extra(await self.threads.row(who, thread_id))) is not None:
            await extra.cancel(who, thread_id, run_id)
            return
        await self.runs.cancel(who, thread_id, run_id, action)

    async def update_state(self, who: Principal, row: Row, body: bodies.StateUpdate) -> Shown:
        """Write into a thread's state.

        Raises:
            Conflict: it is a mission's, or nothing has run in it yet.
        """
        who.needs("mission:operate")
        if row["mission_id"] is not None:
            raise Conflict(
                "the state of a mission is written by its own steps only",
                code="state_update_refused",
                hint="Answer with command.resume, or fork from a checkpoint with the values changed.",
            )
        if (extra := self._extra(row)) is not None:
            return await extra.update(who, row, body)
        raise Conflict("nothing has run in this thread yet", code="thread_blank", hint="Begin a run first.")

    @asynccontextmanager
    async def listening(self, who: Principal, thread_id: str) -> AsyncIterator[AsyncIterator[Frame | None]]:
        """Open a thread's frames, from its first on, for the block."""
        async with (
            self.doorbell.waiter(thread_id) as rung,
            self.feed.listening(who.tenant_id, thread_id, rung) as heard,
        ):
            source: Source = MissionFrames(self.views, who.tenant_id, thread_id, heard)
            if self.extra is not None:
                source = EitherFrames(self, who, thread_id, source)
            yield follow(source, rung, self.doorbell)

    async def answered(self, who: Principal, started: Started) -> AsyncIterator[bytes]:
        """Wait for a run's end and give what it came to as JSON, with white space meanwhile to keep the line up."""
        values: Any = None
        failure: Shown | None = None
        async with self.listening(who, started.thread_id) as frames:
            async for frame in frames:
                if frame is None:
                    yield b"\n"
                elif frame.run_id == started.run_id and not frame.namespace:
                    match frame.method:
                        case "values":
                            values = frame.data
                        case "error":
                            failure = frame.data
                        case "end":
                            yield json.dumps({"__error__": failure} if failure else values).encode()
                            return
                        case _:
                            continue
        yield json.dumps({"__error__": {"error": "unavailable", "message": "the server is shutting down"}}).encode()


@dataclass
class EitherFrames:
    """Satisfies ``Source`` for a thread of which is not known yet what it will be."""

    sdk: Sdk
    who: Principal
    thread_id: str
    source: Source
    known: bool = False

    @property
    def over(self) -> bool:
        """Whether nothing more can come."""
        return self.source.over

    @property
    def patience_s(self) -> float:
        """How long to wait at most."""
        return self.source.patience_s if self.known else _BLANK_S

    async def more(self) -> list[Frame]:
        """Return the frames that came since the last call."""
        if not self.known:
            row = await self.sdk.threads.row(self.who, self.thread_id)
            self.known = row["mission_id"] is not None or row["graph_id"] is not None
            if self.sdk.extra is not None and row["mission_id"] is None and row["graph_id"] is not None:
                self.source = GraphFrames(self.sdk.extra.store, self.who.tenant_id, self.thread_id)
        return await self.source.more() if self.known else []
