"""The protocol's third version over missions, and who may use any of the SDK's routes."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.clients.conftest import CRM, INPUT
from tests.server.tokens import Issuer
from tests.support import Service

CHANNELS = ["values", "updates", "messages", "lifecycle", "input", "checkpoints", "tasks", "custom"]


async def test_a_mission_is_begun_answered_and_ended_over_the_third_protocol(
    service: Service, client: LangGraphClient
) -> None:
    async with client.threads.stream(assistant_id=CRM) as thread:
        await thread.run.start(input=INPUT)
        assert [snapshot async for snapshot in thread.values]
        assert thread.interrupted
        (asked,) = thread.interrupts
        pending = (await service.mission(thread.thread_id))["pending_approval"]
        assert asked["interrupt_id"] == pending["interrupt_id"]
        assert asked["value"]["proposals"] == pending["proposals"]
        await thread.run.respond({"decision": "approve"})
        final = await asyncio.wait_for(thread.output, 30)
        assert final["result"]["facts"]
        assert (await service.mission(thread.thread_id))["status"] == "completed"
        tid = thread.thread_id

    first, again = await events(service, tid), await events(service, tid)
    assert first == again
    assert len({event["event_id"] for event in first}) == len(first)
    assert [event["seq"] for event in first] == sorted(event["seq"] for event in first)
    half = first[len(first) // 2]["seq"]
    assert await events(service, tid, since=half) == [event for event in first if event["seq"] > half]
    had = {"last-event-id": next(event["event_id"] for event in first if event["seq"] == half)}
    for since in (0, half // 2):
        assert await events(service, tid, had, since=since) == [event for event in first if event["seq"] > half]
    told = [event["params"]["data"]["event"] for event in first if event["method"] == "lifecycle"]
    assert told == ["started", "interrupted", "started", "completed"]

    for response, kind in (({"decision": "approve"}, "no_such_interrupt"), (True, "invalid_argument")):
        params = {"interrupt_id": asked["interrupt_id"], "namespace": [], "response": response}
        command = {"id": 1, "method": "input.respond", "params": params}
        answer = (await service.client.post(f"/threads/{tid}/commands", json=command)).json()
        assert (answer["type"], answer["error"]) == ("error", kind)
    command = {"id": 2, "method": "input.respond", "params": {"response": True, "goto": "writeback"}}
    answer = (await service.client.post(f"/threads/{tid}/commands", json=command)).json()
    assert answer["code"] == "command_refused"


async def test_racing_answers_over_rest_and_the_third_protocol_one_wins_and_writes_once(service: Service) -> None:
    await service.seed_lead()
    tid = await service.submit()
    pending = (await service.settled(tid))["pending_approval"]
    params = {"interrupt_id": pending["interrupt_id"], "namespace": [], "response": {"decision": "approve"}}
    command = {"id": 1, "method": "input.respond", "params": params}

    async def over_events() -> tuple[bool, str]:
        answer = (await service.client.post(f"/threads/{tid}/commands", json=command)).json()
        return answer["type"] == "success", answer.get("code", "")

    async def over_rest() -> tuple[bool, str]:
        answer = await service.post(tid, "approve", interrupt_id=pending["interrupt_id"])
        return answer.status_code == 202, answer.json().get("code", "")

    answers = await asyncio.gather(*(one() for _ in range(3) for one in (over_events, over_rest)))
    assert [won for won, _ in answers].count(True) == 1
    assert {code for won, code in answers if not won} <= {"already_decided", "not_pending"}
    assert (await service.settled(tid))["status"] == "completed"
    kinds = [event["event_type"] for event in await service.events(tid)]
    assert kinds.count("approval.decided") == 1
    writes = await service.writes()
    assert sum(writes.values()) - 1 == kinds.count("writeback.applied") > 0


async def events(
    service: Service, tid: str, headers: dict[str, str] | None = None, **more: Any
) -> list[dict[str, Any]]:
    """Return what the stream of an ended mission gives, up to its end."""
    asked = {"channels": CHANNELS, **more}
    answer = await service.client.post(f"/threads/{tid}/stream/events", json=asked, headers=headers)
    assert answer.status_code == 200
    return [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]


async def test_another_tenant_finds_nothing_and_a_reader_changes_nothing(serve, tmp_path: Path) -> None:
    issuer = Issuer()
    service = await serve(**issuer.settings(tmp_path))
    key = issuer.token(tenant="north")
    own = {"x-api-key": key}
    reader = {"x-api-key": issuer.token(tenant="north", capabilities=["mission:read"])}
    other = {"authorization": f"Bearer {issuer.token(tenant='south')}"}
    base = str(service.client.base_url)
    async with get_client(url=base, api_key=key) as client:
        tid = (await client.threads.create(metadata={"a": 1}))["thread_id"]
        await client.store.put_item(["n"], key="k", value={"v": 1})
        run = await client.runs.create(tid, CRM, input=INPUT)
    rid = run["run_id"]
    reads = ["", "/state", "/runs", f"/runs/{rid}", f"/runs/{rid}/join", f"/runs/{rid}/stream", "/stream", "/history"]
    body = {"assistant_id": CRM, "command": {"resume": {"decision": "approve"}}}
    async with httpx.AsyncClient(base_url=base, timeout=30) as raw:
        for path in reads:
            assert (await raw.get(f"/threads/{tid}{path}", headers=other)).status_code == 404, path
            assert (await raw.get(f"/threads/{tid}{path}")).status_code == 401, path
        for path in ("/runs", "/runs/stream", "/runs/wait", f"/runs/{rid}/cancel", "/copy"):
            assert (await raw.post(f"/threads/{tid}{path}", json=body, headers=other)).status_code == 404, path
        socket = f"{base.rstrip('/').replace('http', 'ws')}/threads/{tid}/stream/events"
        for headers in (other, {}):
            with pytest.raises(InvalidStatus):
                await connect(socket, additional_headers=headers)
        asked = {"channels": ["values"]}
        assert (await raw.post(f"/threads/{tid}/stream/events", json=asked, headers=other)).status_code == 404
        assert (await raw.delete(f"/threads/{tid}", headers=other)).status_code == 404
        taken = await raw.post("/threads", json={"thread_id": tid, "if_exists": "do_nothing"}, headers=other)
        assert taken.status_code == 409
        assert (await raw.post("/threads/search", json={}, headers=other)).json() == []
        assert (await raw.get("/store/items", params={"namespace": "n", "key": "k"}, headers=other)).json() is None

        refused = [
            await raw.post("/threads", json={}, headers=reader),
            await raw.post("/runs", json={"assistant_id": CRM, "input": INPUT}, headers=reader),
            await raw.post(f"/threads/{tid}/runs", json=body, headers=reader),
            await raw.post(f"/threads/{tid}/runs/{rid}/cancel", headers=reader),
            await raw.post(f"/threads/{tid}/state", json={"values": {}}, headers=reader),
            await raw.put("/store/items", json={"namespace": ["n"], "key": "k", "value": {}}, headers=reader),
        ]
        assert [answer.status_code for answer in refused] == [403] * len(refused)
        both = {**own, **other}
        assert (await raw.get(f"/threads/{tid}", headers=both)).status_code == 401
        assert (await raw.get(f"/threads/{tid}", headers=reader)).status_code == 200


async def test_the_same_goes_over_a_websocket(service: Service, client: LangGraphClient) -> None:
    async with client.threads.stream(assistant_id=CRM, transport="websocket") as thread:
        await thread.run.start(input=INPUT)
        assert [snapshot async for snapshot in thread.values]
        assert thread.interrupted
        await thread.run.respond({"decision": "reject", "reason": "not now"})
        final = await asyncio.wait_for(thread.output, 30)
        assert final["release"]["verdict"] == "rejected"
