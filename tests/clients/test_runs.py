"""Runs, as the SDK's Python client sees them: streamed, interrupted, answered, joined after a disconnect, cancelled."""

import asyncio
from typing import Any

import httpx
import pytest
from httpx_sse import aconnect_sse
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import ConflictError, NotFoundError, UnprocessableEntityError

from server.sdk import frames
from server.sdk.frames import MODES
from tests.clients.conftest import APPROVE, CRM, INPUT
from tests.server.frames import Parser
from tests.support import Service, until

Part = tuple[str | None, str, Any]
STORED = {"values", "updates", "messages", "messages/metadata", "messages/complete", "custom", "tasks", "checkpoints"}


async def streamed(client: LangGraphClient, thread_id: str | None, **asked: Any) -> list[Part]:
    asked = {"input": INPUT, "stream_mode": list(MODES), **asked}
    return [(p.id, p.event, p.data) async for p in client.runs.stream(thread_id, CRM, **asked)]


def kept(parts: list[Part]) -> list[Part]:
    """Leave out what models said while they said it, which is best effort."""
    return [part for part in parts if "." not in (part[0] or "")]


async def test_a_run_streams_every_mode_up_to_its_interrupt_and_a_resume_goes_on(
    service: Service, client: LangGraphClient
) -> None:
    tid = (await client.threads.create())["thread_id"]
    first = await streamed(client, tid)
    names = [event for _, event, _ in first]
    assert (names[0], names[-1]) == ("metadata", "end")
    assert STORED | {"debug", "events", "metadata", "end"} <= set(names)
    assert len({name for name, _, _ in first}) == len(first)

    nodes = [next(iter(data)) for _, event, data in first if event == "updates"]
    assert nodes == ["admission", "planner", "prompt_master", "librarian", "researcher", "workers", "aggregator",
                     "reviewer", "__interrupt__"]  # fmt: skip
    last = next(data for _, event, data in reversed(first) if event == "values")
    (asked,) = last["__interrupt__"]
    assert asked["id"] == (await service.mission(tid))["pending_approval"]["interrupt_id"]

    second = await streamed(client, tid, input=None, command=APPROVE)
    assert [next(iter(d)) for _, event, d in second if event == "updates"] == ["release_gate", "writeback", "finalize"]
    assert second[-1][1] == "end"
    assert (await service.mission(tid))["status"] == "completed"
    events = [data for _, event, data in kept([*first, *second]) if event == "custom"]
    assert events == await service.events(tid)

    runs = await client.runs.list(tid)
    assert [run["status"] for run in runs] == ["success", "interrupted"]
    assert [run["run_id"] for run in runs] == [second[0][2]["run_id"], first[0][2]["run_id"]]


async def test_a_join_after_a_disconnect_has_no_gap_and_no_repeat(service: Service, client: LangGraphClient) -> None:
    tid = (await client.threads.create())["thread_id"]
    run = await client.runs.create(tid, CRM, input=INPUT)
    rid = run["run_id"]
    live: list[Part] = []
    cursor = "-1"
    for _ in range(100):
        got = 0
        async for part in client.runs.join_stream(tid, rid, stream_mode=list(MODES), last_event_id=cursor):
            live.append((part.id, part.event, part.data))
            cursor, got = str(part.id), got + 1
            if got == 17 and part.event != "end":
                break
        if live[-1][1] == "end":
            break
    whole = [
        (p.id, p.event, p.data)
        async for p in client.runs.join_stream(tid, rid, stream_mode=list(MODES), last_event_id="-1")
    ]
    assert kept(live) == whole
    for place in range(0, len(whole), 13):
        tail = client.runs.join_stream(tid, rid, stream_mode=list(MODES), last_event_id=whole[place][0])
        assert [(p.id, p.event, p.data) async for p in tail] == whole[place + 1 :]
    assert (await client.runs.get(tid, rid))["status"] == "interrupted"
    assert (await client.runs.join(tid, rid)) == [data for _, event, data in whole if event == "values"][-1]


