"""The real scheduler over tasks that are held until somebody lets them go."""

import asyncio
from collections.abc import Sequence
from typing import Any

from contracts.evidence import WorkerResult
from contracts.ports import NodeLimits
from contracts.registry import Kind
from contracts.tasks import Task, TaskKind, TaskPlan
from graph.channels import ref_of, set_ref
from nodes.work.context import WorkContext
from nodes.workers import workers
from tests.nodes.bench import Results, Shelf, crm, ports
from tests.policies.build import package


class Hands:
    """Workers that hold every task until the test lets it go."""

    def __init__(self) -> None:
        self.running: dict[str, asyncio.Future[WorkerResult]] = {}
        self.started: list[str] = []
        self.most = 0

    async def work(self, ctx: WorkContext) -> WorkerResult:
        key = ctx.task.task_key
        self.started.append(key)
        self.running[key] = asyncio.get_running_loop().create_future()
        self.most = max(self.most, len(self.running))
        try:
            return await self.running[key]
        finally:
            del self.running[key]

    def worker_for(self, kind: TaskKind) -> Any:
        """Stand in for the scheduler's own choice."""
        return self.work

    async def end(self, key: str, error: Exception | None = None) -> None:
        """Let one task end and everything that follows from it happen."""
        future = self.running[key]
        if error is None:
            future.set_result(WorkerResult(task_key=key))
        else:
            future.set_exception(error)
        await settled()


async def settled() -> None:
    """Give every task that can go on its turn; nothing here waits for a clock."""
    for _ in range(12):
        await asyncio.sleep(0)


class Bench:
    """One pass of the real scheduler over a plan of held tasks."""

    def __init__(self, tasks: Sequence[Task], most: int, done: Sequence[str] = (), timeout_ms: int = 60_000) -> None:
        self.hands = Hands()
        self.results = Results()
        self._tasks = tasks
        self._done = done
        self._timeout_ms = timeout_ms
        self._limits = NodeLimits(max_workers=most)

    async def start(self) -> asyncio.Task[Any]:
        shelf = Shelf()
        plan = TaskPlan(tasks=tuple(self._tasks), rationale="r")
        packages = [package(task_key=t.task_key, timeout_ms=self._timeout_ms) for t in self._tasks]
        await shelf.put(1, plan, *packages)
        for key in self._done:
            await self.results.save(1, WorkerResult(task_key=key), [])
        state = {
            "revision": 1,
            "plan": ref_of(plan),
            "passes": set_ref(Kind.LIBRARIAN_PASS, 1, ()),
            "packages": set_ref(Kind.PROMPT_PACKAGE, 1, packages),
            "evidence": set_ref(Kind.RESEARCH_ARTIFACT, 1, ()),
        }
        given = ports(crm(), artifacts=shelf, results=self.results, limits=self._limits)
        run = asyncio.create_task(workers(state, given))
        await settled()
        return run

    def told(self, event_type: str) -> list[str]:
        return [e.payload["task_key"] for e in self.results.events if e.event_type == event_type]
