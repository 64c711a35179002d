"""What tests of whole missions share: a service with a client, waiting for conditions, real processes."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.postgres.claims import LeaseTimes
from adapters.root.client import Patience
from server.compose import Colony
from server.serve import running
from server.settings import load_settings
from tests.constitution import agreed

PATIENCE_S = 60.0
# Reading the authorities takes longer than most tests' requests.
TLS = httpx.create_ssl_context()
AT_WORK = {"received", "running"}
GOAL = "What do we know about this lead, and what should we do next?"
CHAT = [
    ("lead", "Hi, I am looking for a 3 bedroom flat in Northgate, my budget is 350k."),
    ("agent", "Harbour View has three bedrooms. Shall we book a viewing on Friday at 10:00?"),
    ("lead", "Yes, Friday at 10:00 is perfect."),
    ("agent", "Booked: a viewing of Harbour View on Friday at 10:00."),
    ("lead", "Great, thank you!"),
]


async def until(condition: Callable[[], Awaitable[Any]], what: str, patience_s: float = PATIENCE_S) -> Any:
    """Wait until a condition holds and return what it gave."""
    deadline, pause_s = time.monotonic() + patience_s, 0.01
    while time.monotonic() < deadline:
        if result := await condition():
            return result
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 1.3, 0.06)
    raise AssertionError(f"waited {patience_s} s for {what}")


@dataclass
class Service:
    """A running service and a client of it."""

    client: httpx.AsyncClient
    colony: Colony | None = None

    async def seed_lead(self, lead_id: str = "L-1", chat: list[tuple[str, str]] | None = None, **fields: Any) -> None:
        """Put a lead with one conversation into the embedded root, over HTTP."""
        lead = {"lead_id": lead_id, "attributes": {"name": "Ada Marsh", "stage": "contacted", **fields}}
        await self._put("leads", [lead])
        messages = [{"author": author, "text": text} for author, text in (CHAT if chat is None else chat)]
        conversation = {
            "conversation_id": f"C-{lead_id}",
            "lead_id": lead_id,
            "channel": "whatsapp",
            "messages": messages,
        }
        await self._put("chats", [conversation])

    async def _put(self, kind: str, items: list[dict[str, Any]]) -> None:
        answer = await self.client.post(f"/root/import/{kind}", json={"items": items})
        assert answer.status_code == 200, answer.text
        assert not answer.json()["rejected"], answer.text

    async def submit(self, mission_type: str = "crm_lead_intelligence", **body: Any) -> str:
        """Submit a mission and return its id."""
        inputs = body.pop("inputs", {"lead_id": "L-1"})
        asked = {"mission_type": mission_type, "user_goal": GOAL, "inputs": inputs, **body}
        answer = await self.client.post("/api/colony/missions", json=asked)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["mission_id"])

    async def mission(self, mission_id: str) -> dict[str, Any]:
        """Return the mission as the API shows it."""
        answer = await self.client.get(f"/api/colony/missions/{mission_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def settled(self, mission_id: str, patience_s: float = PATIENCE_S) -> dict[str, Any]:
        """Wait until the mission has ended or waits for a person, and return it."""

        async def at_rest() -> dict[str, Any] | None:
            mission = await self.mission(mission_id)
            return None if mission["status"] in AT_WORK else mission

        return dict(await until(at_rest, f"mission {mission_id} to settle", patience_s))

    async def post(self, mission_id: str, command: str, **body: Any) -> httpx.Response:
        """Send a command about a mission."""
        return await self.client.post(f"/api/colony/missions/{mission_id}/{command}", json=body)

    async def artifacts(self, mission_id: str, kind: str) -> list[dict[str, Any]]:
        """Return the mission's artifacts of a kind."""
        answer = await self.client.get(f"/api/colony/missions/{mission_id}/artifacts", params={"kind": kind})
        return list(answer.json()["items"])

    async def events(self, mission_id: str) -> list[dict[str, Any]]:
        """Return the mission's recorded events."""
        answer = await self.client.get(f"/api/colony/missions/{mission_id}/events")
        return list(answer.json()["items"])

    async def lead(self, lead_id: str = "L-1") -> dict[str, Any]:
        """Return a lead as the root has it."""
        return dict((await self.client.get(f"/root/api/crm/leads/{lead_id}")).json())

    async def writes(self, lead_id: str = "L-1") -> dict[str, int]:
        """Return how often the root was written for a lead: ``{version, notes, tasks, messages}``."""
        return dict((await self.client.get(f"/root/api/crm/leads/{lead_id}/writes")).json())


@asynccontextmanager
async def serving(
    environment: Mapping[str, str], times: LeaseTimes, *, work: bool = True, patience: Patience | None = None
) -> AsyncIterator[Service]:
    """Serve in this process on a free port."""
    settings = load_settings(**{"PORT": 0, **environment})
    await agreed(environment)
    async with running(settings, times=times, work=work, patience=patience) as colony:
        base = f"http://127.0.0.1:{colony.settings.port}"
        async with httpx.AsyncClient(base_url=base, timeout=30, verify=TLS) as client:
            yield Service(client, colony)


class Spawned:
    """A real process of the `colony` command, with its output in a file."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log

    @classmethod
    def start(cls, arguments: tuple[str, ...], env: Mapping[str, str], log: Path) -> "Spawned":
        command = [str(Path(sys.executable).parent / "colony"), *arguments]
        env = {"PYTHONPATH": str(Path(__file__).parents[1]), **env}  # the code beside these tests, wherever installed
        with log.open("wb") as out:
            process = subprocess.Popen(command, env=env, stdout=out, stderr=subprocess.STDOUT, cwd=log.parent)
        return cls(process, log)

    def output(self) -> str:
        """Return what the process has printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    async def ready(self) -> str:
        """Wait for the ready line of `serve` and return its base URL."""

        async def line() -> str | None:
            assert self.process.poll() is None, self.output()
            found = re.search(r"http://127\.0\.0\.1:\d+", self.output())
            return found.group() if found else None

        return str(await until(line, "the process to be ready"))

    def kill(self) -> None:
        """Kill the process at once, as with kill -9, and wait for its end."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def suspend(self) -> None:
        """Stop the process where it is."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a suspended process go on."""
        os.kill(self.process.pid, signal.SIGCONT)


def sampled(cases: Mapping[str, Any] | Sequence[Any], every: int) -> list[Any]:
    """Parameters of which one in ``every`` is in each build, and `make test-long` runs the others, too."""
    named = cases.items() if isinstance(cases, Mapping) else [(getattr(c, "__name__", str(c)), c) for c in cases]
    found = []
    for n, (name, case) in enumerate(named):
        marks = [pytest.mark.long] if n % every else []
        found.append(pytest.param(*(case if isinstance(case, tuple) else (case,)), id=name, marks=marks))
    return found


def pretty(value: Any) -> str:
    """Return a value for an assertion's message."""
    return json.dumps(value, indent=1, ensure_ascii=False)[:4_000]


@asynccontextmanager
async def watched_loop() -> AsyncIterator[list[float]]:
    """Note how long this process's event loop, which serves and works, was away at a time."""
    away: list[float] = [0.0]

    async def watch() -> None:
        while True:
            asked = time.monotonic()
            await asyncio.sleep(0.01)
            away.append(time.monotonic() - asked - 0.01)

    watching = asyncio.create_task(watch())
    try:
        yield away
    finally:
        watching.cancel()
