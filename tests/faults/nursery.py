"""Processes that start in milliseconds: one that has imported everything, and forks a real process for each order.

`python -m tests.faults.nursery` reads an order a line and answers `{"order", "pid"}`; a child's end is
`{"pid", "status"}`. Its children end with it.
"""

import asyncio
import contextlib
import ctypes
import importlib
import json
import os
import random
import select
import signal
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_PROJECT = Path(__file__).parents[2]
_PR_SET_PDEATHSIG = 1
_LOOK_S = 0.02
_WARM = (
    "anyio._backends._asyncio",
    "duckdb",
    "httpcore",
    "langchain_core.messages",
    "langchain_core.tools.simple",
    "langchain_core.tracers.run_collector",
    "procrastinate.builtin_tasks",
    "uvicorn.protocols.http.httptools_impl",
    "uvicorn.protocols.websockets.websockets_sansio_impl",
)


def main() -> None:
    """Fork as ordered until the orders end."""
    _warm_up()
    from tests.faults import child

    children: set[int] = set()
    pending = b""
    _say(ready=True)
    while True:
        if select.select([0], [], [], _LOOK_S)[0]:
            read = os.read(0, 65_536)
            if not read:
                break
            *lines, pending = (pending + read).split(b"\n")
            children |= {_forked(json.loads(line), child.run) for line in lines}
        for pid in sorted(children):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                children.discard(pid)
                _say(pid=pid, status=os.waitstatus_to_exitcode(status))
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _warm_up() -> None:
    """Load what processes would load one by one when they first need it, each anew."""
    for name in _WARM:
        importlib.import_module(name)
    from adapters.models.tokens import count_tokens

    count_tokens("")


def _say(**line: Any) -> None:
    os.write(1, json.dumps(line).encode() + b"\n")


def _forked(order: dict[str, Any], run: Any) -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            _settle_in(order)
            run(order)
            code = 0
        except BaseException:  # noqa: BLE001
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    _say(order=order["order"], pid=pid)
    return pid


def _settle_in(order: dict[str, Any]) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, nothing), (1, log), (2, log)):
        os.dup2(source, target)
    os.chdir(Path(order["log"]).parent)
    random.seed()


@dataclass
class Process:
    """A real process of the harness."""

    name: str
    pid: int
    log: Path
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    status: int | None = None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if not self.ended.is_set():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def kill(self) -> None:
        """End it as kill -9 does, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        self.signal(signal.SIGCONT)
        await asyncio.wait_for(self.ended.wait(), 20)

    def output(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""


class Nursery:
    """Orders processes and hears of their ends."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._asked: dict[int, tuple[asyncio.Future[Process], str, Path]] = {}
        self._living: dict[int, Process] = {}
        self._orders = 0

    async def spawn(self, name: str, log: Path, order: Mapping[str, Any]) -> Process:
        """Start a process."""
        self._orders += 1
        born: asyncio.Future[Process] = asyncio.get_running_loop().create_future()
        self._asked[self._orders] = (born, name, log)
        assert self._process.stdin is not None
        line = {**order, "order": self._orders, "log": str(log)}
        self._process.stdin.write(json.dumps(line).encode() + b"\n")
        return await asyncio.wait_for(born, 30)

    async def listen(self) -> None:
        """Hear what the nursery says, until it ends."""
        assert self._process.stdout is not None
        async for raw in self._process.stdout:
            said = json.loads(raw)
            if "order" in said:
                born, name, log = self._asked.pop(said["order"])
                self._living[said["pid"]] = process = Process(name, said["pid"], log)
                born.set_result(process)
            elif "status" in said:
                process = self._living.pop(said["pid"])
                process.status = said["status"]
                process.ended.set()


@asynccontextmanager
async def nursed() -> AsyncIterator[Nursery]:
    """Keep a nursery for the block; every process it started ends with it."""
    env = {**os.environ, "PYTHONPATH": str(_PROJECT), "LANGGRAPH_STRICT_MSGPACK": "true"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.faults.nursery", stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env
    )
    assert process.stdout is not None
    assert process.stdin is not None
    await asyncio.wait_for(process.stdout.readline(), 60)
    nursery = Nursery(process)
    listening = asyncio.create_task(nursery.listen())
    try:
        yield nursery
    finally:
        process.stdin.close()
        await asyncio.wait_for(process.wait(), 30)
        await listening


if __name__ == "__main__":
    main()
