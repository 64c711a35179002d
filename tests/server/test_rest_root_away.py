"""Missions whose root is away or hangs: they end legibly, keep what is done, and go on when it is back."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import pytest

from adapters.root.client import Patience
from tests.conftest import SHORT
from tests.support import Service, pretty, serving

State = Literal["open", "closed", "hangs"]
QUICK = Patience(total_s=0.5, backoff_s=0.01)


class Gate:
    """A port before the root: it lets bytes through, is closed, or takes them and never answers."""

    def __init__(self, port: int, to: int) -> None:
        self.port = port
        self._to = to
        self._server: asyncio.Server | None = None
        self._state: State = "closed"
        self._tasks: set[asyncio.Task[None]] = set()

    async def turn(self, state: State) -> None:
        self._state = state
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if state != "closed":
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if self._state == "hangs":
                await asyncio.Event().wait()
            there, back = await asyncio.open_connection("127.0.0.1", self._to)
            try:
                await asyncio.gather(_pour(reader, back), _pour(there, writer))
            finally:
                back.close()
        except asyncio.CancelledError:
            pass  # turned
        finally:
            self._tasks.discard(task)
            writer.close()


async def _pour(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while chunk := await source.read(65_536):
            sink.write(chunk)
            await sink.drain()
        sink.close()


@asynccontextmanager
async def split(database: str, home: Path, **environment: Any) -> AsyncIterator[tuple[Service, Service, Gate]]:
    """Give a service that has its root behind a gate, the service that is that root, and the gate."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"DATABASE_URL": database, "COLONY_HOME": str(home)}
    async with serving(shared, SHORT, work=False) as root:
        gate = Gate(port, root.colony.settings.port)
        try:
            outside = {**shared, "ROOT_API_BASE_URL": f"http://127.0.0.1:{port}/root", **environment}
            async with serving(outside, SHORT, patience=QUICK) as service:
                await root.seed_lead()
                yield service, root, gate
        finally:
            await gate.turn("closed")


def count(events: list[dict[str, Any]], kind: str) -> int:
    return sum(event["event_type"] == kind for event in events)


async def made(service: Service, mission_id: str) -> dict[str, list[tuple[str, str, str]]]:
    """Return what was done before the root was needed: ids, hashes and times."""
    return {
        kind: [(a["artifact_id"], a["sha256"], a["created_at"]) for a in await service.artifacts(mission_id, kind)]
        for kind in ("task", "prompt_package", "librarian_pass")
    }


@pytest.mark.parametrize("state", ["closed", pytest.param("hangs", marks=pytest.mark.long)])
async def test_a_mission_without_its_root_fails_and_goes_on_when_it_is_back(
    database: str, tmp_path: Path, state: State
) -> None:
    async with split(database, tmp_path) as (service, root, gate):
        await gate.turn(state)
        mission_id = await service.submit()
        failed = await service.settled(mission_id)

        assert failed["status"] == "failed", pretty(failed)
        assert failed["failure"]["code"] == "root_unavailable"
        assert failed["failure"]["stage"] == "researcher"
        assert "ROOT_API_BASE_URL" in failed["failure"]["hint"]
        assert "retry" in failed["failure"]["hint"]
        kept = await made(service, mission_id)
        assert all(kept.values())

        assert (await service.post(mission_id, "retry")).status_code == 202
        again = await service.settled(mission_id)
        assert (again["status"], again["failure"]["code"]) == ("failed", "root_unavailable"), pretty(again)

        await gate.turn("open")
        assert (await service.post(mission_id, "retry")).status_code == 202
        waits = await service.settled(mission_id)
        assert waits["status"] == "awaiting_approval", pretty(waits)
        assert waits["failure"] is None
        assert (await service.post(mission_id, "approve")).status_code == 202
        assert (await service.settled(mission_id))["status"] == "completed"

        events = await service.events(mission_id)
        for kind, times in {
            "plan.created": 1,
            "mission.retried": 2,
            "mission.failed": 2,
            "mission.completed": 1,
        }.items():
            assert count(events, kind) == times, kind
        assert await made(service, mission_id) == kept
        assert (await root.writes())["notes"] == 1


async def test_a_root_that_goes_before_the_writing_loses_no_approved_write(database: str, tmp_path: Path) -> None:
    async with split(database, tmp_path) as (service, root, gate):
        await gate.turn("open")
        mission_id = await service.submit()
        assert (await service.settled(mission_id))["status"] == "awaiting_approval"
        await gate.turn("closed")
        await service.post(mission_id, "approve")
        failed = await service.settled(mission_id)
        assert failed["status"] == "failed", pretty(failed)
        assert (failed["failure"]["code"], failed["failure"]["stage"]) == ("root_unavailable", "writeback")
        assert (await root.writes())["notes"] == 0

        await gate.turn("open")
        await service.post(mission_id, "retry")
        ended = await service.settled(mission_id)

        assert ended["status"] == "completed", pretty(ended)
        assert {w["status"] for w in ended["packet"]["writebacks"]} == {"applied"}
        assert (await root.writes())["notes"] == 1
        events = await service.events(mission_id)
        assert count(events, "approval.requested") == count(events, "approval.decided") == 1
