"""LangGraph's own server with Colony's graph, as `langgraph dev` starts it, seen by the SDK's client."""

import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import ConflictError

from tests.constitution import agreed
from tests.external.conftest import free_port
from tests.support import GOAL, Service, until

LANGGRAPH = os.environ.get("LANGGRAPH", "")
PROJECT = Path(__file__).parents[2]
INPUT: dict[str, Any] = {"mission_type": "crm_lead_intelligence", "user_goal": GOAL, "inputs": {"lead_id": "L-1"}}
APPROVE = {"resume": {"decision": "approve"}}
BEFORE = ["admission", "planner", "prompt_master", "librarian", "researcher", "workers", "aggregator", "reviewer"]
Part = tuple[str, Any]


def begin(folder: Path, port: int, **environment: str) -> tuple[subprocess.Popen[bytes], Path]:
    """Start `langgraph dev` on the project's langgraph.json, in a folder of its own."""
    if not shutil.which(LANGGRAPH):
        pytest.skip("langgraph-cli is not installed: run make test-studio")
    quiet = {"LANGGRAPH_CLI_NO_ANALYTICS": "1", "LANGGRAPH_NO_VERSION_CHECK": "true", "LANGSMITH_TRACING": "false"}
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), "NO_COLOR": "1", **quiet, **environment}
    command = [LANGGRAPH, "dev", "--config", str(PROJECT / "langgraph.json"), "--host", "127.0.0.1"]
    command += ["--port", str(port), "--no-browser", "--no-reload"]
    log = folder / "langgraph-dev.log"
    with log.open("wb") as out:
        return subprocess.Popen(command, env=env, cwd=folder, stdout=out, stderr=subprocess.STDOUT), log


@dataclass
class Dev:
    """A running `langgraph dev`: its client, and Colony's own API beside it."""

    client: LangGraphClient
    service: Service
    log: Path

    async def streamed(self, thread_id: str, **asked: Any) -> list[Part]:
        asked = {"input": INPUT, "stream_mode": ["updates", "values"], **asked}
        return [(p.event, p.data) async for p in self.client.runs.stream(thread_id, "colony", **asked)]


def nodes(parts: list[Part]) -> list[str]:
    return [next(iter(data)) for event, data in parts if event == "updates"]


@pytest_asyncio.fixture
async def dev(tmp_path: Path, database: str) -> AsyncIterator[Dev]:
    port, own = free_port(), free_port()
    environment = {"DATABASE_URL": database, "COLONY_HOME": str(tmp_path), "PORT": str(own)}
    await agreed(environment)
    process, log = begin(tmp_path, port, **environment)
    try:
        async with (
            get_client(url=f"http://127.0.0.1:{port}") as client,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{own}", timeout=30) as rest,
        ):

            async def up() -> bool:
                assert process.poll() is None, log.read_text()
                try:
                    return (await client.http.client.get("/ok")).status_code == 200
                except httpx.HTTPError:
                    return False

            await until(up, "langgraph dev to answer", 120)
            service = Service(rest)
            await service.seed_lead()
            yield Dev(client, service, log)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


async def test_a_mission_runs_in_langgraph_dev_to_its_interrupt_and_on_after_the_answer(dev: Dev) -> None:
    tid = (await dev.client.threads.create())["thread_id"]
    first = await dev.streamed(tid)
    assert nodes(first) == [*BEFORE, "__interrupt__"], first
    pending = (await dev.service.mission(tid))["pending_approval"]
    state = await dev.client.threads.get_state(tid)
    assert [one["value"]["interrupt_id"] for one in state["interrupts"]] == [pending["interrupt_id"]]
    assert (await dev.client.threads.get(tid))["status"] == "interrupted"

    second = await dev.streamed(tid, input=None, command=APPROVE)
    assert nodes(second) == ["release_gate", "writeback", "finalize"]
    mission = await dev.service.mission(tid)
    assert mission["status"] == "completed"
    assert sum((await dev.service.writes()).values()) > 1
    assert len(await dev.client.threads.get_history(tid)) > len(BEFORE)


