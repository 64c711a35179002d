"""A service of a notebook's own, for whoever has none at hand."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from colony_client.notebook.missions import Colony
from colony_client.synchronous import ColonyClient

_READY = re.compile(r"http://127\.0\.0\.1:\d+")
_PATIENCE_S = 60.0
_OTHERS = ("COLONY_", "DATABASE_URL", "ROOT_API_", "MODEL_ROUTES_FILE", "KAFKA_", "CONSTITUTION_", "PAYLOAD_")


def at_hand(home: str | Path = ".colony/notebooks") -> Colony:
    """Return the service that ``COLONY_SERVICE_BASE_URL`` names, or start one on this machine for as long as this runs.

    Args:
        home: where the started one keeps its database, so that it meets no other. From there it goes on the next time.

    Raises:
        RuntimeError: the ``colony`` command is not there, or the service did not start.
    """
    if url := os.environ.get("COLONY_SERVICE_BASE_URL"):
        return Colony(ColonyClient(url))
    return Colony(ColonyClient(_started(Path(home).resolve())))


def _started(home: Path) -> str:
    beside = Path(sys.executable).with_name("colony")
    command = str(beside) if beside.exists() else shutil.which("colony")
    if command is None:
        raise RuntimeError("there is no colony command: run `make dev`, and choose the Python of .venv as the kernel")
    home.mkdir(parents=True, exist_ok=True)
    # Notebooks approve what they propose: never over the database or the product that this shell is set up for.
    env = {name: value for name, value in os.environ.items() if not name.startswith(_OTHERS)}
    env |= {"COLONY_HOME": str(home), "LOG_LEVEL": "info"}
    log = tempfile.NamedTemporaryFile(prefix="colony-", suffix=".log", delete=False)  # noqa: SIM115
    process = subprocess.Popen([command, "serve", "--port", "0"], env=env, stdout=log, stderr=subprocess.STDOUT)  # noqa: S603
    atexit.register(_stop, process)
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        told = Path(log.name).read_text(encoding="utf-8", errors="replace")
        if "ready" in told and (found := _READY.search(told)):
            return found.group()
        time.sleep(0.1)
    _stop(process)
    raise RuntimeError(f"the service did not start: see {log.name}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
