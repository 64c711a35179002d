"""Sharing and recovery: ``python -m benchmarks.sharing [fairness] [throughput] [recovery] [--backlog N] [--times N]``.

``fairness``: how long one tenant's single mission takes beside another's backlog, against the idle system just before.
``throughput``: a backlog of missions by one worker process and by two, at equal total concurrency.
``recovery``: from ``kill -9`` to the mission's running elsewhere, at default lease times.
Real processes of the ``colony`` command. Figures go to ``benchmarks/results/sharing.json``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from adapters.postgres.claims import LeaseTimes
from adapters.postgres.cluster import open_cluster, stop_cluster
from adapters.postgres.submissions import Submission
from benchmarks.stored import run
from contracts.mission import MissionClass, MissionRequest
from graph.version import GRAPH_VERSION
from tests.acceptance.checks import rows
from tests.acceptance.root_proxy import Call, proxied
from tests.support import GOAL, Service, Spawned, serving, until

RESULTS = Path(__file__).parent / "results"
PLACES = 8
Measured = dict[str, Any]


@dataclass
class Bench:
    """An API without a worker, on a cluster of its own, and as many worker processes as are asked for."""

    service: Service
    dsn: str
    home: Path

    async def workers(self, many: int, places: int, **environment: str) -> list[Spawned]:
        """Start worker processes and wait until they are ready."""
        env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(Path(__file__).parents[1]),
            "DATABASE_URL": self.dsn,
            "COLONY_HOME": str(self.home),
            "COLONY_SERVICE_BASE_URL": str(self.service.client.base_url),
            **environment,
        }
        command = ("worker", "--concurrency", str(places))
        name = f"worker-{time.monotonic_ns()}"
        started = [Spawned.start(command, env, self.home / f"{name}-{n}.log") for n in range(many)]

        async def ready() -> bool:
            return all("worker ready" in worker.output() for worker in started)

        await until(ready, "the workers")
        return started

    async def submit(self, tenant_id: str, number: int = 0) -> str:
        """Submit a mission for a tenant, as the API does behind its authentication."""
        assert self.service.colony is not None
        mission_id = f"msn_{time.monotonic_ns():032x}"
        lead = {"lead_id": "L-1"}
        request = MissionRequest(mission_type=MissionClass.CRM_LEAD_INTELLIGENCE, user_goal=GOAL, inputs=lead)
        budgets = {"token_budget": 200_000, "time_budget_ms": 600_000, "approval_timeout_ms": 600_000_000}
        names = {"mission_id": mission_id, "tenant_id": tenant_id, "actor_id": "bench", "trace_id": "b" * 32}
        await self.service.colony.service.store.submit(
            Submission(**names, **budgets, request=request, request_sha256=str(number), graph_version=GRAPH_VERSION)
        )
        return mission_id

    async def settled(self, tenant_id: str, mission_id: str) -> None:
        """Wait until the mission waits for a person."""
        assert self.service.colony is not None
        reader = self.service.colony.reader

        async def at_rest() -> bool:
            return (await reader.mission(tenant_id, mission_id))["status"] not in {"received", "running"}

        await until(at_rest, "a mission", 600)
        assert (await reader.mission(tenant_id, mission_id))["status"] == "awaiting_approval"

    def waiting(self, tenant_id: str) -> int:
        """Count the missions of a tenant that are not settled yet."""
        asked = "select count(*) from colony_missions where tenant_id = %s and status in ('received', 'running')"
        return int(rows(self.dsn, asked, tenant_id)[0]["count"])

    def give_leads(self, *tenants: str) -> None:
        """Give tenants the lead that the demo tenant has."""
        for table in ("leads", "chats"):
            asked = (
                "select string_agg(column_name, ',') as names from information_schema.columns "
                "where table_schema = 'root' and table_name = %s and is_identity = 'NO' "
                "and is_generated = 'NEVER' and column_name <> 'tenant_id'"
            )
            names = rows(self.dsn, asked, table)[0]["names"]
            for tenant in tenants:
                rows(
                    self.dsn,
                    f"insert into root.{table} (tenant_id, {names}) select '{tenant}', {names} from root.{table} "
                    "where tenant_id = 'demo' returning 1 as done",
                )


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    """Open a bench that is thrown away afterwards."""
    with tempfile.TemporaryDirectory(prefix="colony-bench-", dir="/tmp") as folder:
        home = Path(folder)
        home.chmod(0o755)  # noqa: ASYNC240 - Postgres runs under an account of its own
        with open_cluster(home) as cluster:
            environment = {"DATABASE_URL": cluster.dsn, "COLONY_HOME": folder}
            async with serving(environment, LeaseTimes(), work=False) as service:
                await service.seed_lead()
                opened = Bench(service, cluster.dsn, home)
                opened.give_leads("big", "small")
                yield opened
        stop_cluster(home)


async def fairness(backlog: int, times: int) -> Measured:
    """Measure a single mission beside another tenant's backlog, on one worker process with the default places."""
    async with bench() as on:
        (worker,) = await on.workers(1, PLACES)

        async def single() -> float:
            began = time.monotonic()
            await on.settled("small", await on.submit("small"))
            return time.monotonic() - began

        await single()
        idle = [await single() for _ in range(times)]
        for n in range(backlog):
            await on.submit("big", n)
        left, beside = [on.waiting("big")], []
        for _ in range(times):
            beside.append(await single())
            left.append(on.waiting("big"))
        worker.kill()
        assert left[-1] > PLACES, "the backlog was over before the measurement was"
        ratio = statistics.median(beside) / statistics.median(idle)
        return {
            "backlog": backlog,
            "left_at_first_and_last": [left[0], left[-1]],
            "idle_s": summary(idle),
            "beside_s": summary(beside),
            "ratio_of_medians": round(ratio, 2),
            "within_three": ratio <= 3,
        }