async def test_langgraph_dev_gets_no_mission_past_its_gate_nor_back_in_its_past(dev: Dev) -> None:
    tid = (await dev.client.threads.create())["thread_id"]
    told = await dev.streamed(tid, input={"user_goal": "no class"})
    assert "mission_type" in error_of(told)
    await dev.streamed(tid)
    before = await dev.service.events(tid)
    assert "would bypass" in error_of(await dev.streamed(tid, input=None, command={"goto": "writeback"}))
    assert "waits for a person" in error_of(await dev.streamed(tid, input=None))
    assert "waits for a person" in error_of(await dev.streamed(tid))
    assert "approve | reject" in error_of(await dev.streamed(tid, input=None, command={"resume": "yes"}))
    with pytest.raises(ConflictError):
        await dev.client.threads.update_state(tid, {"release": {"verdict": "approve"}}, as_node="release_gate")
    past = (await dev.client.threads.get_history(tid))[-2]["checkpoint"]
    assert "from where it is" in error_of(await dev.streamed(tid, input=None, checkpoint=past))
    assert await dev.service.events(tid) == before

    assert (await dev.service.post(tid, "approve")).status_code == 202
    other = await dev.service.submit()
    await dev.service.settled(other)
    # Colony's own worker, which has just run another, leaves this one to the server that has its checkpoints.
    assert (await dev.service.mission(tid))["status"] == "running"
    await dev.streamed(tid, input=None)
    assert (await dev.service.mission(tid))["status"] == "completed"


async def test_what_stopped_in_langgraph_dev_goes_on_and_what_is_not_its_own_is_left_alone(dev: Dev) -> None:
    runs, tid = dev.client.runs, (await dev.client.threads.create())["thread_id"]
    # Stopped before its first step was a checkpoint, and tried again from there.
    for asked in ({**INPUT, "time_budget_ms": 1}, None, None):
        assert "stopped before its end" in error_of(await dev.streamed(tid, input=asked))
    assert (await dev.service.mission(tid))["failure"]["code"] == "time_budget_exceeded"

    tid = (await dev.client.threads.create())["thread_id"]
    run = await runs.create(tid, "colony", input=INPUT)

    async def begun() -> bool:
        return len((await dev.service.client.get(f"/api/colony/missions/{tid}/events")).json().get("items", [])) > 3

    await until(begun, "the mission to be under way")
    await runs.cancel(tid, run["run_id"], wait=True)

    async def on() -> list[Part] | None:
        parts = await dev.streamed(tid, input=None)
        return None if parts[-1][0] == "error" else parts

    rest = nodes(await until(on, "the lease to be given back"))
    assert rest == [*BEFORE, "__interrupt__"][-len(rest) :]

    stopped = nodes(await dev.streamed((await dev.client.threads.create())["thread_id"], interrupt_before=["workers"]))
    assert stopped == [*BEFORE[:5], "__interrupt__"]

    foreign = str((await dev.service.client.post("/threads", json={})).json()["thread_id"])
    begin = {"assistant_id": "crm_lead_intelligence", "input": {k: INPUT[k] for k in ("user_goal", "inputs")}}
    await dev.service.client.post(f"/threads/{foreign}/runs/wait", json=begin)
    await dev.client.threads.create(thread_id=foreign)
    told = await dev.streamed(foreign, input=None, command=APPROVE)
    assert "no checkpoints of the thread" in error_of(told)
    assert (await dev.service.mission(foreign))["status"] == "awaiting_approval"


def error_of(parts: list[Part]) -> str:
    assert parts[-1][0] == "error", parts
    return str(parts[-1][1]["message"])


async def test_langgraph_dev_says_why_it_does_not_start(tmp_path: Path) -> None:
    process, log = begin(tmp_path, free_port(), COLONY_DEPLOYMENT_MODE="production", COLONY_HOME=str(tmp_path))

    async def over() -> bool:
        return process.poll() is not None

    try:
        await until(over, "langgraph dev to end")
    finally:
        process.kill()
    assert process.returncode != 0
    assert "COLONY_DEPLOYMENT_MODE=production: langgraph dev asks nobody who they are" in log.read_text()
