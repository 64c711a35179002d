"""The workers' scheduler against the critical path and against waves: ``python -m benchmarks.scheduling``.

The real scheduler runs; only the work is simulated. Its tasks end in the order of a simulated clock, so a makespan is
the scheduler's own doing and the same on every machine. Milliseconds of overhead are this machine's.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.stored import store
from contracts.evidence import WorkerResult
from contracts.tasks import Task
from nodes import workers as scheduler
from nodes.planner import in_order
from nodes.work.context import WorkContext
from tests.nodes.bench import task
from tests.nodes.hands import Bench

WORKERS = 8
GRAPHS = Path(__file__).parents[2] / "shared" / "data" / "task_graphs"
SHAPED = ("decoy_priority", "skew_50", "skew_500", "straggler_50")
EMPTY = ("zero_50", "zero_500", "zero_chain_500", "zero_wide_500", "zero_2000")


def of_graph(folder: Path, name: str) -> tuple[list[Task], dict[str, int], int]:
    """Return a graph's tasks in order, their durations and its critical path, in ms."""
    read = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    durations = {t["id"]: int(t["duration_ms"]) for t in read["tasks"]}
    made = [task(t["id"], *t["deps"], weight=t["duration_ms"]) for t in read["tasks"]]
    return list(in_order(made)), durations, int(read["critical_path_ms"])


async def makespan(bench: Bench, durations: Mapping[str, int]) -> int:
    """Let the tasks of a held run end as a simulated clock says, and return when the last one does."""
    run = await bench.start()
    clock, seen = 0, 0
    ends: list[tuple[int, str]] = []
    while bench.hands.running:
        for key in bench.hands.started[seen:]:
            heapq.heappush(ends, (clock + durations[key], key))
        seen = len(bench.hands.started)
        clock, key = heapq.heappop(ends)
        await bench.hands.end(key)
    await run
    return clock


def in_waves(tasks: Sequence[Task], durations: Mapping[str, int], workers: int = WORKERS) -> int:
    """Return the makespan when every wave of ready tasks waits for all of the one before, its longest tasks first."""
    left, done, clock = list(tasks), set[str](), 0
    while left:
        wave = [t for t in left if done.issuperset(t.depends_on)]
        free = [clock] * workers
        for length in sorted((durations[t.task_key] for t in wave), reverse=True):
            heapq.heapreplace(free, free[0] + length)
        clock = max(free)
        done |= {t.task_key for t in wave}
        left = [t for t in left if t.task_key not in done]
    return clock


async def overhead_ms(tasks: Sequence[Task]) -> float:
    """Return the milliseconds per task of a run whose tasks do nothing; results are kept in memory."""

    async def nothing(ctx: WorkContext) -> WorkerResult:
        return WorkerResult(task_key=ctx.task.task_key)

    scheduler.worker_for = lambda kind: nothing
    began = time.perf_counter()
    await (await Bench(tasks, WORKERS).start())
    return (time.perf_counter() - began) * 1000 / len(tasks)


async def measured(folder: Path = GRAPHS) -> dict[str, dict[str, Any]]:
    """Return, by graph, the makespans as multiples of the bound, or the overhead of empty tasks."""
    figures: dict[str, dict[str, Any]] = {}
    for name in SHAPED:
        tasks, durations, critical = of_graph(folder, name)
        bound = max(critical, sum(durations.values()) / WORKERS)
        bench = Bench(tasks, WORKERS)
        scheduler.worker_for = bench.hands.worker_for
        ours, waves = await makespan(bench, durations), in_waves(tasks, durations)
        figures[name] = {
            "tasks": len(tasks),
            "critical_path_ms": critical,
            "ours_of_bound": round(ours / bound, 3),
            "waves_of_bound": round(waves / bound, 3),
        }
    for name in EMPTY:
        tasks, _, _ = of_graph(folder, name)
        figures[name] = {"tasks": len(tasks), "ms_per_task": round(await overhead_ms(tasks), 3)}
    return figures


if __name__ == "__main__":
    graphs = asyncio.run(measured())
    store("scheduling", {"workers": WORKERS, "graphs": graphs}, len(graphs))
