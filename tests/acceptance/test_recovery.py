"""Workers as processes: who is killed is replaced in time, who poisons them is set apart, who slept writes nothing."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance.checks import assert_whole, counted, rows
from tests.acceptance.conftest import PROJECT, WorkerProcess
from tests.acceptance.root_proxy import Call, RootProxy
from tests.acceptance.test_leases import HeldChat
from tests.support import Service, Spawned, pretty, until

StartWorker = Callable[..., WorkerProcess]
MOST_MS = 15_000
_FENCED = """
select quote_ident(n.nspname) || '.' || quote_ident(c.relname) as name
from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
where t.tgname = 'fence'
"""


async def _epoch(database: str, mission_id: str) -> int:
    return int(rows(database, "select epoch from colony_missions where mission_id = %s", mission_id)[0]["epoch"])


async def test_an_orphan_runs_again_elsewhere_within_fifteen_seconds_at_default_settings(
    api: Service, root_proxy: RootProxy, spawn: Callable[..., Spawned], database: str
) -> None:
    await api.seed_lead()
    held = root_proxy.before = HeldChat()
    environment = {
        "COLONY_SERVICE_BASE_URL": str(api.client.base_url),
        "ROOT_API_BASE_URL": root_proxy.base,
        "PYTHONPATH": str(PROJECT),
    }
    workers = [spawn("worker", **environment) for _ in range(2)]

    async def ready() -> bool:
        return all("worker ready" in worker.output() for worker in workers)

    await until(ready, "the workers")
    mission_id = await api.submit()
    await asyncio.wait_for(held.reached.wait(), 60)
    holder = rows(database, "select worker_id from colony_leases where mission_id = %s", mission_id)[0]["worker_id"]
    workers.sort(key=lambda worker: not holder.endswith(f":{worker.process.pid}"))
    first, second = workers
    first.kill()
    killed = rows(database, "select clock_timestamp() as at")[0]["at"]
    held.let_go.set()
    waiting = await api.settled(mission_id)

    assert waiting["status"] == "awaiting_approval", pretty(waiting["failure"])
    resumed = "select created_at from colony_events where mission_id = %s and event_type = 'mission.resumed'"
    (again,) = rows(database, resumed, mission_id)
    took_ms = (again["created_at"] - killed).total_seconds() * 1000
    assert took_ms < MOST_MS
    assert second.output().count("mission found without a worker") == 1


@pytest.mark.long
async def test_a_poison_mission_is_set_apart_and_the_others_do_not_notice(
    api: Service, root_proxy: RootProxy, start_worker: StartWorker, database: str
) -> None:
    """The poison kills the worker that reads its chat; a supervisor starts a new one each time."""
    await api.seed_lead("L-poison")
    await api.seed_lead("L-2")
    times = {"ROOT_API_BASE_URL": root_proxy.base, "HEARTBEAT_MS": "200", "LEASE_MS": "1200", "SWEEP_MS": "200"}
    workers = [start_worker(**times)]

    async def die(call: Call) -> None:
        if "L-poison/chat" in call.path:
            workers[-1].kill()

    root_proxy.before = die
    poison = await api.submit(inputs={"lead_id": "L-poison"})
    healthy = [await api.submit(inputs={"lead_id": "L-2"}) for _ in range(12)]

    async def over() -> dict[str, Any] | None:
        if workers[-1].process.poll() is not None:
            workers.append(start_worker(**times))
        mission = await api.mission(poison)
        return mission if mission["status"] == "failed" else None

    ended = await until(over, "the poison to be set apart", 120)

    assert ended["failure"]["code"] == "quarantined"
    assert len(workers) == 6, "five died of it"
    if workers[-1].process.poll() is not None:
        workers.append(start_worker(**times))
    for mission_id in healthy:
        assert (await api.settled(mission_id))["status"] == "awaiting_approval"
    root_proxy.before = HeldChat()
    root_proxy.before.let_go.set()
    assert (await api.post(poison, "retry")).status_code == 202
    assert (await api.settled(poison))["status"] == "awaiting_approval"


@pytest.mark.long
async def test_two_workers_share_a_backlog_and_none_runs_what_the_other_has(
    api: Service, start_worker: StartWorker, database: str
) -> None:
    await api.seed_lead()
    missions = [await api.submit() for _ in range(24)]
    workers = [start_worker(MAX_CONCURRENT_MISSIONS="2") for _ in range(2)]
    for mission_id in missions:
        assert (await api.settled(mission_id))["status"] == "awaiting_approval"

    async def written() -> bool:
        return sum(w.output().count("run ended") for w in workers) >= len(missions)

    await until(written, "the workers' logs")
    ran = [set(re.findall(r"run ended\"? +mission_id=(\w+)", w.output())) for w in workers]
    assert ran[0] | ran[1] == set(missions)
    assert not ran[0] & ran[1]
    assert min(map(len, ran)) >= 1, "one of them did nothing"
    assert rows(database, "select distinct attempts from colony_missions") == [{"attempts": 1}]
    # Nobody holds anything for a mission that waits.
    assert rows(database, "select from colony_leases") == []
    assert rows(database, "select from queue.procrastinate_jobs") == []
    assert not any("mission found without a worker" in w.output() for w in workers)


async def test_a_cancelled_mission_lets_go_of_what_it_was_doing_within_a_second(
    api: Service, root_proxy: RootProxy, start_worker: StartWorker, database: str
) -> None:
    await api.seed_lead()
    held = root_proxy.before = HeldChat()
    worker = start_worker(ROOT_API_BASE_URL=root_proxy.base, HEARTBEAT_MS="5000", LEASE_MS="20000")
    mission_id = await api.submit()
    await asyncio.wait_for(held.reached.wait(), 60)
    gone = asyncio.get_running_loop().time()

    assert (await api.post(mission_id, "cancel", reason="enough")).status_code == 202

    async def stopped() -> bool:
        return "run stopped" in worker.output()

    await until(stopped, "the run to stop", 10)
    took = asyncio.get_running_loop().time() - gone
    assert took < 1.0, took
    held.let_go.set()
    events = await api.events(mission_id)
    assert events[-1]["event_type"] == "mission.cancelled"
    assert_whole(events)
    assert counted(events, "evidence.gathered") == {}
    assert (await api.mission(mission_id))["status"] == "cancelled"
