"""The typed Python client against a real service: a whole mission, its types, a stream that is cut again and again."""

import asyncio
import inspect
from collections.abc import AsyncIterator
from typing import Any

import generate
import httpx
import pytest
from colony_client import AsyncColonyClient, ColonyClient, ColonyError, NotReachable

from tests.support import GOAL, Service

LEAD = {"lead_id": "L-1"}


class Cut(httpx.AsyncHTTPTransport):
    """A network that breaks the first event streams off after some bytes."""

    def __init__(self, after_bytes: int, times: int) -> None:
        super().__init__()
        self.after_bytes, self.left = after_bytes, times

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        if "text/event-stream" in response.headers.get("content-type", "") and self.left:
            self.left -= 1
            response.stream = Broken(response.stream, self.after_bytes)
        return response


class Broken(httpx.AsyncByteStream):
    def __init__(self, whole: Any, after_bytes: int) -> None:
        self.whole, self.rest = whole, after_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self.whole:
            yield chunk[: self.rest]
            self.rest -= len(chunk)
            if self.rest <= 0:
                raise httpx.ReadError("the network broke")

    async def aclose(self) -> None:
        await self.whole.aclose()


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
        again = [colony.replay(made["mission_id"], idempotency_key="r-1")["mission_id"] for _ in range(2)]
        assert again[0] == again[1]
        begun = colony.checkpoints(made["mission_id"])["items"][-1]["checkpoint_id"]
        forks = [
            colony.fork(made["mission_id"], begun, "to see", idempotency_key="f-1")["mission_id"] for _ in range(2)
        ]
        assert forks[0] == forks[1]


async def test_a_script_runs_a_mission_from_question_to_bundle(service: Service) -> None:
    await service.seed_lead()
    await asyncio.to_thread(script, str(service.client.base_url))


async def test_a_stream_that_is_cut_misses_nothing_and_repeats_nothing(service: Service) -> None:
    await service.seed_lead()
    network = Cut(4_000, 5)
    async with AsyncColonyClient(str(service.client.base_url), transport=network) as colony:
        mission_id = await service.submit()
        seen: list[dict[str, Any]] = []
        async for event in colony.stream(mission_id):
            seen.append(dict(event))
            if event["event_type"] == "approval.requested":
                await service.post(mission_id, "approve")
    assert network.left == 0
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
