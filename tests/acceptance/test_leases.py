"""Workers that stop without dying: one that sleeps past its lease, and one that is told to end."""

import asyncio
from collections.abc import Callable

import psycopg
import pytest

from tests.acceptance.checks import assert_one_effect_each, assert_whole, counted, rows
from tests.acceptance.conftest import WorkerProcess
from tests.acceptance.root_proxy import Call, RootProxy
from tests.support import Service, pretty, until

StartWorker = Callable[..., WorkerProcess]
_FENCED = """
select sum(n)::int as n from (
  select count(*) as n from colony_events where mission_id = %(m)s and epoch <= %(e)s
  union all select count(*) from colony_worker_results where mission_id = %(m)s and epoch <= %(e)s
  union all select count(*) from colony_research_artifacts where mission_id = %(m)s and epoch <= %(e)s
  union all select count(*) from colony_policy_decisions where mission_id = %(m)s and epoch <= %(e)s
  union all select count(*) from colony_tool_calls where mission_id = %(m)s and epoch <= %(e)s
  union all select count(*) from checkpoints where thread_id = %(m)s and epoch <= %(e)s
  union all select count(*) from checkpoint_writes where thread_id = %(m)s and epoch <= %(e)s
  union all select count(*) from checkpoint_blobs where thread_id = %(m)s and epoch <= %(e)s
) as written
"""

# Fires after the fence has locked the mission's row, and before the row that the fence let through is written.
_HOLD_UP = """
create function hold_up() returns trigger language plpgsql as $$ begin
  perform pg_advisory_xact_lock(1); return new;
end $$;
create trigger hold_up before insert on colony_pheromone_signals for each row execute function hold_up();
"""


class HeldChat:
    """Holds the root's answer to the first call for a chat back until it is let go."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.let_go = asyncio.Event()

    async def __call__(self, call: Call) -> None:
        if call.path.endswith("/chat") and not self.reached.is_set():
            self.reached.set()
            await self.let_go.wait()


def _written(database: str, mission_id: str, epoch: int) -> int:
    filled = _FENCED.replace("%(m)s", f"'{mission_id}'").replace("%(e)s", str(epoch))
    return int(rows(database, filled)[0]["n"])


@pytest.mark.long  # the pauses among the faults are a slice of it
async def test_a_worker_that_slept_past_its_lease_writes_nothing_when_it_wakes(
    api: Service, root_proxy: RootProxy, start_worker: StartWorker, database: str
) -> None:
    await api.seed_lead()
    held = root_proxy.before = HeldChat()
    sleeper = start_worker(ROOT_API_BASE_URL=root_proxy.base)
    mission_id = await api.submit()
    await asyncio.wait_for(held.reached.wait(), 30)
    epoch = rows(database, "select epoch from colony_missions where mission_id = %s", mission_id)[0]["epoch"]
    sleeper.suspend()
    other = start_worker(ROOT_API_BASE_URL=root_proxy.base)
    waiting = await api.settled(mission_id)
    assert waiting["status"] == "awaiting_approval", pretty(waiting["failure"])
    before = _written(database, mission_id, epoch)

    sleeper.resume()
    held.let_go.set()

    async def gave_up() -> bool:
        return "lease lost" in sleeper.output() or "another process owns the mission" in sleeper.output()

    await until(gave_up, "the sleeper to notice")
    assert (await api.post(mission_id, "approve")).status_code == 202
    assert (await api.settled(mission_id))["status"] == "completed"
    assert _written(database, mission_id, epoch) == before
    await assert_one_effect_each(api, database, mission_id)
    # It goes on working: the next mission is its own.
    assert other.terminate() == 0
    await api.seed_lead("L-2")
    assert (await api.settled(await api.submit(inputs={"lead_id": "L-2"})))["status"] == "awaiting_approval"
    assert sleeper.process.poll() is None, sleeper.output()


def _busy(database: str, state: str) -> list[dict[str, object]]:
    return rows(
        database,
        "select pid from pg_stat_activity where datname = current_database() and application_name = 'colony runs' "
        "and query like '%%pheromone_signals%%' and coalesce(wait_event_type, '') || ' ' || state like %s",
        state,
    )


@pytest.mark.long
async def test_a_worker_stopped_within_a_transaction_does_not_keep_its_mission_from_others(
    api: Service, start_worker: StartWorker, database: str
) -> None:
    await api.seed_lead(chat=[])
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(_HOLD_UP)
        admin.execute("select pg_advisory_lock(1)")
        sleeper = start_worker()
        mission_id = await api.submit()

        async def blocked() -> bool:
            return bool(_busy(database, "Lock active"))

        await until(blocked, "the last step to be held up")
        sleeper.suspend()

    async def within() -> bool:
        return bool(_busy(database, "% idle in transaction"))

    await until(within, "the transaction to lie open")
    other = start_worker()

    ended = await api.settled(mission_id)

    assert ended["status"] == "completed", other.output()
    sleeper.resume()

    async def gave_up() -> bool:
        return "run stopped" in sleeper.output()

    await until(gave_up, "the sleeper to notice")
    events = await api.events(mission_id)
    assert_whole(events)
    assert set(counted(events, "mission.completed").values()) == {1}
    assert sleeper.process.poll() is None


async def test_a_worker_told_to_end_stops_at_a_step_boundary_and_the_mission_goes_on_elsewhere(
    api: Service, root_proxy: RootProxy, start_worker: StartWorker, database: str
) -> None:
    await api.seed_lead()
    held = root_proxy.before = HeldChat()
    first = start_worker(ROOT_API_BASE_URL=root_proxy.base)
    mission_id = await api.submit()
    await asyncio.wait_for(held.reached.wait(), 30)

    ending = asyncio.create_task(asyncio.to_thread(first.terminate))

    async def draining() -> bool:
        return "draining" in first.output()

    await until(draining, "the worker to drain")
    held.let_go.set()
    assert await ending == 0, first.output()
    stopped = await api.mission(mission_id)
    assert (stopped["status"], stopped["stage"]) == ("running", "workers")
    assert rows(database, "select from colony_leases where mission_id = %s", mission_id) == []
    start_worker(ROOT_API_BASE_URL=root_proxy.base)
    assert (await api.settled(mission_id))["status"] == "awaiting_approval"
    events = await api.events(mission_id)
    assert_whole(events)
    assert set(counted(events, "tool.called", "tool").values()) == {1}
