"""A process dies in the middle of a run of a developer's graph: another goes on, and who listens hears all, once."""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from langgraph_sdk import get_client

from graph.extra_again import Again, Said
from tests.clients.test_extra_graphs import GRAPHS
from tests.conftest import SHORT
from tests.support import Service, serving, until

MODES = ["values", "updates", "custom", "tasks", "checkpoints", "debug"]
Parts = list[tuple[str | None, str, Any]]


@pytest_asyncio.fixture
async def api(database: str, tmp_path: Path) -> AsyncIterator[Service]:
    """A service that runs nothing."""
    named = {"DATABASE_URL": database, "COLONY_HOME": str(tmp_path), "COLONY_EXTRA_GRAPHS": str(GRAPHS)}
    async with serving(named, SHORT, work=False) as service:
        yield service


def doomed(database: str, tmp_path: Path, *without: str) -> subprocess.Popen[bytes]:
    """Start a process that runs graphs until one of them kills it."""
    named = {"DATABASE_URL": database, "COLONY_HOME": str(tmp_path), "COLONY_EXTRA_GRAPHS": str(GRAPHS)}
    root = str(Path(__file__).parents[2])
    return subprocess.Popen(
        [sys.executable, "-m", "tests.clients.doomed", *without],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": root,
            "DOOMED": "yes",
            "LANGGRAPH_STRICT_MSGPACK": "true",
            **named,
        },
        cwd=root,
    )


async def heard(
    api: Service, serve: Any, database: str, tmp_path: Path, dies: str, *without: str
) -> tuple[Parts, Parts]:
    """Kill who runs a graph; return what somebody heard who listened all the while, and who came after."""
    process = doomed(database, tmp_path, *without)
    try:
        async with get_client(url=str(api.client.base_url)) as client:
            tid = (await client.threads.create())["thread_id"]
            asked = {"folder": str(tmp_path), "dies": dies}
            live = asyncio.create_task(_parts(client.runs.stream(tid, "steps", input=asked, stream_mode=MODES)))
            await until(_dead(process), "the process to be killed")
            assert process.returncode == -signal.SIGKILL
            await serve(COLONY_EXTRA_GRAPHS=str(GRAPHS))
            parts = await asyncio.wait_for(live, 60)
            (run,) = await client.runs.list(tid)
            assert run["status"] == "success"
            assert (await client.threads.get(tid))["values"]["items"] == ["one", "two", "three"]
            again = client.runs.join_stream(tid, run["run_id"], stream_mode=MODES, last_event_id="-1")
            return parts, await _parts(again)
    finally:
        process.kill()
        process.wait(10)


def _dead(process: subprocess.Popen[bytes]) -> Any:
    async def dead() -> bool:
        return process.poll() is not None

    return dead


async def _parts(stream: Any) -> Parts:
    return [(part.id, part.event, part.data) async for part in stream]


def told(parts: Parts) -> Counter[str]:
    """Count what was said: nodes' updates, words, states and checkpoints."""
    found: Counter[str] = Counter()
    for _, event, data in parts:
        match event:
            case "updates":
                found.update(list(data))
            case "custom":
                found[data["said"]] += 1
            case "values":
                found[f"items {data.get('items', [])}"] += 1
            case "checkpoints":
                found[f"step {data['metadata']['step']}"] += 1
            case "tasks":
                found[f"{data['name']} {'ended' if 'result' in data else 'began'}"] += 1
            case _:
                found[event] += event != "debug"
    return found


ITEMS = ([], ["one"], ["one", "two"], ["one", "two", "three"])
WHOLE = Counter({
    **dict.fromkeys(["one", "two", "three", "a", "b", "c", "metadata", "end"], 1),
    **{f"{node} {what}": 1 for node in ("one", "two", "three") for what in ("began", "ended")},
    **{f"items {items}": 1 for items in ITEMS},
    **{f"step {step}": 1 for step in range(-1, 4)},
}) + Counter(["one"])  # its word is its name  # fmt: skip


@pytest.mark.parametrize("dies", ["at once", "in between"])
async def test_another_goes_on_and_nothing_is_lost_or_said_twice(
    api: Service, serve, database: str, tmp_path: Path, dies: str
) -> None:
    live, after = await heard(api, serve, database, tmp_path, dies)
    assert live == after
    places = [tuple(map(int, str(name).split("-"))) for name, _, _ in live]
    assert places == sorted(set(places))
    assert told(live) == WHOLE
    assert (tmp_path / "begun").read_text().split() == ["one", "two", "two", "three"]


@pytest.mark.long
async def test_without_the_flush_before_a_checkpoint_something_is_lost(
    api: Service, serve, database: str, tmp_path: Path
) -> None:
    live, _ = await heard(api, serve, database, tmp_path, "at once", "first")
    assert WHOLE - told(live)


@pytest.mark.long
async def test_without_the_memory_of_what_was_said_something_is_said_twice(
    api: Service, serve, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def everything(_: Again, one: Said) -> Iterator[Said]:
        yield one

    monkeypatch.setattr(Again, "new", everything)
    live, _ = await heard(api, serve, database, tmp_path, "in between")
    assert told(live) - WHOLE
