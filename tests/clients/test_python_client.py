"""The typed Python client against a real service: a whole mission, its types, a stream that is cut again and again."""

import asyncio
import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import generate
import pytest
from colony_client import AsyncColonyClient, ColonyClient, ColonyError, NotReachable

from tests.support import GOAL, Service

LEAD = {"lead_id": "L-1"}


@asynccontextmanager
async def cut(service: Service, after_bytes: int, times: int) -> AsyncIterator[tuple[str, list[int]]]:
    """Serve the service through a proxy that breaks its first connections off after some bytes."""
    host, port = str(service.client.base_url.host), service.client.base_url.port
    cuts: list[int] = []

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(host, port)

        async def out() -> None:
            while data := await reader.read(65_536):
                back.write(data)

        sending = asyncio.create_task(out())
        passed = 0
        try:
            while data := await there.read(500):
                passed += len(data)
                writer.write(data)
                await writer.drain()
                if passed > after_bytes and len(cuts) < times:
                    cuts.append(passed)
                    break
        except ConnectionError:
            pass
        finally:
            sending.cancel()
            for end in (back, writer):
                end.close()
                with suppress(ConnectionError):
                    await end.wait_closed()

    handling: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handling.add(asyncio.create_task(forward(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", cuts
    finally:
        server.close()
        for task in handling:
            task.cancel()
        await asyncio.gather(*handling, return_exceptions=True)


def script(url: str) -> None:
    """What somebody would write, without an event loop of theirs."""
    with ColonyClient(url) as colony:
        made = colony.submit("crm_lead_intelligence", GOAL, LEAD, idempotency_key="k-1")
        assert (
            colony.submit("crm_lead_intelligence", GOAL, LEAD, idempotency_key="k-1")["mission_id"]
            == made["mission_id"]
        )
        waiting = colony.settled(made["mission_id"])
        assert waiting["status"] == "awaiting_approval"
        assert [a["mission_id"] for a in colony.approvals()["items"]] == [made["mission_id"]]
        colony.approve(made["mission_id"], reason="looks right")
        done = colony.settled(made["mission_id"])
        assert done["status"] == "completed"
        assert {a["kind"] for a in colony.artifacts(made["mission_id"], "worker_result")["items"]} == {"worker_result"}
        seen = [event["seq"] for event in colony.stream(made["mission_id"])]
        assert seen == [event["seq"] for event in colony.events(made["mission_id"])["items"]]
        assert colony.bundle(made["mission_id"])[:2] == b"PK"
        assert made["mission_id"] in [m["mission_id"] for m in colony.missions(status="completed")["items"]]


async def test_a_script_runs_a_mission_from_question_to_bundle(service: Service) -> None:
    await service.seed_lead()
    await asyncio.to_thread(script, str(service.client.base_url))


async def test_a_stream_that_is_cut_misses_nothing_and_repeats_nothing(service: Service) -> None:
    await service.seed_lead()
    async with cut(service, 4_000, 5) as (url, cuts), AsyncColonyClient(url) as colony:
        mission_id = (
            await AsyncColonyClient(str(service.client.base_url)).submit("crm_lead_intelligence", GOAL, LEAD)
        )["mission_id"]
        seen: list[dict[str, Any]] = []
        async for event in colony.stream(mission_id):
            seen.append(dict(event))
            if event["event_type"] == "approval.requested":
                await service.post(mission_id, "approve")
    assert len(cuts) == 5
    assert [event["hash"] for event in seen] == [event["hash"] for event in await service.events(mission_id)]
    assert seen[-1]["event_type"] == "mission.completed"


async def test_a_problem_is_an_error_with_its_code(service: Service) -> None:
    async with AsyncColonyClient(str(service.client.base_url)) as colony:
        with pytest.raises(ColonyError) as told:
            await colony.mission("msn_none")
        assert (told.value.status, told.value.code) == (404, "mission_not_found")
        with pytest.raises(ColonyError) as told:
            await colony.submit("no_such_class", GOAL, {})
        assert told.value.status == 422
        with pytest.raises(ColonyError) as told:
            [event async for event in colony.stream("msn_none")]
        assert told.value.code == "mission_not_found"


async def test_nothing_there_is_said(unused_tcp_port: int) -> None:
    async with AsyncColonyClient(f"http://127.0.0.1:{unused_tcp_port}", timeout_s=2) as colony:
        with pytest.raises(NotReachable):
            await colony.missions()


async def test_the_types_are_those_of_the_service(service: Service) -> None:
    described = (await service.client.get("/openapi.json")).json()
    written = generate.TYPES.read_text(encoding="utf-8")
    assert written == generate.rendered(described), "python clients/python/generate.py URL"


def test_both_clients_can_the_same() -> None:
    def public(client: type) -> dict[str, inspect.Signature]:
        found = {name: getattr(client, name) for name in dir(client) if not name.startswith("_")}
        return {
            ("close" if n == "aclose" else n): inspect.signature(f).replace(return_annotation="")
            for n, f in found.items()
        }

    assert public(ColonyClient) == public(AsyncColonyClient)
