"""Runs developers' own graphs: takes runs from the queue, keeps their leases, stores what they say as they say it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import structlog
from langchain_core.runnables import RunnableConfig

from adapters.postgres.graph_runs import Claimed, GraphRunStore
from adapters.postgres.threads import MemoryStore
from contracts.errors import FenceLost, StoreUnavailable
from graph.extra import Extra
from graph.extra_again import Again
from graph.extra_runs import Asked, bound, outcome, said, stands
from graph.memory import TenantStore
from server.ending import ended

_log = structlog.get_logger(__name__)
_POLL_S, _COALESCE_S = 1.0, 0.01
_PLACES, _MOST_ATTEMPTS, _AT_ONCE, _MOST_WAITING = 8, 5, 200, 2_000
RUNS = "colony_runs"
Told = dict[str, Any]


def told(method: str, data: Any, namespace: tuple[str, ...] = ()) -> Told:
    """Return a frame as it is stored."""
    return {"method": method, "data": data, "namespace": list(namespace)}


def ending(
    status: str, asked: list[Mapping[str, Any]] | None = None, failure: Mapping[str, str] | None = None
) -> list[Told]:
    """Return the frames of a run's end."""
    if failure is not None:
        reason = f"{failure['error']}: {failure['message']}"
        parts = [told("error", dict(failure)), told("lifecycle", {"event": "failed", "error": reason})]
    elif status == "interrupted":
        parts = [
            told("input", {"interrupt_id": one["id"], "value": one["value"], "payload": one["value"]})
            for one in asked or []
        ]
        parts.append(told("lifecycle", {"event": "interrupted"}))
    else:
        parts = [told("lifecycle", {"event": "completed"})]
    return [*parts, told("end", None)]


class Speaker:
    """Stores what one run says, a moment's worth at a time."""

    def __init__(self, store: GraphRunStore, run: Claimed) -> None:
        self._store = store
        self._run = run
        self._waiting: list[Told] = []
        self._there = asyncio.Event()
        self._turn = asyncio.Lock()

    def say(self, *frames: Told) -> None:
        """Take frames; they are stored soon."""
        self._waiting += frames
        self._there.set()

    async def flush(self) -> None:
        """Store what waits.

        Raises:
            FenceLost: the run is no longer this process's.
        """
        async with self._turn:  # what was said first is stored first
            while self._waiting:
                part, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
                await self._store.say(self._run, part)

    async def room(self) -> None:
        """Wait while more is said than is stored."""
        if len(self._waiting) >= _MOST_WAITING:
            await self.flush()

    async def go_on(self) -> None:
        """Store until cancelled."""
        while True:
            await self._there.wait()
            await asyncio.sleep(_COALESCE_S)
            self._there.clear()
            await self.flush()


@dataclass
class GraphWorker:
    """One process's share of the runs."""

    store: GraphRunStore
    memories: MemoryStore
    graphs: Mapping[str, Extra]
    lease_s: float
    rung: asyncio.Event = field(default_factory=asyncio.Event)
    _running: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    @property
    def busy(self) -> bool:
        """Whether it runs anything."""
        return bool(self._running)

    def hear(self, _payload: str) -> None:
        """Note that there may be a run."""
        self.rung.set()

    async def work(self) -> None:
        """Take runs until cancelled."""
        try:
            while True:
                self.rung.clear()
                claimed = None
                with suppress(StoreUnavailable):
                    if len(self._running) < _PLACES:
                        claimed = await self.store.claim(list(self.graphs))
                if claimed is not None:
                    self._start(claimed)
                    continue
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.rung.wait(), _POLL_S)
        finally:
            await ended(*self._running.values())

    def _start(self, run: Claimed) -> None:
        task = asyncio.create_task(self._hold(run), name=f"run {run.run_id}")
        self._running[run.run_id] = task
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._running = {name: one for name, one in self._running.items() if one is not task}
        self.rung.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a run ended with an error", task=task.get_name(), exc_info=error)

    def drop(self, run_id: str) -> None:
        """End a run here at once, if it is here."""
        if (task := self._running.get(run_id)) is not None:
            task.cancel()

    async def _hold(self, run: Claimed) -> None:
        """Drive a run for as long as its lease is kept."""
        driver = asyncio.create_task(self._drive(run))
        try:
            while not driver.done():
                await asyncio.wait([driver], timeout=self.lease_s / 3)
                if not driver.done() and not await self.store.renew(run):
                    return
            driver.result()
        except StoreUnavailable:
            _log.warning("a run stopped: the store is away", run_id=run.run_id)
        finally:
            await ended(driver)

    async def _drive(self, run: Claimed) -> None:
        speaker = Speaker(self.store, run)
        speaking = asyncio.create_task(speaker.go_on())
        try:
            status, frames, failure = await self._said(run, speaker)
            await speaker.flush()
            await self.store.settle(run, status, failure, frames)
        except (FenceLost, StoreUnavailable) as exc:
            _log.info("a run stopped", run_id=run.run_id, code=exc.code)
        finally:
            await ended(speaking)

    async def _said(self, run: Claimed, speaker: Speaker) -> tuple[str, list[Told], dict[str, str] | None]:
        if run.silent:
            speaker.say(told("metadata", {"run_id": run.run_id, "attempt": run.attempts}))
            speaker.say(told("lifecycle", {"event": "started", "graph_name": run.graph_id}))
        if run.attempts > _MOST_ATTEMPTS:
            failure = {"error": "quarantined", "message": f"{_MOST_ATTEMPTS} processes died while they ran it"}
            return "error", ending("error", failure=failure), failure
        speak = asyncio.create_task(self._spoken(run, speaker))
        try:
            await asyncio.wait([speak])
        finally:
            await ended(speak)
        if speak.cancelled():
            raise asyncio.CancelledError
        error = speak.exception()
        if error is None:
            status, asked = speak.result()
            return status, ending(status, asked), None
        if isinstance(error, FenceLost | StoreUnavailable):
            raise error
        # Whatever a developer's graph raises is the run's outcome, and not this process's.
        _log.warning("a developer's graph failed", graph=run.graph_id, run_id=run.run_id, error=type(error).__name__)
        failure = {"error": type(error).__name__, "message": str(error)}
        return "error", ending("error", failure=failure), failure

    async def _spoken(self, run: Claimed, speaker: Speaker) -> tuple[str, list[Any]]:
        names = {"graph_id": run.graph_id, "assistant_id": run.assistant_id, "metadata": run.metadata}
        asked = Asked(run.thread_id, run.run_id, {**run.payload, **names}, bool(run.payload.get("events")))
        again = None if run.silent else Again(await self.store.said(run))
        async with (
            self.store.saver(run.tenant_id, run.epoch, speaker.flush) as saver,
            self.opened(run, asked.config, run.payload.get("context")) as (graph, store),
        ):
            whole = bound(graph, saver, store)
            async for method, namespace, data in said(whole, asked, again):
                speaker.say(told(method, data, namespace))
                await speaker.room()
            return outcome(await stands(whole, run.thread_id))

    @asynccontextmanager
    async def opened(
        self, run: Claimed, config: RunnableConfig, context: Any
    ) -> AsyncIterator[tuple[Any, TenantStore]]:
        """Give a run's graph and its store for the block."""
        store = TenantStore(self.memories, run.tenant_id, run.actor_id)
        async with self.graphs[run.graph_id].opened(store, "threads.create_run", config, context) as graph:
            yield graph, store
