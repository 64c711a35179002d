"""The service that a notebook starts: of its own, and gone with the notebook, however that ends."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from adapters.postgres.cluster import stop_cluster
from tests.notebooks.running import ROOT
from tests.support import until

SCRIPT = """
import os, signal, sys
from colony_client.notebook import at_hand
print(at_hand(sys.argv[1]).client.link(""), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that Postgres's own account may enter."""
    with tempfile.TemporaryDirectory(prefix="colony-tests-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
        stop_cluster(Path(folder))


@pytest.mark.long
async def test_a_killed_notebook_leaves_no_service_behind(home: Path) -> None:
    path = os.pathsep.join([str(ROOT), str(ROOT / "clients" / "python")])
    # The shell's own database must not be used: a notebook approves what it proposes.
    env = {**os.environ, "PYTHONPATH": path, "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    env.pop("COLONY_SERVICE_BASE_URL", None)
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(home)], env=env, capture_output=True, text=True)
    url = done.stdout.strip()
    assert url.startswith("http://127.0.0.1:"), done.stderr

    async def gone() -> bool:
        async with httpx.AsyncClient() as client:
            try:
                await client.get(f"{url}api/colony/missions", timeout=5)
            except httpx.TransportError:
                return True
        return False

    await until(gone, "the service to end")
