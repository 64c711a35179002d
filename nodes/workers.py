"""Workers: run the task graph without barriers: a task starts the moment its dependencies have ended.

Of the tasks that are ready the one with the longest remaining path starts first. What is done is what has a stored
result; it is never run again.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Literal, assert_never

from contracts.base import Ref, TaskKey
from contracts.errors import BadInput, BudgetExceeded
from contracts.events import EventType, NewEvent
from contracts.evidence import ResearchArtifact, WorkerResult
from contracts.packets import ReviewPacket
from contracts.ports import Ports, StepResult
from contracts.registry import artifact_id
from contracts.state import MissionState
from contracts.tape import PUT_ASIDE
from contracts.tasks import LibrarianPass, PromptPackage, Task, TaskKind, TaskPlan
from contracts.unbroken import unbroken
from nodes.gathered import gathered
from nodes.work.answer import answer_question
from nodes.work.brief import assess_risks, recommend_changes, state_findings
from nodes.work.context import WorkContext
from nodes.work.draft import draft_message
from nodes.work.engagement import assess_engagement
from nodes.work.facts import extract_facts
from nodes.work.metrics import compute_metrics
from nodes.work.next_steps import recommend_next_steps
from nodes.work.proposals import propose_writebacks
from nodes.work.stage import assess_stage
from nodes.work.tools import TaskTools

_TOO_SLOW = (
    "Raise TASK_TIMEOUT_MS or give its tier a faster model, then `colony missions retry`: finished work is kept."
)
Worker = Callable[[WorkContext], Awaitable[WorkerResult]]


def worker_for(kind: TaskKind) -> Worker:
    """Return the function that carries out a kind of task."""
    match kind:
        case TaskKind.EXTRACT_FACTS:
            return extract_facts
        case TaskKind.ASSESS_ENGAGEMENT:
            return assess_engagement
        case TaskKind.ASSESS_STAGE:
            return assess_stage
        case TaskKind.RECOMMEND_NEXT_STEPS:
            return recommend_next_steps
        case TaskKind.DRAFT_MESSAGE:
            return draft_message
        case TaskKind.PROPOSE_WRITEBACKS:
            return propose_writebacks
        case TaskKind.ANSWER_QUESTION:
            return answer_question
        case TaskKind.COMPUTE_METRICS | TaskKind.STATE_FINDINGS | TaskKind.RECOMMEND_CHANGES | TaskKind.ASSESS_RISKS:
            return _brief_worker_for(kind)
        case _:
            assert_never(kind)


def _brief_worker_for(
    kind: Literal[TaskKind.COMPUTE_METRICS, TaskKind.STATE_FINDINGS, TaskKind.RECOMMEND_CHANGES, TaskKind.ASSESS_RISKS],
) -> Worker:
    match kind:
        case TaskKind.COMPUTE_METRICS:
            return compute_metrics
        case TaskKind.STATE_FINDINGS:
            return state_findings
        case TaskKind.RECOMMEND_CHANGES:
            return recommend_changes
        case TaskKind.ASSESS_RISKS:
            return assess_risks
        case _:
            assert_never(kind)


async def workers(state: MissionState, ports: Ports) -> StepResult:
    """Carry out every task of the plan that has no stored result yet.

    Raises:
        ModelFailed: a model gave no usable answer for a task.
        BudgetExceeded: a task or the mission ran out of its budget.
    """
    plan = await ports.artifacts.one(TaskPlan, state["plan"])
    packages = {str(p.task_key): p for p in await ports.artifacts.all(PromptPackage, state["packages"])}
    passes = {str(p.task_key): p for p in await ports.artifacts.all(LibrarianPass, state["passes"])}
    revision = state["revision"]
    done = await ports.results.done(revision)
    rejected = await _rejected(state, ports) if revision > 1 else frozenset()
    await gathered(state, ports)  # before anything starts: what was tampered with is not worked on
    run = _Run(plan.tasks, packages, passes, state, ports, done, rejected)
    await run.all()
    payload = {"tasks": len(plan.tasks), "kept": len(done), "done": len(plan.tasks) - len(done)}
    return StepResult(
        artifacts=tuple(run.results.values()), channels={}, events=(_event("artifact.delivered", payload),)
    )


async def _rejected(state: MissionState, ports: Ports) -> frozenset[str]:
    """Return the claims that the review which asked for this revision found not to hold."""
    review = await ports.artifacts.one(ReviewPacket, state["review"])
    return frozenset(c.claim_id for c in review.checks if not (c.quote_verbatim and c.value_supported))


def _event(event_type: str, payload: Mapping[str, object]) -> NewEvent:
    return NewEvent(event_type=EventType(event_type), payload=dict(payload))


def followers(tasks: Sequence[Task]) -> dict[TaskKey, list[Task]]:
    """Return, for each task, those that wait for it."""
    after: dict[TaskKey, list[Task]] = {task.task_key: [] for task in tasks}
    for task in tasks:
        for key in task.depends_on:
            after[key].append(task)
    return after


def remaining_paths(tasks: Sequence[Task]) -> dict[TaskKey, int]:
    """Return, for each task, the weight of the heaviest path from it to the end of the graph."""
    after = followers(tasks)
    longest: dict[TaskKey, int] = {}
    for task in reversed(tasks):
        longest[task.task_key] = task.weight + max((longest[t.task_key] for t in after[task.task_key]), default=0)
    return longest


_Done = tuple[WorkerResult, tuple[ResearchArtifact, ...]]


class _Run:
    """One pass over the task graph; ``tasks`` are in dependency order."""

    def __init__(
        self,
        tasks: Sequence[Task],
        packages: Mapping[str, PromptPackage],
        passes: Mapping[str, LibrarianPass],
        state: MissionState,
        ports: Ports,
        done: Mapping[str, WorkerResult],
        rejected: frozenset[str] = frozenset(),
    ) -> None:
        self.results: dict[str, WorkerResult] = dict(done)
        self._waiting = {t.task_key: t for t in tasks if t.task_key not in done}
        self._tasks = {t.task_key: t for t in tasks}
        self._after = followers(tasks)
        self._longest = remaining_paths(tasks)
        self._unmet = {t.task_key: sum(key not in done for key in t.depends_on) for t in tasks}
        self._ready: list[tuple[int, TaskKey]] = []
        for task in self._waiting.values():
            self._note_ready(task)
        self._packages = packages
        self._passes = passes
        self._state = state
        self._ports = ports
        self._rejected = rejected
        self._running: dict[asyncio.Task[_Done], Task] = {}
        self._aside: str | None = None

    async def all(self) -> None:
        """Run until no task is left; the first failure stops the others and is raised."""
        started = self._start_ready()
        if started:
            first = {"tasks": [str(key) for key in self._waiting] + [str(t.task_key) for t in started]}
            await self._ports.results.note([_event("dataplane.dispatched", first), *map(_started, started)])
        try:
            while self._running:
                ended, _ = await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
                # What has been done is stored first, so that a failure beside it doesn't lose it.
                for future in sorted(ended, key=lambda f: (f.exception() is not None, self._running[f].task_key)):
                    await self._finish(future)
        finally:
            for future in self._running:
                future.cancel(self._aside)
            await unbroken(asyncio.gather(*self._running, return_exceptions=True))

    async def _finish(self, future: asyncio.Task[_Done]) -> None:
        task = self._running.pop(future)
        error = future.exception()
        if error is not None:
            self._aside = PUT_ASIDE
            failed = {"task_key": task.task_key, "code": getattr(error, "code", "internal_error")}
            await self._ports.results.note([_event("task.failed", failed)])
            raise error
        result, fetched = future.result()
        self.results[task.task_key] = result
        for follower in self._after[task.task_key]:
            self._unmet[follower.task_key] -= 1
            if follower.task_key in self._waiting:
                self._note_ready(follower)
        started = self._start_ready()
        events = [_completed(task, result), *map(_started, started)]
        self.results[task.task_key] = await self._ports.results.save(self._state["revision"], result, events, fetched)

    def _start_ready(self) -> list[Task]:
        """Start as many ready tasks as there is room for, the longest remaining path first."""
        started = []
        while self._ready and len(self._running) < self._ports.limits.max_workers:
            task = self._waiting.pop(heapq.heappop(self._ready)[1])
            self._running[asyncio.create_task(self._work(task), name=task.task_key)] = task
            started.append(task)
        return started

    def _note_ready(self, task: Task) -> None:
        if self._unmet[task.task_key] == 0:
            heapq.heappush(self._ready, (-self._longest[task.task_key], task.task_key))

    def _fetched_before(self, task: Task) -> list[WorkerResult]:
        """Return the results on which a task builds, however far back, that fetched evidence; in the plan's order."""
        if not any(result.fetched for result in self.results.values()):
            return []
        before: set[TaskKey] = set()
        left = list(task.depends_on)
        while left:
            key = left.pop()
            if key not in before:
                before.add(key)
                left += self._tasks[key].depends_on
        return [self.results[key] for key in self._tasks if key in before]

    async def _work(self, task: Task) -> _Done:
        envelope = self._ports.mission.envelope
        if envelope is None:
            raise BadInput("the mission was not admitted", code="not_admitted")
        package = self._packages[task.task_key]
        inputs = {str(key): self.results[key] for key in task.depends_on}
        # What the tasks before it fetched is its evidence, too; what others fetch meanwhile is not, whoever is faster.
        evidence = await gathered(self._state, self._ports, self._fetched_before(task))
        tools = TaskTools(self._ports, self._passes.get(task.task_key), evidence)
        context = WorkContext(self._ports, envelope, task, package, evidence, inputs, self._rejected, tools)
        try:
            async with asyncio.timeout(package.timeout_ms / 1000):
                result = await worker_for(task.kind)(context)
        except TimeoutError as exc:
            late = f"{task.title} took longer than {package.timeout_ms} ms"
            raise BudgetExceeded(late, code="task_timeout", hint=_TOO_SLOW) from exc
        fetched = tuple(tools.fetched.values())
        refs = tuple(Ref(id=a.artifact_id, sha256=a.sha256()) for a in fetched)
        return result.model_copy(update={"fetched": refs}), fetched


def _completed(task: Task, result: WorkerResult) -> NewEvent:
    payload = {"task_key": task.task_key, "claims": len(result.claims), "proposals": len(result.proposals)}
    fetched = {"fetched": [ref.model_dump() for ref in result.fetched]} if result.fetched else {}
    return NewEvent(
        event_type=EventType.TASK_COMPLETED, payload={**payload, **fetched}, artifact_id=artifact_id(result)
    )


def _started(task: Task) -> NewEvent:
    return _event("task.started", {"task_key": task.task_key, "title": task.title})