async def test_two_parsers_agree_on_the_stream_however_it_is_cut(service: Service, client: LangGraphClient) -> None:
    tid = (await client.threads.create())["thread_id"]
    run = await client.runs.create(tid, CRM, input=INPUT)
    await client.runs.join(tid, run["run_id"])
    query = "stream_mode=updates&stream_mode=messages"
    path = f"/threads/{tid}/runs/{run['run_id']}/stream?{query}"
    raw = (await service.client.get(path)).content
    async with aconnect_sse(service.client, "GET", path) as source:
        theirs = [(event.event, event.data, event.id) async for event in source.aiter_sse()]
        headers = source.response.headers
    as_javascript_says_it = {"stream_mode": '["updates","messages"]'}
    path_only = path.partition("?")[0]
    assert (await service.client.get(path_only, params=as_javascript_says_it)).content == raw
    assert headers["cache-control"] == "no-store"
    assert headers["location"] == path  # where a client whose stream breaks goes on, with nothing else to say
    assert headers["content-location"] == f"/threads/{tid}/runs/{run['run_id']}"
    for size in (1, 7, len(raw)):
        parser = Parser()
        ours = [frame for at in range(0, len(raw), size) for frame in parser.feed(raw[at : at + size])]
        assert [(frame.event, frame.data, frame.id) for frame in ours] == theirs


async def test_a_streams_location_is_the_same_stream_again(service: Service, client: LangGraphClient) -> None:
    tid = (await client.threads.create())["thread_id"]
    body = {"assistant_id": CRM, "input": INPUT, "stream_mode": ["updates", "checkpoints"]}
    first = await service.client.post(f"/threads/{tid}/runs/stream", json=body)
    again = await service.client.get(first.headers["location"])
    assert again.content == first.content
    assert again.headers["location"] == first.headers["location"]


async def test_racing_answers_over_two_surfaces_one_wins_and_writes_once(
    service: Service, client: LangGraphClient
) -> None:
    tid = await service.submit()
    await service.settled(tid)

    async def over_sdk() -> int:
        answer = await service.client.post(f"/threads/{tid}/runs", json={"assistant_id": CRM, "command": APPROVE})
        return answer.status_code

    async def over_rest() -> int:
        return (await service.post(tid, "approve")).status_code

    codes = await asyncio.gather(*(one() for _ in range(3) for one in (over_sdk, over_rest)))
    assert sorted(code for code in codes if code != 409) in ([200], [202])
    assert codes.count(409) == 5
    assert (await service.settled(tid))["status"] == "completed"
    decided = [e for e in await service.events(tid) if e["event_type"] == "approval.decided"]
    applied = [e for e in await service.events(tid) if e["event_type"] == "writeback.applied"]
    assert len(decided) == 1
    writes = await service.writes()
    assert sum(writes.values()) - 1 == len(applied) > 0


async def test_a_resume_binds_to_the_question_and_to_the_hashes(service: Service, client: LangGraphClient) -> None:
    tid = await service.submit()
    pending = (await service.settled(tid))["pending_approval"]
    proposal = pending["proposals"][0]
    wrong = [{"proposal_id": proposal["proposal_id"], "payload_sha256": "0" * 64, "verdict": "approve"}]
    with pytest.raises(ConflictError):
        await client.runs.create(tid, CRM, command={"resume": {"decision": "approve", "decisions": wrong}})
    with pytest.raises(ConflictError):
        await client.runs.create(tid, CRM, command={"resume": {"f" * 32: {"decision": "approve"}}})
    with pytest.raises(ConflictError):
        await client.runs.create(tid, CRM, command={"resume": {"f" * 32: {"decision": "reject"}}})
    assert (await service.mission(tid))["status"] == "awaiting_approval"
    turned_down = {pending["interrupt_id"]: {"decision": "reject", "reason": "not now"}}
    values = await client.runs.wait(tid, CRM, command={"resume": turned_down})
    assert values["release"]["verdict"] == "rejected"
    assert (await service.mission(tid))["status"] == "rejected"
    assert (await client.runs.list(tid))[0]["status"] == "success"
    with pytest.raises(ConflictError):
        await client.runs.create(tid, CRM, command={"resume": turned_down})


