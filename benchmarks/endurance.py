"""One worker, many missions: ``python -m benchmarks.endurance [--missions N]``.

Real conversations, or the samples' where the shared data is absent, are run as whole missions by one `colony worker`
process; every third is approved and written. After each batch the worker's resident memory and its open connections
are read. Figures go to ``benchmarks/results/endurance.json``.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg

from adapters.postgres.cluster import open_cluster, stop_cluster
from adapters.postgres.provision import migrate
from benchmarks.stored import store
from tests.support import GOAL, Service, Spawned, until

SETTLING = 30
"""Missions after which caches are full and memory may no longer grow."""
_BATCH = 10
_IDLE_S = 45
_PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024


@dataclass(frozen=True)
class Sample:
    """The worker after some missions: resident memory in MB, and the connections it holds while idle."""

    missions: int
    resident_mb: float
    connections: int


def resident_mb(pid: int) -> float:
    """Return a process's resident memory."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE_KB / 1024


def connections(dsn: str, names: str) -> int:
    """Count the connections whose application name is like ``names``."""
    asked = "select count(*) from pg_stat_activity where datname = current_database() and application_name like %s"
    with psycopg.connect(dsn, autocommit=True) as admin:
        row = admin.execute(asked, (names,)).fetchone()
    return int(row[0]) if row else 0


async def endure(service: Service, worker: Spawned, dsn: str, missions: int) -> list[Sample]:
    """Run missions in batches and sample the worker after each."""

    async def ready() -> bool:
        return "worker ready" in worker.output()

    await until(ready, "the worker")
    samples = []
    for first in range(0, missions, _BATCH):
        await asyncio.gather(*(_mission(service, n) for n in range(first, min(first + _BATCH, missions))))
        await _at_rest(dsn)
        done = min(first + _BATCH, missions)
        samples.append(Sample(done, round(resident_mb(worker.process.pid), 1), connections(dsn, "colony%")))
        sys.stderr.write(f"{samples[-1]}\n")
    return samples


async def at_hand(dsn: str) -> int:
    """Return the fewest connections seen while the pools, idle, give back what they keep for a while."""
    seen = []
    for _ in range(_IDLE_S):
        seen.append(connections(dsn, "colony%"))
        await asyncio.sleep(1)
    return min(seen)


async def _mission(service: Service, n: int) -> None:
    """Run one mission on a lead of its own; every third is approved and written to its end."""
    lead = f"E-{n}"
    chat = [(who, f"{text} (ref {n})") for who, text in _talk(n)]
    await service.seed_lead(lead, chat)
    mission_id = await service.submit(inputs={"lead_id": lead}, user_goal=f"{GOAL} {n}")
    waiting = await service.settled(mission_id, 120)
    if waiting["status"] != "awaiting_approval":
        raise SystemExit(f"mission {mission_id} ended {waiting['status']}: {waiting['failure']}")
    if n % 3 == 0:
        await service.post(mission_id, "approve")
        ended = await service.settled(mission_id, 120)
        if ended["status"] != "completed":
            raise SystemExit(f"mission {mission_id} ended {ended['status']}: {ended['failure']}")


_PLACES = ("Northgate", "Elmsworth", "Oakham", "Redhill", "Ashdown")


def _talk(n: int) -> list[tuple[str, str]]:
    place = _PLACES[n % len(_PLACES)]
    talk = [
        ("lead", f"Hi, I am looking for a {1 + n % 4} bedroom flat in {place}, my budget is {300 + n}k."),
        ("agent", "Harbour View has what you need. Shall we book a viewing on Friday at 10:00?"),
        ("lead", "Yes, Friday at 10:00 is perfect."),
        ("agent", "Booked: a viewing of Harbour View on Friday at 10:00."),
    ]
    return talk * (1 + n % 5)


async def _at_rest(dsn: str) -> None:
    """Wait until no mission is held and no connection of the runs' pool is in use."""

    async def idle() -> bool:
        with psycopg.connect(dsn, autocommit=True) as admin:
            row = admin.execute("select count(*) from colony_leases").fetchone()
        return bool(row and row[0] == 0)

    await until(idle, "the leases to be given up")


def growth(samples: list[Sample]) -> float:
    """Return the memory at the end against the memory once settled, both as medians of three samples."""
    settled = [s.resident_mb for s in samples if s.missions >= SETTLING]
    return statistics.median(settled[-3:]) / statistics.median(settled[:3])


async def measure(missions: int) -> dict[str, Any]:
    """Run the whole measurement over an embedded Postgres that is thrown away afterwards."""
    with tempfile.TemporaryDirectory(prefix="colony-endure-", dir="/tmp") as folder:
        home = Path(folder)
        await asyncio.to_thread(home.chmod, 0o755)  # Postgres runs under an account of its own
        with open_cluster(home) as cluster:
            dsn = cluster.dsn
            await asyncio.to_thread(migrate, dsn)
            env = {"PATH": os.environ["PATH"], "DATABASE_URL": dsn, "COLONY_HOME": folder, "LOG_LEVEL": "info"}
            api = Spawned.start(("serve", "--no-worker", "--port", "0"), env, home / "api.log")
            base = await api.ready()
            worker = Spawned.start(("worker",), env | {"ROOT_API_BASE_URL": f"{base}/root"}, home / "worker.log")
            try:
                async with httpx.AsyncClient(base_url=base, timeout=60) as client:
                    service = Service(client)
                    await endure(service, worker, dsn, _BATCH)
                    before = await at_hand(dsn)
                    samples = await endure(service, worker, dsn, missions)
                    after = await at_hand(dsn)
            finally:
                worker.kill()
                api.kill()
        stop_cluster(home)
    return {
        "missions": missions,
        "growth_after_30": round(growth(samples), 4),
        "connections_at_most": max(sample.connections for sample in samples),
        "connections_idle_after_10": before,
        "connections_idle_at_end": after,
        "samples": [asdict(sample) for sample in samples],
    }


def main() -> None:
    """Measure, store, and print."""
    parser = argparse.ArgumentParser(prog="endurance", description=__doc__)
    parser.add_argument("--missions", type=int, default=180)
    figures = asyncio.run(measure(parser.parse_args().missions))
    store("endurance", figures, figures["missions"])


if __name__ == "__main__":
    main()
