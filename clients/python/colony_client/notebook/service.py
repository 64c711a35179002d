"""A service of a notebook's own, for whoever has none at hand."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from colony_client.notebook.missions import Colony
from colony_client.synchronous import ColonyClient

_READY = re.compile(r"http://127\.0\.0\.1:\d+")
_PATIENCE_S = 60.0
# It runs for as long as whoever started it does, even where that is killed: until the pipe to it has ended.
_UNTIL_EOF = 'exec 3<&0; "$@" 3<&- & s=$!; { read -r _ <&3; kill $s; } 2>/dev/null & wait $s'
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
    handle, name = tempfile.mkstemp(prefix="colony-", suffix=".log")
    log = Path(name)
    # A session of its own: interrupting a cell is no reason to stop.
    with os.fdopen(handle, "wb") as out:
        process = subprocess.Popen(  # noqa: S603
            ["/bin/sh", "-c", _UNTIL_EOF, "sh", command, "serve", "--port", "0"],
            env=env,
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    atexit.register(_stop, process, log)
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        told = log.read_text(encoding="utf-8", errors="replace")
        if "ready" in told and (found := _READY.search(told)):
            return found.group()
        time.sleep(0.1)
    said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
    raise RuntimeError(f"the service did not start: {' '.join(said) or 'it said nothing'}")


def _stop(process: subprocess.Popen[bytes], log: Path) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
    log.unlink(missing_ok=True)
