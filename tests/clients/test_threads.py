"""Threads and assistants, as the SDK's Python client sees them."""

from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import ConflictError, NotFoundError, UnprocessableEntityError

from contracts.classes import CLASSES
from server.sdk import threads
from tests.clients.conftest import APPROVE, CRM, INPUT
from tests.support import Service


async def test_assistants_are_the_mission_classes(client: LangGraphClient) -> None:
    found = await client.assistants.search()
    assert {one["name"] for one in found} == {kind.value for kind in CLASSES}
    assert {one["graph_id"] for one in found} == {"colony"}

    crm = next(one for one in found if one["name"] == CRM)
    assert await client.assistants.get(crm["assistant_id"]) == await client.assistants.get(CRM) == crm
    drawn = await client.assistants.get_graph(CRM)
    assert "release_gate" in {node["id"] for node in drawn["nodes"]}
    schemas = await client.assistants.get_schemas(crm["assistant_id"])
    assert "lead_id" in schemas["input_schema"]["properties"]["inputs"]["properties"]
    with pytest.raises(NotFoundError):
        await client.assistants.get("nobody")


async def test_a_thread_without_a_run_is_kept_found_changed_and_forgotten(client: LangGraphClient) -> None:
    made = await client.threads.create(metadata={"team": "north"})
    assert (made["status"], made["values"], made["interrupts"]) == ("idle", None, {})

    with pytest.raises(ConflictError):
        await client.threads.create(thread_id=made["thread_id"])
    again = await client.threads.create(thread_id=made["thread_id"], if_exists="do_nothing")
    assert again["thread_id"] == made["thread_id"]

    changed = await client.threads.update(made["thread_id"], metadata={"desk": 7})
    assert changed["metadata"] == {"team": "north", "desk": 7}
    assert [one["thread_id"] for one in await client.threads.search(metadata={"desk": 7})] == [made["thread_id"]]
    assert await client.threads.count(metadata={"team": "north"}) == 1
    assert (await client.threads.get_state(made["thread_id"]))["values"] == {}
    copied = await client.threads.copy(made["thread_id"])
    assert copied["metadata"] == changed["metadata"]
    assert copied["thread_id"] != made["thread_id"]

    await client.threads.delete(made["thread_id"])
    with pytest.raises(NotFoundError):
        await client.threads.get(made["thread_id"])


async def test_threads_are_found_by_what_their_states_hold(
    service: Service, client: LangGraphClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await client.threads.create(metadata={"desk": 7})
    first, second = await service.submit(), await service.submit()
    for mission_id in (first, second):
        await service.settled(mission_id)
    plan = (await client.threads.get(first))["values"]["plan"]

    async def found(values: dict[str, Any], **more: Any) -> list[str]:
        page = await client.threads.search(values=values, **more)
        count = await client.threads.count(values=values, **{k: v for k, v in more.items() if k == "metadata"})
        assert len(page) == count or "limit" in more
        return [one["thread_id"] for one in page]

    assert await found({"verdict": "release"}) == [second, first]
    assert await found({"verdict": "release"}, sort_order="asc", limit=1, offset=1) == [second]
    assert await found({"plan": {"sha256": plan["sha256"]}, "mission_id": first}) == [first]
    assert await found({"plan": {"sha256": "0"}}) == []
    assert await found({"mission_id": [first]}) == []
    assert await found({"verdict": "release"}, metadata={"desk": 7}) == []
    assert len(await found({}, limit=10)) == 3
    answer = await service.client.post("/threads/search", json={"values": {"verdict": "release"}, "limit": 1})
    assert (len(answer.json()), answer.headers["x-pagination-total"]) == (1, "2")
    assert answer.headers["x-pagination-next"] == "1"

    monkeypatch.setattr(threads, "_LOOKED_INTO", 2)
    for asked in (client.threads.search, client.threads.count):
        with pytest.raises(UnprocessableEntityError, match="of 2 threads at most, and 3 are meant"):
            await asked(values={"verdict": "release"})
    assert await found({"verdict": "release"}, metadata={"desk": 7}) == [], "these are few enough"


@pytest.mark.parametrize(
    ("state", "sought", "held"),
    [
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, True),
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": None}}, False),
        ({"a": [1, {"b": 2, "c": 3}]}, {"a": [1, {"b": 2}]}, True),
        ({"a": [1, 2]}, {"a": [1]}, False),
        ({"a": 1}, {"a": True}, False),
        ({"a": 1.0}, {"a": 1}, True),
        ({"a": None}, {"a": None}, True),
        ({}, {"a": None}, False),
        (None, {"a": 1}, False),
        ({"a": "1"}, {"a": 1}, False),
    ],
)
def test_a_state_holds_what_is_in_it(state: Any, sought: Any, held: bool) -> None:
    assert threads.holds(state, sought) is held