async def test_a_run_is_cancelled_and_its_stream_ends(service: Service, client: LangGraphClient) -> None:
    tid = (await client.threads.create())["thread_id"]
    run = await client.runs.create(tid, CRM, input=INPUT)
    with pytest.raises(ConflictError):
        await client.runs.create(tid, CRM, input=INPUT)
    reading = asyncio.create_task(client.runs.join(tid, run["run_id"]))
    with pytest.raises(ConflictError):
        await client.runs.cancel(tid, run["run_id"], action="rollback")
    await client.runs.cancel(tid, run["run_id"], wait=True)
    await asyncio.wait_for(reading, 30)
    assert (await client.runs.get(tid, run["run_id"]))["status"] == "interrupted"
    assert (await service.mission(tid))["status"] == "cancelled"
    with pytest.raises(ConflictError):
        await client.runs.cancel(tid, run["run_id"])


async def test_a_failed_run_says_so_and_a_run_without_input_tries_again(
    service: Service, client: LangGraphClient
) -> None:
    gone = {**INPUT, "inputs": {"lead_id": "L-404"}}
    tid = (await client.threads.create())["thread_id"]
    told = await client.runs.wait(tid, CRM, input=gone, raise_error=False)
    mission = await service.mission(tid)
    thread = await client.threads.get(tid)
    if mission["status"] == "failed":
        assert told["__error__"]["error"] == mission["failure"]["code"]
        again = await client.runs.create(tid, CRM)
        assert (await client.runs.list(tid))[0]["run_id"] == again["run_id"]
    assert thread["status"] in {"error", "interrupted", "idle"}


async def test_a_run_without_a_thread_makes_one_and_its_repeat_is_the_same(
    service: Service, client: LangGraphClient
) -> None:
    headers = {"Idempotency-Key": "once"}
    first = await client.runs.create(None, CRM, input=INPUT, headers=headers)
    second = await client.runs.create(None, CRM, input=INPUT, headers=headers)
    assert first["run_id"] == second["run_id"]
    assert (await service.settled(first["thread_id"]))["mission_id"] == first["thread_id"]
    wrong = {"user_goal": "x", "inputs": {}}
    with pytest.raises(UnprocessableEntityError):
        await client.runs.create(None, CRM, input=wrong)
    with pytest.raises(NotFoundError):
        await client.runs.create("no-uuid", CRM, input=INPUT, if_not_exists="create")


async def test_a_stream_beats_while_nothing_happens(
    service: Service, client: LangGraphClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert frames.HEARTBEAT_S == 5
    monkeypatch.setattr(frames, "HEARTBEAT_S", 0.2)
    tid = await service.submit()
    await service.settled(tid)
    beats = 0
    async with service.client.stream("GET", f"/threads/{tid}/stream", timeout=httpx.Timeout(20)) as answer:
        async for line in answer.aiter_lines():
            beats += line.startswith(": heartbeat")
            if beats:
                break
    assert beats

    async def nobody_waits() -> bool:
        return service.colony is not None and service.colony.doorbell.waiting == 0

    await until(nobody_waits, "the stream's end to be noticed")


async def test_a_run_from_a_checkpoint_is_a_fork_in_a_thread_of_its_own(
    service: Service, client: LangGraphClient
) -> None:
    tid = await service.submit()
    await service.settled(tid)
    await client.runs.wait(tid, CRM, command=APPROVE)
    before = await service.events(tid)
    past = next(one for one in await client.threads.get_history(tid, limit=50) if one["next"] == ["aggregator"])
    run = await client.runs.create(tid, CRM, checkpoint_id=past["checkpoint"]["checkpoint_id"])
    fork = run["thread_id"]
    assert fork != tid
    values = await client.runs.join(fork, run["run_id"])
    assert values["__interrupt__"]
    assert (await service.mission(fork))["lineage"]["parent_mission_id"] == tid
    assert (await client.threads.get(fork))["status"] == "interrupted"
    nodes = [
        next(iter(p.data))
        async for p in client.runs.join_stream(fork, run["run_id"], stream_mode="updates", last_event_id="-1")
        if p.event == "updates"
    ]
    assert nodes == ["aggregator", "reviewer", "__interrupt__"]
    assert await service.events(tid) == before
