"""What else the protocol says of runs: rollback, who comes first, schedules, versions, and who leaves."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
import pytest_asyncio
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import ConflictError, NotFoundError, UnprocessableEntityError

from contracts.errors import BadInput
from server.sdk.crons import Timekeeper, next_time
from tests.clients.conftest import CRM, INPUT
from tests.clients.test_extra_graphs import FRESH, GRAPHS
from tests.support import Service, until

pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning")
WAITS: dict[str, Any] = {**FRESH, "wait": True}


@pytest_asyncio.fixture
async def extra(serve) -> Service:
    return await serve(COLONY_EXTRA_GRAPHS=str(GRAPHS))


@pytest_asyncio.fixture
async def client(extra: Service) -> AsyncIterator[LangGraphClient]:
    async with get_client(url=str(extra.client.base_url)) as made:
        yield made


async def running(client: LangGraphClient, tid: str, rid: str, wanted: str = "running") -> None:
    async def stands() -> bool:
        return (await client.runs.get(tid, rid))["status"] == wanted

    await until(stands, f"the run to be {wanted}")


async def test_several_people_are_asked_at_once_and_a_graph_below_too(client: LangGraphClient) -> None:
    tid = (await client.threads.create())["thread_id"]
    asked = {"people": ["ada", "bob"]}
    await client.runs.wait(tid, "wide", input=asked, context={"name": "eve"}, metadata={"why": "test"})
    state = await client.threads.get_state(tid)
    assert state["values"]["greeted"] == "eve"
    assert (await client.store.get_item(["greeted"], key="last"))["value"] == {"name": "eve"}
    answers = {one["id"]: f"{one['value']}!" for one in state["interrupts"]}
    assert sorted(answers.values()) == ["ada!", "bob!"]
    first, *_ = answers
    await client.runs.wait(tid, "wide", command={"resume": {first: answers[first]}})
    assert len((await client.threads.get_state(tid))["interrupts"]) == 1
    second = next(one for one in answers if one != first)
    await client.runs.wait(tid, "wide", command={"resume": {second: answers[second]}})
    state = await client.threads.get_state(tid, subgraphs=True)
    assert sorted(state["values"]["answers"]) == ["ada: ada!", "bob: bob!"]
    below = state["tasks"][0]["state"]
    assert below["next"] == ["deep"]
    assert await client.threads.get_state(tid, checkpoint=below["checkpoint"]) == below
    assert (await client.threads.get_history(tid, checkpoint=below["checkpoint"]))[0] == below
    values = await client.runs.wait(tid, "wide", command={"resume": "deep down"})
    assert values["below"] == "deep down"
    assert len(await client.threads.get_history(tid, metadata={"why": "test"}, limit=50)) == 3
    told = await client.runs.wait(None, "wide", input={}, config={"configurable": {"name": "zoe", "other": 1}})
    assert told["greeted"] == "zoe"


async def test_a_run_is_rolled_back_and_of_two_that_want_to_be_alone_one_is(client: LangGraphClient) -> None:
    tid = (await client.threads.create())["thread_id"]
    await client.runs.wait(tid, "talker", input=FRESH)
    before = await client.threads.get_history(tid, limit=50)
    run = await client.runs.create(tid, "talker", input=WAITS)
    await running(client, tid, run["run_id"])

    async def begun() -> bool:
        return len(await client.threads.get_history(tid, limit=50)) > len(before)

    await until(begun, "its first checkpoint")
    joined = asyncio.create_task(client.runs.join(tid, run["run_id"]))
    await client.runs.cancel(tid, run["run_id"], action="rollback")
    await asyncio.wait_for(joined, 20)
    assert await client.threads.get_history(tid, limit=50) == before
    with pytest.raises(NotFoundError):
        await client.runs.get(tid, run["run_id"])
    assert (await client.threads.get(tid))["status"] == "interrupted"

    both = [client.runs.create(tid, "talker", input=WAITS, multitask_strategy="reject") for _ in range(5)]
    begun_or_not = await asyncio.gather(*both, return_exceptions=True)
    (one,) = [found for found in begun_or_not if isinstance(found, dict)]
    assert [type(found) for found in begun_or_not if found is not one] == [ConflictError] * 4
    with pytest.raises(ConflictError):
        await client.runs.delete(tid, one["run_id"])
    later = await client.runs.create(tid, "talker", input=FRESH, multitask_strategy="interrupt", after_seconds=3_600)
    assert (await client.runs.get(tid, one["run_id"]))["status"] == "interrupted"
    assert (await client.runs.get(tid, later["run_id"]))["status"] == "pending"
    await client.runs.cancel_many(thread_id=tid, status="pending")
    assert (await client.runs.get(tid, later["run_id"]))["status"] == "interrupted"
    await client.runs.delete(tid, later["run_id"])
    with pytest.raises(NotFoundError):
        await client.runs.get(tid, later["run_id"])


async def test_a_run_is_stopped_when_its_client_leaves_if_it_said_so(extra: Service, client: LangGraphClient) -> None:
    for asked in ({"on_disconnect": "cancel"}, {"on_disconnect": "continue"}):
        tid = (await client.threads.create())["thread_id"]
        body = {"assistant_id": "talker", "input": WAITS, "stream_mode": "values", **asked}
        async with extra.client.stream("POST", f"/threads/{tid}/runs/stream", json=body) as answer:
            rid = answer.headers["content-location"].rpartition("/")[2]
            await running(client, tid, rid)
        if asked["on_disconnect"] == "continue":
            path = f"/threads/{tid}/runs/{rid}/stream"
            async with extra.client.stream("GET", path, params={"cancel_on_disconnect": True}):
                assert (await client.runs.get(tid, rid))["status"] == "running"
        await running(client, tid, rid, "interrupted")
    tid = (await client.threads.create())["thread_id"]
    body = {"assistant_id": "talker", "input": WAITS, "on_disconnect": "cancel"}
    with pytest.raises(httpx.ReadTimeout):
        await extra.client.post(f"/threads/{tid}/runs/wait", json=body, timeout=1)
    (run,) = await client.runs.list(tid)
    await running(client, tid, run["run_id"], "interrupted")


async def test_a_mission_is_cancelled_when_its_client_leaves_if_it_said_so(extra: Service) -> None:
    await extra.seed_lead()
    body = {"assistant_id": CRM, "input": INPUT, "stream_mode": "values", "on_disconnect": "cancel"}
    async with extra.client.stream("POST", "/runs/stream", json=body) as answer:
        tid = answer.headers["location"].split("/")[2]
    assert (await extra.settled(tid))["status"] == "cancelled"


async def test_a_schedule_comes_round_once_whoever_looks(
    extra: Service, client: LangGraphClient, database: str
) -> None:
    with pytest.raises(UnprocessableEntityError):
        await client.crons.create("talker", schedule="every day at noon")
    assert extra.colony is not None
    cron = await client.crons.create("talker", schedule="0 0 1 1 *", input=FRESH, metadata={"label": "yearly"})
    assert cron["next_run_date"] > cron["created_at"]
    (found,) = await client.crons.search(metadata={"label": "yearly"})
    assert found["cron_id"] == cron["cron_id"]
    assert (await client.crons.update(cron["cron_id"], schedule="* * * * *", enabled=False))["enabled"] is False
    assert await client.crons.count() == 1

    sdk = extra.colony.sdk
    assert sdk.crons is not None
    row = dict((await sdk.crons.store.rows("demo", "found", cron_id=cron["cron_id"], assistants=None, thread_id=None,
                                           enabled=None, metadata=None, limit=1, offset=0))[0])  # fmt: skip
    named = {key: row[key] for key in ("cron_id", "schedule", "timezone", "payload", "metadata", "keep", "end_at")}
    due = {**named, "enabled": True, "next_at": datetime.now(UTC) - timedelta(hours=2)}
    await sdk.crons.store.rows("demo", "change", **due)
    clocks = [Timekeeper(sdk.crons.store, sdk.store, sdk.extra.graphs) for _ in range(4)]  # type: ignore[union-attr]
    await asyncio.gather(*(clock.look() for clock in clocks))
    threads = await client.threads.search(metadata={"cron_id": cron["cron_id"]})
    assert len(threads) == 1
    (run,) = await client.runs.list(threads[0]["thread_id"])
    await running(client, threads[0]["thread_id"], run["run_id"], "interrupted")
    await client.crons.delete(cron["cron_id"])
    assert await client.crons.search() == []
    with pytest.raises(NotFoundError):
        await client.crons.delete(cron["cron_id"])


@pytest.mark.parametrize(
    ("schedule", "timezone", "end", "wanted"),
    [
        pytest.param("0 9 * * 1", None, None, datetime(2026, 11, 23, 9, tzinfo=UTC), id="monday-at-nine"),
        pytest.param("0 9 * * 1", "America/New_York", None, datetime(2026, 11, 23, 14, tzinfo=UTC), id="in-new-york"),
        pytest.param("0 0 1 1 *", None, datetime(2026, 12, 1, tzinfo=UTC), None, id="after-its-end"),
        pytest.param("0 0 31 2 *", None, None, None, id="never"),
    ],
)
def test_when_a_schedule_comes_round(schedule: str, timezone: str | None, end: Any, wanted: Any) -> None:
    found = next_time(schedule, timezone, end, datetime(2026, 11, 21, 20, tzinfo=ZoneInfo("UTC")))
    assert found == wanted
    with pytest.raises(BadInput):
        next_time(schedule, "Mars/Olympus", end)


async def test_assistants_have_versions_batches_begin_and_threads_are_kept_for_a_while(
    extra: Service, client: LangGraphClient
) -> None:
    assert set(await client.assistants.get_subgraphs("wide")) == {"down"}
    assert set(await client.assistants.get_subgraphs("wide", "down")) == {"down"}
    made = await client.assistants.create("wide", name="mine", context={"name": "ada"}, metadata={"n": 1})
    aid = made["assistant_id"]
    await client.assistants.update(aid, context={"name": "bob"})
    assert [one["version"] for one in await client.assistants.get_versions(aid)] == [2, 1]
    assert (await client.runs.wait(None, aid, input={}))["greeted"] == "bob"
    assert (await client.assistants.set_latest(aid, 1))["context"] == {"name": "ada"}
    assert (await client.runs.wait(None, aid, input={}))["greeted"] == "ada"
    assert (await client.assistants.update(aid, name="other"))["version"] == 3

    batch = await client.runs.create_batch([{"assistant_id": "wide", "input": {}} for _ in range(3)])  # type: ignore[typeddict-item]
    assert len({run["thread_id"] for run in batch}) == 3
    kept = await client.threads.create(ttl=60)
    gone = await client.threads.create(ttl=0.0001)
    assert extra.colony is not None

    async def forgotten() -> bool:
        await extra.colony.sdk.store.unkept()  # type: ignore[union-attr]
        return gone["thread_id"] not in [one["thread_id"] for one in await client.threads.search(limit=100)]

    await until(forgotten, "the thread to be forgotten")
    assert (await client.threads.get(kept["thread_id"]))["thread_id"] == kept["thread_id"]
    assert (await client.threads.prune([kept["thread_id"], gone["thread_id"]]))["pruned_count"] == 1
