"""Workers: no barrier, the longest remaining path first, within bounds; what is done is kept, a failure is told."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import nodes.workers as scheduler
from benchmarks.scheduling import in_waves, makespan, of_graph
from contracts.errors import BudgetExceeded, ModelFailed
from contracts.evidence import WorkerResult
from contracts.tasks import Task, TaskKind
from nodes.work.context import WorkContext
from nodes.workers import remaining_paths
from tests.nodes.bench import task
from tests.nodes.hands import Bench, settled


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch):
    def make(tasks: Sequence[Task], most: int = 4, **named: Any) -> Bench:
        made = Bench(tasks, most, **named)
        monkeypatch.setattr(scheduler, "worker_for", lambda kind: made.hands.work)
        return made

    return make


async def test_a_task_starts_the_moment_its_dependencies_end(bench: Any) -> None:
    b = bench([task("a"), task("slow"), task("b", "a"), task("c", "b")])
    run = await b.start()
    assert b.hands.started == ["a", "slow"]
    await b.hands.end("a")
    assert b.hands.started == ["a", "slow", "b"]
    await b.hands.end("b")
    assert b.hands.started == ["a", "slow", "b", "c"], "it waited for the slow one"
    await b.hands.end("c")
    assert not run.done()
    await b.hands.end("slow")
    assert len((await run).artifacts) == 4


async def test_a_task_waits_for_all_its_dependencies(bench: Any) -> None:
    b = bench([task("a"), task("b"), task("c", "a", "b")])
    run = await b.start()
    await b.hands.end("a")
    assert "c" not in b.hands.started
    await b.hands.end("b")
    await b.hands.end("c")
    await run


async def test_no_more_tasks_run_at_once_than_are_allowed(bench: Any) -> None:
    b = bench([task(f"t{n}") for n in range(9)], most=3)
    run = await b.start()
    while b.hands.running:
        assert len(b.hands.running) <= 3
        await b.hands.end(next(iter(b.hands.running)))
    await run
    assert b.hands.most == 3


async def test_the_longest_remaining_path_starts_first(bench: Any) -> None:
    chain = [task("a0"), task("a1", "a0"), task("a2", "a1", weight=5)]
    b = bench([task("wide1", weight=2), task("wide2", weight=6), *chain], most=1)
    run = await b.start()
    while b.hands.running:
        await b.hands.end(next(iter(b.hands.running)))
    await run
    assert b.hands.started == ["a0", "a1", "wide2", "a2", "wide1"]


async def test_equal_paths_start_in_the_order_of_their_keys(bench: Any) -> None:
    b = bench([task("b"), task("a"), task("c")], most=1)
    run = await b.start()
    while b.hands.running:
        await b.hands.end(next(iter(b.hands.running)))
    await run
    assert b.hands.started == ["a", "b", "c"]


async def test_what_is_done_is_not_run_again(bench: Any) -> None:
    b = bench([task("a"), task("b", "a"), task("c", "b")], done=["a", "b"])
    run = await b.start()
    assert b.hands.started == ["c"]
    await b.hands.end("c")
    made = await run
    assert {a.task_key for a in made.artifacts} == {"a", "b", "c"}
    assert made.events[-1].payload == {"tasks": 3, "kept": 2, "done": 1}


async def test_when_everything_is_done_nothing_is_run(bench: Any) -> None:
    b = bench([task("a")], done=["a"])
    assert len((await (await b.start())).artifacts) == 1
    assert b.hands.started == []


async def test_a_failure_stops_the_others_and_is_told(bench: Any) -> None:
    b = bench([task("a"), task("b"), task("c", "a")])
    run = await b.start()
    await b.hands.end("a", ModelFailed("no answer"))
    with pytest.raises(ModelFailed):
        await run
    assert b.hands.running == {}, "the other task still runs"
    assert b.told("task.failed") == ["a"]
    assert "c" not in b.hands.started


async def test_a_run_that_is_stopped_again_and_again_waits_until_its_tasks_have_ended(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    storing, stored = asyncio.Event(), []

    async def work(ctx: WorkContext) -> WorkerResult:
        try:
            await asyncio.Event().wait()
        finally:
            await storing.wait()  # such as what a call has cost
            stored.append(ctx.task.task_key)
        raise AssertionError

    held = bench([task("a"), task("b")], most=2)
    monkeypatch.setattr(held.hands, "work", work)
    run = await held.start()
    for _ in range(3):
        run.cancel()
        await settled()
    assert not run.done()
    storing.set()
    await asyncio.wait([run])
    assert run.cancelled()
    assert sorted(stored) == ["a", "b"]


async def test_what_ended_beside_a_failure_is_kept(bench: Any) -> None:
    b = bench([task("a"), task("b")])
    run = await b.start()
    b.hands.running["a"].set_exception(ModelFailed("no answer"))
    b.hands.running["b"].set_result(WorkerResult(task_key="b"))
    with pytest.raises(ModelFailed):
        await run
    assert set(await b.results.done(1)) == {"b"}


async def test_a_task_that_takes_too_long_is_told_as_such(bench: Any) -> None:
    b = bench([task("a")], timeout_ms=1)
    with pytest.raises(BudgetExceeded) as told:
        await (await b.start())
    assert told.value.code == "task_timeout"


async def test_every_task_is_told_when_it_starts_and_when_it_ends(bench: Any) -> None:
    b = bench([task("a"), task("b", "a")])
    run = await b.start()
    await b.hands.end("a")
    await b.hands.end("b")
    await run
    assert b.told("task.started") == b.told("task.completed") == ["a", "b"]


async def test_a_worker_is_given_what_its_task_depends_on_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Mapping[str, WorkerResult]] = {}

    async def work(ctx: WorkContext) -> WorkerResult:
        given[ctx.task.task_key] = ctx.results
        return WorkerResult(task_key=ctx.task.task_key)

    b = Bench([task("a"), task("b"), task("c", "b")], 4)
    monkeypatch.setattr(scheduler, "worker_for", lambda kind: work)
    await (await b.start())
    assert {key: set(results) for key, results in given.items()} == {"a": set(), "b": set(), "c": {"b"}}


@pytest.mark.parametrize("kind", list(TaskKind))
def test_every_kind_of_task_has_its_worker(kind: TaskKind) -> None:
    assert scheduler.worker_for(kind).__name__ == kind.value


GRAPHS = ["decoy_priority", "skew_50", "straggler_50", "zero_50"]


@pytest.mark.parametrize("name", [*GRAPHS, "skew_500", "zero_chain_500"])
def test_the_longest_remaining_path_is_the_critical_path(shared_data: Path, name: str) -> None:
    tasks, _, critical = of_graph(shared_data / "task_graphs", name)
    assert max(remaining_paths(tasks).values()) == critical


@pytest.mark.parametrize("name", GRAPHS)
async def test_on_real_graphs_the_scheduler_stays_near_the_bound(bench: Any, shared_data: Path, name: str) -> None:
    """Tasks end in the order of a simulated clock: the makespan is the scheduler's own doing, and no time passes."""
    tasks, weights, critical = of_graph(shared_data / "task_graphs", name)
    clock = await makespan(bench(tasks, most=8), weights)
    bound = max(critical, sum(weights.values()) / 8)
    assert clock <= 1.05 * bound
    assert clock < in_waves(tasks, weights) or not any(weights.values()), "waves wait for what they need not"