async def throughput(missions: int) -> Measured:
    """Measure a backlog's time by one process with eight places and by two with four."""
    found: Measured = {"missions": missions}
    for name, many in (("one_process", 1), ("two_processes", 2)):
        async with bench() as on:
            for n in range(missions):
                await on.submit("big", n)
            began = time.monotonic()
            workers = await on.workers(many, PLACES // many)

            async def over(on: Bench = on) -> bool:
                return on.waiting("big") == 0

            await until(over, "the backlog", 900)
            took = time.monotonic() - began
            claimed = rows(on.dsn, "select max(attempts) as most, count(*) as n from colony_missions")[0]
            for worker in workers:
                worker.kill()
            assert claimed == {"most": 1, "n": missions}, "a mission was run twice"
            found[name] = {"seconds": round(took, 1), "missions_per_s": round(missions / took, 2)}
    return found


async def recovery(times: int) -> Measured:
    """Measure from ``kill -9`` to the mission's running elsewhere, with the command's own lease times."""
    took = []
    async with bench() as on, proxied(f"{on.service.client.base_url}".rstrip("/") + "/root") as proxy:
        workers = await on.workers(2, PLACES, ROOT_API_BASE_URL=proxy.base)
        for _ in range(times):
            hold = proxy.before = Hold()
            mission_id = await on.submit("demo")
            await asyncio.wait_for(hold.reached.wait(), 60)
            holder = rows(on.dsn, "select worker_id from colony_leases where mission_id = %s", mission_id)[0][
                "worker_id"
            ]
            first = next(worker for worker in workers if holder.endswith(f":{worker.process.pid}"))
            first.kill()
            killed: datetime = rows(on.dsn, "select clock_timestamp() as at")[0]["at"]
            hold.let_go.set()
            await on.settled("demo", mission_id)
            asked = "select created_at from colony_events where mission_id = %s and event_type = 'mission.resumed'"
            took.append((rows(on.dsn, asked, mission_id)[0]["created_at"] - killed).total_seconds())
            workers.remove(first)
            workers += await on.workers(1, PLACES, ROOT_API_BASE_URL=proxy.base)
        for worker in workers:
            worker.kill()
    return {"times": times, "seconds": summary(took), "within_15": max(took) < 15}


class Hold:
    """Holds the first call for a chat back until it is let go."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.let_go = asyncio.Event()

    async def __call__(self, call: Call) -> None:
        if call.path.endswith("/chat") and not self.reached.is_set():
            self.reached.set()
            await self.let_go.wait()


def summary(values: list[float]) -> dict[str, float]:
    """Return the median and the extremes."""
    return {
        "median": round(statistics.median(values), 3),
        "least": round(min(values), 3),
        "most": round(max(values), 3),
    }


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", default=["fairness", "throughput", "recovery"])
    parser.add_argument("--backlog", type=int, default=500)
    parser.add_argument("--missions", type=int, default=200)
    parser.add_argument("--times", type=int, default=9)
    given = parser.parse_args()
    measures: dict[str, Callable[[], Awaitable[Measured]]] = {
        "fairness": lambda: fairness(given.backlog, given.times),
        "throughput": lambda: throughput(given.missions),
        "recovery": lambda: recovery(given.times),
    }
    stored = RESULTS / "sharing.json"
    figures: Measured = {}
    with suppress(FileNotFoundError):
        figures = json.loads(stored.read_text(encoding="utf-8"))
    for what in given.what:
        found = asyncio.run(measures[what]())
        questions = found.get("backlog") or found.get("missions") or found.get("times") or 0
        machine = {"cores": os.cpu_count(), "load": round(os.getloadavg()[1], 1)}
        figures[what] = {**found, **machine, "run": run(questions)}
        RESULTS.mkdir(exist_ok=True)
        stored.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        sys.stdout.write(f"{what}: {json.dumps(figures[what])}\n")


if __name__ == "__main__":
    main()
