"""A running aimock: a server of both providers' protocols that nobody here wrote; `make test-external` installs it."""

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.adapters.models.wire import Wire
from tests.support import until

FIXTURES = Path(__file__).parent / "fixtures"
LLMOCK = os.environ.get("AIMOCK", "")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def answers(port: int) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:

        async def up() -> bool:
            try:
                return (await client.get("/__aimock/journal")).status_code == 200
            except httpx.HTTPError:
                return False

        await until(up, "aimock to answer")
        yield client


@pytest.fixture(scope="session")
def aimock() -> Iterator[int]:
    """The port of a running aimock."""
    if not shutil.which(LLMOCK):
        pytest.skip("aimock is not installed: run make test-external")
    port = free_port()
    command = [LLMOCK, "-p", str(port), "-h", "127.0.0.1", "-f", str(FIXTURES), "--strict", "--validate-on-load"]
    env = {"PATH": os.environ["PATH"], "AIMOCK_STRICT_TURN_INDEX": "1"}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)

    async def ready() -> None:
        async with answers(port):
            pass

    asyncio.run(ready())
    yield port
    process.terminate()
    process.wait(10)


@pytest.fixture(params=["openai", "anthropic"])
def wire(request: pytest.FixtureRequest, aimock: int) -> Wire:
    """Where aimock speaks a provider's protocol."""
    served = Wire(request.param, "127.0.0.1")
    served.port = aimock
    return served
