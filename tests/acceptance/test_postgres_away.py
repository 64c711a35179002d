"""Postgres that restarts under load: everybody reconnects and goes on; one that is gone for good ends a worker."""

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
import pytest_asyncio

from adapters.postgres import cluster_server
from adapters.postgres.claims import LeaseTimes
from adapters.postgres.cluster import open_cluster, stop_cluster
from adapters.postgres.cluster_files import Layout
from tests.acceptance.checks import assert_whole, counted
from tests.acceptance.conftest import PROJECT
from tests.support import Service, serving, until

TIMES = LeaseTimes(heartbeat_ms=300, lease_ms=2_000, sweep_ms=300)
KILL = """
select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and backend_type = 'client backend'
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """A cluster of this test's own, which it may ill-treat."""
    with tempfile.TemporaryDirectory(prefix="colony-away-", dir="/tmp") as folder:
        path = Path(folder)
        path.chmod(0o755)
        yield path
        stop_cluster(path)


@pytest_asyncio.fixture
async def service(home: Path) -> AsyncIterator[Service]:
    with open_cluster(home, settings={"fsync": "off"}) as cluster:
        async with serving({"DATABASE_URL": cluster.dsn, "COLONY_HOME": str(home)}, TIMES) as opened:
            yield opened


def crash(home: Path) -> None:
    """Shut Postgres down at once, as with a power cut, and start it again."""
    layout = Layout.of(home)
    pid = int((layout.data / "postmaster.pid").read_text().splitlines()[0])
    os.kill(pid, 3)  # SIGQUIT: immediate shutdown
    open_cluster(home, settings={"fsync": "off"}).close()
    assert cluster_server.alive(layout)


async def streamed(service: Service, mission_id: str, seen: list[int]) -> None:
    """Read a mission's stream to its end, reconnecting as a browser does."""
    path = f"/api/colony/missions/{mission_id}/events"
    while True:
        headers = {"accept": "text/event-stream"} | ({"last-event-id": str(seen[-1])} if seen else {})
        try:
            async with service.client.stream("GET", path, headers=headers) as answer:
                async for line in answer.aiter_lines():
                    seen += [int(line[4:])] if line.startswith("id: ") else []
                if answer.status_code == 200:
                    return
        except httpx.TransportError:
            continue
        await asyncio.sleep(0.05)


async def go_on(service: Service, missions: list[str], read: asyncio.Task[None], seen: list[int]) -> None:
    for mission_id in missions:
        assert (await service.settled(mission_id, 90))["status"] == "awaiting_approval"
        events = await service.events(mission_id)
        assert_whole(events)
        assert counted(events, "approval.requested").total() == 1
        assert all(n == 1 for n in counted(events, "task.completed", "task_key").values())
    assert (await service.post(missions[0], "reject")).status_code == 202
    assert (await service.settled(missions[0]))["status"] == "rejected"
    await asyncio.wait_for(read, 30)
    assert seen == [event["seq"] for event in await service.events(missions[0])]


@pytest.mark.long  # of the faults, the store is a slice of it
async def test_postgres_crashes_under_load_and_everything_goes_on(service: Service, home: Path) -> None:
    await service.seed_lead()
    missions = [await service.submit() for _ in range(8)]
    seen: list[int] = []
    read = asyncio.create_task(streamed(service, missions[0], seen))

    async def begun() -> bool:
        return len(seen) > 3

    await until(begun, "the first mission to be under way")
    restarting = asyncio.create_task(asyncio.to_thread(crash, home))
    asked = set()
    while not restarting.done():
        answer = await service.client.get(f"/api/colony/missions/{missions[0]}")
        asked.add(answer.status_code)
        await asyncio.sleep(0.02)
    await restarting
    assert asked <= {200, 503}, asked
    await go_on(service, missions, read, seen)


@pytest.mark.long
async def test_every_connection_is_cut_again_and_again_and_everything_goes_on(service: Service, home: Path) -> None:
    await service.seed_lead()
    missions = [await service.submit() for _ in range(8)]
    seen: list[int] = []
    read = asyncio.create_task(streamed(service, missions[0], seen))
    with open_cluster(home) as cluster:
        for _ in range(4):
            with psycopg.connect(cluster.dsn, autocommit=True) as admin:
                admin.execute(KILL)
            before = len(seen)

            async def news(before: int = before) -> bool:
                return len(seen) > before or read.done()

            await until(news, "news after the cut", 20)
    await go_on(service, missions, read, seen)
    with open_cluster(home) as cluster, psycopg.connect(cluster.dsn, autocommit=True) as admin:
        assert admin.execute("select max(deaths) from colony_missions").fetchone() == (0,), "nobody died"


@pytest.mark.long
async def test_a_worker_ends_for_its_supervisor_when_postgres_is_gone_for_good(home: Path, tmp_path: Path) -> None:
    with open_cluster(home, settings={"fsync": "off"}) as cluster:
        env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(PROJECT),
            "DATABASE_URL": cluster.dsn,
            "COLONY_HOME": str(tmp_path),
            "AWAY_MS": "1000",
        }
        log = tmp_path / "worker.log"
        with log.open("wb") as out:
            worker = subprocess.Popen(  # noqa: ASYNC220
                [sys.executable, "-m", "tests.acceptance.worker_process"], env=env, stdout=out, stderr=out, cwd=tmp_path
            )
        try:

            async def ready() -> bool:
                return b"worker ready" in log.read_bytes()

            await until(ready, "the worker")
            await asyncio.to_thread(stop_cluster, home)
            assert await asyncio.to_thread(worker.wait, 60) != 0
            assert "Postgres does not answer" in log.read_text()
        finally:
            if worker.poll() is None:
                worker.kill()
                worker.wait()
