"""Workers that are killed with -9: the mission goes on where it was, and every effect happens once."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.acceptance.checks import assert_one_effect_each, assert_whole, counted, outcomes, rows, waiting_mission
from tests.acceptance.conftest import PROJECT, WorkerProcess
from tests.acceptance.root_proxy import Call, RootProxy
from tests.support import CHAT, Service, Spawned, pretty, until

StartWorker = Callable[..., WorkerProcess]
TASKS = {
    "extract_facts",
    "assess_engagement",
    "assess_stage",
    "draft_message",
    "recommend_next_steps",
    "propose_writebacks",
}
LONG = 60_000
CONVERSATIONS = 8


async def seed_long_chats(service: Service, lead_id: str) -> None:
    """Give a lead conversations that take seconds to read."""
    await service.seed_lead(lead_id)
    filler = [("lead", f"And one more thing, number {n}: is there a shop nearby?") for n in range(LONG // 60)]
    messages = [{"author": author, "text": text} for author, text in [*CHAT, *filler]]
    chats = [
        {"conversation_id": f"{lead_id}-{n}", "lead_id": lead_id, "channel": "sms", "messages": messages}
        for n in range(CONVERSATIONS)
    ]
    # Equal conversations would be one piece of evidence.
    for n, chat in enumerate(chats):
        chat["messages"] = [*messages, {"author": "lead", "text": f"That was conversation {n}."}]
    answer = await service.client.post("/root/import/chats", json={"items": chats})
    assert answer.status_code == 200, answer.text


def _results(database: str, mission_id: str) -> list[dict[str, Any]]:
    columns = "task_key, revision, sha256, created_at"
    statement = f"select {columns} from colony_worker_results where mission_id = %s order by task_key"
    return rows(database, statement, mission_id)


async def _midway(database: str, mission_id: str) -> list[dict[str, Any]]:
    """Wait until some task of the graph is done and another is not."""

    async def some() -> list[dict[str, Any]]:
        return _results(database, mission_id)

    done = await until(some, "the first task to end")
    assert len(done) < len(TASKS), "the test's chats are too short to be killed in between"
    return list(done)


async def _assert_nothing_ran_twice(service: Service, database: str, mission_id: str, before: list[Any]) -> None:
    after = _results(database, mission_id)
    assert [row for row in after if row["task_key"] in {b["task_key"] for b in before}] == before
    events = await service.events(mission_id)
    assert counted(events, "task.completed", "task_key") == Counter({(key,): 1 for key in TASKS})
    assert_whole(events)


@pytest.mark.long  # of the faults, the kills are a slice of it
async def test_a_worker_killed_in_the_task_graph_is_replaced_and_finished_tasks_are_kept(
    api: Service, start_worker: StartWorker, database: str
) -> None:
    await seed_long_chats(api, "L-7")
    first = start_worker()
    mission_id = await api.submit(inputs={"lead_id": "L-7"}, token_budget=50_000_000)
    before = await _midway(database, mission_id)
    first.kill()
    still = await api.mission(mission_id)
    assert (still["status"], still["stage"]) == ("running", "workers")

    start_worker()

    waiting = await api.settled(mission_id)
    assert waiting["status"] == "awaiting_approval", pretty(waiting["failure"])
    await _assert_nothing_ran_twice(api, database, mission_id, before)
    assert (await api.post(mission_id, "approve")).status_code == 202
    assert (await api.settled(mission_id))["status"] == "completed"
    await _assert_nothing_ran_twice(api, database, mission_id, before)
    await assert_one_effect_each(api, database, mission_id)


@pytest.mark.long
async def test_a_worker_killed_while_a_mission_waits_is_not_missed(
    spawn: Callable[..., Spawned], database: str
) -> None:
    """The command's own processes with their own lease times: the approval is answered where no worker runs."""
    base = await spawn("serve", "--no-worker", "--port", "0", PYTHONPATH=str(PROJECT)).ready()
    first = spawn("worker", COLONY_SERVICE_BASE_URL=base, PYTHONPATH=str(PROJECT))
    async with httpx.AsyncClient(base_url=base, timeout=30) as client:
        service = Service(client)
        waiting = await waiting_mission(service)
        first.kill()

        accepted = await service.post(waiting["mission_id"], "approve")

        assert accepted.status_code == 202
        assert (await service.mission(waiting["mission_id"]))["status"] == "running"
        second = spawn("worker", COLONY_SERVICE_BASE_URL=base, PYTHONPATH=str(PROJECT))
        ended = await service.settled(waiting["mission_id"])
        assert ended["status"] == "completed", second.output()
        assert set(outcomes(ended)) == {"applied"}
        await assert_one_effect_each(service, database, waiting["mission_id"])


@pytest.mark.long  # of the faults, the roots and the kills are a slice of it
async def test_a_worker_that_dies_after_the_root_has_written_does_not_write_again(
    api: Service, root_proxy: RootProxy, start_worker: StartWorker, database: str
) -> None:
    worker = start_worker(ROOT_API_BASE_URL=root_proxy.base)
    waiting = await waiting_mission(api)
    dead = asyncio.Event()

    async def die(call: Call) -> None:
        if call.writes and not dead.is_set():
            worker.kill()
            dead.set()

    root_proxy.after = die
    assert (await api.post(waiting["mission_id"], "approve")).status_code == 202
    await asyncio.wait_for(dead.wait(), 30)
    intended = rows(database, "select status from colony_writebacks where mission_id = %s", waiting["mission_id"])
    assert [row["status"] for row in intended] == ["intended"]

    start_worker(ROOT_API_BASE_URL=root_proxy.base)

    ended = await api.settled(waiting["mission_id"])
    assert ended["status"] == "completed"
    assert set(outcomes(ended)) == {"applied"}
    await assert_one_effect_each(api, database, waiting["mission_id"])
    keys = Counter(call.headers["idempotency-key"] for call in root_proxy.seen if call.writes)
    assert set(keys.values()) == {1}, "what the root shows as done is not sent again"
