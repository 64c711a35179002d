"""An API without a worker, workers that are processes of their own, and a root that can be slow."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.acceptance.root_proxy import RootProxy, proxied
from tests.conftest import SHORT
from tests.support import Service, Spawned, serving

PROJECT = Path(__file__).parents[2]


class WorkerProcess(Spawned):
    """A worker that a test may kill, stop, let go on and end."""

    def terminate(self) -> int:
        """Send SIGTERM and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@pytest_asyncio.fixture
async def api(database: str, tmp_path: Path) -> AsyncIterator[Service]:
    """The API with the embedded root in this process, and nobody who works."""
    async with serving({"DATABASE_URL": database, "COLONY_HOME": str(tmp_path)}, SHORT, work=False) as service:
        yield service


@pytest_asyncio.fixture
async def root_proxy(api: Service) -> AsyncIterator[RootProxy]:
    """A proxy in front of the embedded root."""
    async with proxied(f"{api.client.base_url}".rstrip("/") + "/root") as proxy:
        yield proxy


@pytest.fixture
def start_worker(database: str, tmp_path: Path, api: Service) -> Iterator[Callable[..., WorkerProcess]]:
    """Start worker processes with short lease times; all are ended."""
    started: list[WorkerProcess] = []

    def start(**environment: str) -> WorkerProcess:
        env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(PROJECT),
            "DATABASE_URL": database,
            "COLONY_HOME": str(tmp_path),
            "COLONY_SERVICE_BASE_URL": str(api.client.base_url),
            "LOG_LEVEL": "debug",
            **environment,
        }
        log = tmp_path / f"worker-{len(started)}.log"
        command = [sys.executable, "-m", "tests.acceptance.worker_process"]
        with log.open("wb") as out:
            process = subprocess.Popen(command, env=env, stdout=out, stderr=subprocess.STDOUT, cwd=tmp_path)
        started.append(WorkerProcess(process, log))
        return started[-1]

    yield start
    for worker in started:
        if worker.process.poll() is None:
            worker.resume()
            worker.kill()
