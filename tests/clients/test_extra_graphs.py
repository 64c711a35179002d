"""A developer's own graphs behind the SDK's routes, over both of its protocols."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import ConflictError

from contracts.errors import SettingInvalid
from tests.support import Service, until

pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning")
GRAPHS = Path(__file__).parent / "graphs" / "langgraph.json"
FRESH: dict[str, Any] = {"messages": [], "items": [], "value": "init"}
WHOLE = ["spoke", "asked yes", "left", "right"]


@pytest_asyncio.fixture
async def extra(serve) -> Service:
    return await serve(COLONY_EXTRA_GRAPHS=str(GRAPHS))


@pytest_asyncio.fixture
async def client(extra: Service) -> AsyncIterator[LangGraphClient]:
    async with get_client(url=str(extra.client.base_url)) as made:
        yield made


async def test_the_first_protocol_streams_interrupts_resumes_and_replays(client: LangGraphClient) -> None:
    found = await client.assistants.search(graph_id="talker")
    assert found[0]["metadata"]["governed"] is False
    drawn = await client.assistants.get_graph(found[0]["assistant_id"])
    assert {"speak", "ask"} <= {node["id"] for node in drawn["nodes"]}
    assert (await client.assistants.get_schemas("talker"))["state_schema"]

    tid = (await client.threads.create(metadata={"who": "me"}))["thread_id"]
    modes = ["values", "updates", "messages", "messages-tuple", "custom", "tasks", "checkpoints", "debug"]
    parts = [p async for p in client.runs.stream(tid, "talker", input=FRESH, stream_mode=modes)]
    names = [p.event for p in parts]
    assert (names[0], names[-1]) == ("metadata", "end")
    assert {"values", "updates", "messages", "custom", "tasks", "checkpoints", "debug"} <= set(names)
    assert parts[-1].data is None
    assert [p for p in parts if p.event == "messages" and p.data[1]["langgraph_node"] == "speak"]
    last = next(p.data for p in reversed(parts) if p.event == "values")
    assert last["__interrupt__"][0]["value"] == "Are we good?"

    thread = await client.threads.get(tid)
    assert thread["status"] == "interrupted"
    assert [one["value"] for asked in thread["interrupts"].values() for one in asked] == ["Are we good?"]
    rid = (await client.runs.list(tid))[0]["run_id"]
    joined = [p async for p in client.runs.join_stream(tid, rid, stream_mode=modes, last_event_id="-1")]
    assert [(p.id, p.event) for p in joined] == [(p.id, p.event) for p in parts]
    tail = [p async for p in client.runs.join_stream(tid, rid, stream_mode=modes, last_event_id=parts[3].id)]
    assert [p.id for p in tail] == [p.id for p in parts[4:]]

    values = await client.runs.wait(tid, "talker", command={"resume": "yes"})
    assert values["items"] == WHOLE
    assert (await client.threads.get(tid))["status"] == "idle"
    history = await client.threads.get_history(tid, limit=20)
    assert history[0]["values"]["items"] == WHOLE
    assert [one["thread_id"] for one in await client.threads.search(values={"items": WHOLE})] == [tid]
    assert await client.threads.search(values={"items": WHOLE[:1]}) == []
    past = next(one for one in history if one["next"] == ["ask"])
    assert (await client.threads.get_state(tid, checkpoint=past["checkpoint"]))["next"] == ["ask"]
    copied = await client.threads.copy(tid)
    assert copied["values"]["items"] == WHOLE
    await client.threads.delete(copied["thread_id"])
    await client.threads.delete(tid)


async def test_runs_wait_for_each_other_stop_where_asked_fail_and_are_cancelled(client: LangGraphClient) -> None:
    tid = (await client.threads.create())["thread_id"]
    values = await client.runs.wait(tid, "talker", input=FRESH, interrupt_before=["ask"])
    assert values["items"] == ["spoke"]
    await client.threads.update_state(tid, {"value": "patched"})
    assert (await client.threads.get_state(tid))["values"]["value"] == "patched"

    first = await client.runs.create(tid, "talker", input={**FRESH, "wait": True})
    second = await client.runs.create(tid, "talker", input={**FRESH, "wait": False})
    with pytest.raises(ConflictError):
        await client.runs.create(tid, "talker", input=FRESH, multitask_strategy="reject")
    await until(lambda: _status(client, tid, first["run_id"], "running"), "the first to run")
    assert (await client.runs.get(tid, second["run_id"]))["status"] == "pending"
    assert (await client.threads.get(tid))["status"] == "busy"
    with pytest.raises(ConflictError):
        await client.threads.update_state(tid, {"value": "x"})
    await client.runs.cancel(tid, first["run_id"], wait=True)
    await client.runs.join(tid, first["run_id"])
    assert (await client.runs.get(tid, first["run_id"]))["status"] == "interrupted"
    await client.runs.join(tid, second["run_id"])
    assert (await client.runs.get(tid, second["run_id"]))["status"] == "interrupted"
    await client.threads.update_state(tid, {"value": "break"})
    told = await client.runs.wait(tid, "talker", command={"resume": "yes"}, raise_error=False)
    assert told["__error__"] == {"error": "ValueError", "message": "it broke"}
    assert (await client.threads.get(tid))["status"] == "error"


async def _status(client: LangGraphClient, tid: str, rid: str, wanted: str) -> bool:
    return (await client.runs.get(tid, rid))["status"] == wanted


async def test_a_factory_is_given_its_runtime_and_the_store(client: LangGraphClient) -> None:
    values = await client.runs.wait(None, "factory", input={"value": "hi"})
    assert values["value"] == "hi in threads.create_run"
    assert (await client.store.get_item(["seen"], key="last"))["value"] == {"access": "threads.create_run"}
    made = await client.assistants.create("factory", name="mine", metadata={"label": "a"})
    assert (await client.assistants.update(made["assistant_id"], metadata={"label": "b"}))["version"] == 2
    assert (await client.assistants.search(metadata={"label": "b"}))[0]["assistant_id"] == made["assistant_id"]
    assert (await client.runs.wait(None, made["assistant_id"], input={"value": "hi"}))["value"].startswith("hi in")
    await client.assistants.delete(made["assistant_id"])


async def test_the_third_protocol_speaks_asks_and_goes_on(client: LangGraphClient) -> None:
    async with client.threads.stream(assistant_id="talker") as thread:
        await thread.run.start(input=FRESH)
        seen = [snapshot async for snapshot in thread.values]
        assert seen
        assert thread.interrupted
        assert thread.interrupts[0]["value"] == "Are we good?"
        await thread.run.respond("yes")
        final = await asyncio.wait_for(thread.output, 20)
        assert final["items"] == WHOLE
    async with client.threads.stream(assistant_id="talker") as thread:
        await thread.run.start(input=FRESH)
        streams = [s async for s in thread.messages]
        assert ["".join([t async for t in s.text]) for s in streams] == ["Hello, world!"]
    async with client.threads.stream(assistant_id="talker") as thread:
        await thread.run.start(input=FRESH)
        assert [event["step"] async for event in thread.extensions["progress"]] == ["speak"]
    async with client.threads.stream(assistant_id="nested") as thread:
        await thread.run.start(input=FRESH)
        assert [handle.graph_name async for handle in thread.subgraphs] == ["outer"]


async def test_the_third_protocol_cancels(client: LangGraphClient) -> None:
    async with client.threads.stream(assistant_id="talker") as thread:
        run = await thread.run.start(input={**FRESH, "wait": True})
        await until(lambda: _status(client, thread.thread_id, run["run_id"], "running"), "the run")
        reading = asyncio.create_task(_all(thread.values))
        await client.runs.cancel(thread.thread_id, run["run_id"])
        await asyncio.wait_for(reading, 20)
        assert (await client.threads.get(thread.thread_id))["status"] != "success"


async def _all(source: Any) -> list[Any]:
    return [one async for one in source]


async def test_a_halt_stops_a_developers_graph_too(extra: Service, client: LangGraphClient) -> None:
    tid = (await client.threads.create())["thread_id"]
    run = await client.runs.create(tid, "talker", input={**FRESH, "wait": True})
    assert extra.colony is not None
    worker = extra.colony.sdk.worker
    assert worker is not None

    async def at_work() -> bool:
        return worker.busy

    async def at_rest() -> bool:
        return not worker.busy

    await until(at_work, "the run to begin")
    assert (await extra.client.post("/api/colony/halt", json={"reason": "odd"})).status_code == 201
    await until(at_rest, "the run to be stopped", 10)
    with pytest.raises(ConflictError) as refused:
        await client.runs.create((await client.threads.create())["thread_id"], "talker", input=FRESH)
    assert refused.value.response.json()["code"] == "halted"
    assert (await client.runs.get(tid, run["run_id"]))["status"] == "running"
    assert not worker.busy
    assert (await extra.client.delete("/api/colony/halt")).status_code == 200
    await until(at_work, "the run to go on")
    await client.runs.cancel(tid, run["run_id"])


async def test_production_serves_nothing_ungoverned(serve) -> None:
    with pytest.raises(SettingInvalid, match="COLONY_EXTRA_GRAPHS"):
        await serve(COLONY_EXTRA_GRAPHS=str(GRAPHS), COLONY_DEPLOYMENT_MODE="production")
