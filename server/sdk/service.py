"""One door for the SDK's routes: which engine a thread or an assistant belongs to, and the frames of a thread."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from adapters.postgres.deltas import DeltaFeed
from adapters.postgres.doorbell import Doorbell
from adapters.postgres.threads import KEPT_MIN, MemoryStore, ThreadStore, thread_not_found
from contracts.errors import BadInput, Conflict, Denied, NotFound
from graph.snapshots import Shown
from server.ending import ended
from server.principal import Principal
from server.sdk import bodies, run_bodies
from server.sdk.assistants import GRAPH
from server.sdk.crons import GraphCrons, Timekeeper
from server.sdk.either_frames import EitherFrames
from server.sdk.extra import ExtraGraphs
from server.sdk.frames import Frame, Source, follow
from server.sdk.graph_worker import GraphWorker
from server.sdk.mission_frames import MissionFrames
from server.sdk.missions import MissionViews
from server.sdk.runs import MissionRuns, Started, run_not_found, shown_run
from server.sdk.threads import Row, Threads, status_of


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
    crons: GraphCrons | None = None
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    leaving: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def store(self) -> ThreadStore:
        """Where threads are kept."""
        return self.threads.store

    async def thread_for(self, who: Principal, thread_id: str, body: run_bodies.RunCreate) -> Row:
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
        try:
            named = bodies.ThreadCreate.model_validate({"thread_id": thread_id, "if_exists": "do_nothing"})
        except ValidationError as exc:  # no thread can have such an id
            raise thread_not_found() from exc
        return await self.threads.create(who, named)

    async def start(
        self,
        who: Principal,
        row: Row | None,
        body: run_bodies.RunCreate,
        trace_id: str,
        key: str | None = None,
        *,
        tells: run_bodies.Tells = run_bodies.EVERYTHING,
        events: bool = False,
    ) -> Started:
        """Begin a run in a thread, or in a new one; ``events`` for a stream of the protocol's third version."""
        if self.extra is not None and (row is None or row["mission_id"] is None):
            name = await self.extra.assistants.graph_of(who, body.assistant_id)
            if name is not None:
                kept_min = None if body.on_completion == "keep" else KEPT_MIN
                row = row or await self.threads.create(who, bodies.ThreadCreate(ttl=kept_min))
                return await self.extra.start(who, row, name, body, tells, events=events)
        if row is not None and row["mission_id"] is None and row["graph_id"] is not None:
            raise Conflict("the thread is of another graph", code="assistant_mismatch")
        return await self.runs.start(who, row, body, trace_id, key)

    @property
    def worker(self) -> GraphWorker | None:
        """Who runs developers' graphs in this process, if anybody does."""
        return self.extra.worker if self.extra is not None else None

    def begin_work(self) -> None:
        """Begin to run developers' graphs in this process, if there are any."""
        if self.extra is not None and self.crons is not None:
            clock = Timekeeper(self.crons.store, self.store, self.extra.graphs)
            self.tasks.append(asyncio.create_task(self.extra.worker.work(), name="graph runs"))
            self.tasks.append(asyncio.create_task(clock.watch(), name="graph clock"))

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
        """Answer interrupts, by their ids; without one, the first that waits.

        Raises:
            Conflict: the thread does not wait for it.
            BadInput: a mission asks one question at a time.
        """
        if (extra := self._extra(row)) is not None:
            pending = [one["id"] for one in (await self.state(who, row))["interrupts"]]
            named = {one or next(iter(pending), ""): value for one, value in responses.items()}
            if not set(named) <= set(pending):
                raise Conflict("the thread does not wait for this answer", code="not_pending")
            resume = run_bodies.Command(resume=named)
            body = run_bodies.RunCreate(assistant_id=row["graph_id"], command=resume)
            return await extra.start(who, row, row["graph_id"], body, run_bodies.EVERYTHING, events=True)
        if row["mission_id"] is None:
            raise Conflict("the thread waits for no answer", code="not_pending")
        if len(responses) != 1:
            raise BadInput("a mission asks one question at a time", code="resume_invalid")
        (interrupt_id, response), *_ = responses.items()
        return await self.runs.resume(who, row["mission_id"], response, interrupt_id or None)

    def assistant_of(self, row: Row) -> str:
        """Return the name of the assistant that a thread's runs are of."""
        return str(row["mission_type"] or row["graph_id"] or GRAPH)

    def _extra(self, row: Row) -> ExtraGraphs | None:
        return self.extra if self.threads.foreign(row) is not None else None

    async def state(self, who: Principal, row: Row) -> Shown:
        """Return a thread's state."""
        return await self.threads.state(who, row)

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
            await extra.cancel(who, thread_id, run_id, action)
            return
        await self.runs.cancel(who, thread_id, run_id, action)

    async def cancel_many(self, who: Principal, asked: run_bodies.CancelMany, action: str) -> None:
        """Stop runs: those named of a mission's thread, and of developers' graphs all that are meant.

        Raises:
            NotFound: there is no such thread for this tenant.
            Conflict: a mission's run has ended.
        """
        row = await self.threads.row(who, asked.thread_id) if asked.thread_id is not None else None
        if row is not None and row["mission_id"] is not None:
            for run_id in asked.run_ids or ():
                await self.runs.cancel(who, row["mission_id"], run_id, action)
        elif self.extra is not None:
            await self.extra.cancel_many(who, asked, action)

    async def forget_run(self, who: Principal, thread_id: str, run_id: str) -> None:
        """Forget a run.

        Raises:
            NotFound: there is no such thread or run for this tenant.
            Conflict: it is a mission's, or under way.
        """
        row = await self.threads.row(who, thread_id)
        if (extra := self._extra(row)) is not None:
            await extra.forget_run(who, thread_id, run_id)
            return
        if row["mission_id"] is None:
            raise run_not_found()
        await self.runs.run(who, row["mission_id"], run_id)
        raise Conflict("the run is a mission's, whose record is kept", code="thread_is_a_mission")

    def abandon(self, who: Principal, run: Started) -> None:
        """Stop a run whose client, as it had said, leaves nobody to hear it."""
        task = asyncio.create_task(self._abandoned(who, run), name=f"abandoned {run.run_id}")
        self.leaving.add(task)
        task.add_done_callback(self.leaving.discard)

    async def _abandoned(self, who: Principal, run: Started) -> None:
        with suppress(Conflict, NotFound, Denied):  # it has ended by itself, or is not the client's to stop
            await self.cancel(who, run.thread_id, run.run_id, "interrupt")

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
                source = EitherFrames(self.threads, self.extra, who, thread_id, source)
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
        yield json.dumps(
            {"__error__": {"error": "unavailable", "message": "the server shuts down, or the thread is gone"}}
        ).encode()