async def test_a_mission_over_rest_is_a_thread_and_a_thread_with_a_run_is_a_mission(
    service: Service, client: LangGraphClient
) -> None:
    over_rest = await service.submit()
    blank = str(uuid4())
    run = await client.runs.create(blank, CRM, input=INPUT, if_not_exists="create", metadata={"why": "test"})
    assert run["thread_id"] == blank
    await service.settled(over_rest)
    assert (await service.settled(blank))["mission_id"] == blank

    found = await client.threads.search(status="interrupted", sort_by="created_at", sort_order="asc")
    assert [one["thread_id"] for one in found] == [over_rest, blank]
    answer = await service.client.post("/threads/search", json={"limit": 1})
    assert (len(answer.json()), answer.headers["x-pagination-total"]) == (1, "2")
    for thread in found:
        ((asked,),) = thread["interrupts"].values()
        shown = (await service.mission(thread["thread_id"]))["pending_approval"]
        assert asked["id"] == asked["value"]["interrupt_id"] == shown["interrupt_id"]
        assert asked["value"]["proposals"] == shown["proposals"]
        assert thread["values"]["result"]["facts"] == (await service.mission(thread["thread_id"]))["packet"]["facts"]

    with pytest.raises(ConflictError):
        await client.threads.delete(blank)
    with pytest.raises(ConflictError):
        await client.threads.copy(over_rest)


async def test_state_and_history_are_the_missions_checkpoints(service: Service, client: LangGraphClient) -> None:
    thread = await client.threads.create()
    tid = thread["thread_id"]
    await client.runs.wait(tid, CRM, input=INPUT)
    state = await client.threads.get_state(tid)
    assert state["next"] == ["release_gate"]
    assert state["tasks"][0]["interrupts"] == state["interrupts"]

    await client.runs.wait(tid, CRM, command=APPROVE)
    history = await client.threads.get_history(tid, limit=100)
    assert history[0]["next"] == []
    assert [one["metadata"]["step"] for one in history] == list(range(len(history) - 2, -2, -1))
    for one, before in pairwise(history):
        assert one["parent_checkpoint"] == before["checkpoint"]
    past = next(one for one in history if one["next"] == ["reviewer"])
    assert await client.threads.get_state(tid, checkpoint_id=past["checkpoint"]["checkpoint_id"]) == past
    page = await client.threads.get_history(tid, limit=2, before=past["checkpoint"])
    assert page == history[history.index(past) + 1 :][:2]
    with pytest.raises(NotFoundError):
        await client.threads.get_state(tid, checkpoint_id=str(uuid4()))
    assert await client.threads.get_state(tid, checkpoint=past["checkpoint"]) == past
    with pytest.raises(ConflictError, match="no such checkpoint"):
        await client.threads.get_state(tid, checkpoint={**past["checkpoint"], "checkpoint_id": str(uuid4())})


@pytest.mark.parametrize(
    ("command", "code"),
    [
        pytest.param({"update": {"verdict": "release"}}, "command_refused", id="update"),
        pytest.param({"goto": "writeback"}, "command_refused", id="goto"),
        pytest.param({"resume": {"decision": "approve"}, "goto": "writeback"}, "command_refused", id="goto-and-resume"),
        pytest.param({"resume": True}, "resume_invalid", id="a-bare-yes"),
        pytest.param(
            {
                "resume": {
                    "decision": "reject",
                    "decisions": [{"proposal_id": "x", "payload_sha256": "x", "verdict": "approve"}],
                }
            },
            "resume_invalid",
            id="a-no-that-means-yes",
        ),
        pytest.param({"resume": {"decision": "perhaps"}}, "invalid_input", id="no-decision"),
    ],
)
async def test_what_would_pass_the_gate_by_is_refused(
    service: Service, client: LangGraphClient, command: dict, code: str
) -> None:
    tid = await service.submit()
    await service.settled(tid)
    with pytest.raises(UnprocessableEntityError) as refused:
        await client.runs.create(tid, CRM, command=command)
    assert refused.value.response.json()["code"] == code

    for body in ({"values": {"verdict": "release"}}, {"values": None, "as_node": "release_gate"}):
        answer = await service.client.post(f"/threads/{tid}/state", json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "state_update_refused")
    answer = await service.client.post(f"/threads/{tid}/runs", json={"assistant_id": CRM, "input": INPUT})
    assert (answer.status_code, answer.json()["code"]) == (409, "awaiting_approval")
    assert (await service.mission(tid))["status"] == "awaiting_approval"
    assert (await service.writes())["version"] == 1


async def test_the_store_keeps_items(client: LangGraphClient) -> None:
    await client.store.put_item(["notes", "ada"], key="a", value={"kind": "alpha"})
    await client.store.put_item(["notes", "bob"], key="b", value={"kind": "beta"})
    await client.store.put_item(["notes", "ada"], key="a", value={"kind": "gamma"})
    item = await client.store.get_item(["notes", "ada"], key="a")
    assert item["value"] == {"kind": "gamma"}
    assert [one["key"] for one in (await client.store.search_items(["notes"]))["items"]] == ["a", "b"]
    found = await client.store.search_items(["notes"], filter={"kind": "beta"})
    assert [one["key"] for one in found["items"]] == ["b"]
    names = await client.store.list_namespaces(prefix=["notes"])
    assert names["namespaces"] == [["notes", "ada"], ["notes", "bob"]]
    assert (await client.store.list_namespaces(suffix=["bob"]))["namespaces"] == [["notes", "bob"]]
    await client.store.delete_item(["notes", "ada"], key="a")
    assert await client.store.get_item(["notes", "ada"], key="a") is None
