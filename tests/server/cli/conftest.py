"""The command as a real process, against a real service."""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from adapters.postgres.cluster import stop_cluster
from tests.support import Service

COMMAND = Path(sys.executable).parent / "colony"


@dataclass(frozen=True)
class Ran:
    """What one run of the command gave."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]

    def error(self, code: str) -> str:
        """The one line on stderr, which begins with the code."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith(f"{code}: "), self.err
        return lines[0]


Run = Callable[..., Awaitable[Ran]]


async def run(*arguments: str, cwd: Path, **environment: str) -> Ran:
    """Run the command to its end without a terminal and without any input."""
    env = {"PATH": os.environ["PATH"], **environment}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        str(COMMAND), *arguments, env=env, cwd=cwd, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
    )
    out, err = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode is not None
    return Ran(process.returncode, out.decode(), err.decode())


@pytest.fixture
def alone(tmp_path: Path) -> Run:
    """The command where nothing runs: `await alone("missions", "list")`."""

    async def call(*arguments: str, **environment: str) -> Ran:
        return await run(*arguments, cwd=tmp_path, **environment)

    return call


@pytest.fixture
def colony(service: Service, tmp_path: Path) -> Run:
    """The command against the test's service, which has the lead L-1."""
    seeded = False

    async def call(*arguments: str, **environment: str) -> Ran:
        nonlocal seeded
        if not seeded:
            await service.seed_lead()
            seeded = True
        base = {"COLONY_SERVICE_BASE_URL": str(service.client.base_url), "COLONY_HOME": str(tmp_path)}
        return await run(*arguments, cwd=tmp_path, **(base | environment))

    return call


@pytest.fixture
def home() -> Iterator[Path]:
    """A COLONY_HOME that the database's account can enter, which pytest's own folders are not."""
    with tempfile.TemporaryDirectory(prefix="colony-cli-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        path = Path(folder)
        path.chmod(0o755)
        yield path
        stop_cluster(path)
