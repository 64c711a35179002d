"""Claims: one worker at a time, under an epoch that each claim raises; leases that only their holder keeps."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from adapters.postgres.claims import LeaseTimes
from adapters.postgres.pools import open_pool
from adapters.postgres.provision import Dsns
from adapters.postgres.sessions import Sessions
from contracts.base import InterruptId
from contracts.decisions import ApprovalRequest
from contracts.errors import FenceLost, RunsAlone
from contracts.stateflow import Stage, Status
from tests.adapters.postgres.stand import Stand, event


async def test_of_many_claimants_at_once_one_wins(stand: Stand) -> None:
    mission_id = await stand.submit()
    async with AsyncExitStack() as stack:
        opened = await asyncio.gather(
            *(stack.enter_async_context(stand.session(mission_id, f"worker-{n}")) for n in range(8))
        )
        assert len([session for session in opened if session is not None]) == 1
    assert stand.db.rows("select epoch, attempts from colony_missions") == [{"epoch": 2, "attempts": 1}]
    assert len(stand.db.rows("select from colony_leases")) == 1


async def test_a_claim_raises_the_epoch_and_the_status(stand: Stand) -> None:
    mission_id = await stand.submit()
    async with stand.claimed(mission_id) as session:
        assert (session.mission.epoch, session.mission.status) == (2, Status.RUNNING)
    stand.let_leases_lapse()
    async with stand.claimed(mission_id, "two") as session:
        assert session.mission.epoch == 3
    types = [r["event_type"] for r in stand.db.rows("select event_type from colony_events order by seq")]
    assert types == ["intent.received", "stage.entered", "mission.resumed"]


async def test_a_mission_that_somebody_runs_is_not_claimed(stand: Stand) -> None:
    mission_id = await stand.submit()
    async with stand.claimed(mission_id), stand.session(mission_id, "two") as second:
        assert second is None


@pytest.mark.parametrize("status", [s for s in Status if s not in {Status.RECEIVED, Status.RUNNING}])
async def test_a_mission_that_does_not_run_is_not_claimed(stand: Stand, status: Status) -> None:
    mission_id = await stand.submit()
    stand.db.run("alter table colony_missions disable trigger guard", f"update colony_missions set status = '{status}'")
    async with stand.session(mission_id) as session:
        assert session is None


async def test_a_mission_of_another_graph_is_left_for_a_process_that_has_it(stand: Stand) -> None:
    mission_id = await stand.submit()
    claims = stand.claims(version="2")
    async with stand.pool.connection() as conn:
        assert await claims.claim(conn, mission_id, "demo") is None
    assert stand.status(mission_id) == "received"


async def test_another_tenants_mission_is_not_claimed(stand: Stand) -> None:
    mission_id = await stand.submit("other")
    async with stand.session(mission_id, tenant_id="demo") as session:
        assert session is None


async def test_a_worker_that_was_taken_over_writes_nothing_more(stand: Stand) -> None:
    mission_id = await stand.submit()
    async with stand.claimed(mission_id) as first:
        stand.let_leases_lapse()
        async with stand.claimed(mission_id, "two") as second:
            with pytest.raises(FenceLost):
                async with first.ledger.unit() as unit:
                    unit.record(event("late"))
            async with second.ledger.unit() as unit:
                unit.record(event("mine"))
    payloads = [r["payload"] for r in stand.db.rows("select payload from colony_events order by seq")]
    assert payloads[-1] == {"task_key": "mine"}
    assert {"task_key": "late"} not in payloads


async def test_a_command_evicts_the_worker(stand: Stand) -> None:
    mission_id = await stand.submit()
    async with stand.claimed(mission_id) as session:
        async with stand.missions.take("demo", mission_id, "ann"):
            pass
        assert await stand.claims().renew({mission_id: session.mission.epoch}) == set()
        with pytest.raises(FenceLost):
            async with session.ledger.unit() as unit:
                unit.record(event())


RENEWALS = {
    "its-holder": ("one", 0, True),
    "another-worker": ("two", 0, False),
    "an-earlier-epoch": ("one", -1, False),
    "a-later-epoch": ("one", 1, False),
}


@pytest.mark.parametrize(("worker", "off", "kept"), RENEWALS.values(), ids=RENEWALS)
async def test_a_lease_is_kept_by_its_holder_alone(stand: Stand, worker: str, off: int, kept: bool) -> None:
    mission_id = await stand.submit()
    async with stand.claimed(mission_id) as session:
        before = stand.db.rows("select lease_until from colony_leases")[0]["lease_until"]
        held = await stand.claims(worker).renew({mission_id: session.mission.epoch + off})
        after = stand.db.rows("select lease_until from colony_leases")[0]["lease_until"]
    assert (held == {mission_id}) is kept
    assert (after > before) is kept


async def test_a_lease_that_has_lapsed_can_not_be_kept(stand: Stand) -> None:
    mission_id = await stand.submit()
    async with stand.claimed(mission_id) as session:
        stand.let_leases_lapse()
        assert await stand.claims().renew({mission_id: session.mission.epoch}) == set()


async def test_what_should_run_and_nobody_runs_is_found(stand: Stand) -> None:
    waiting, held, ended, other = [await stand.submit(t) for t in ("demo", "demo", "demo", "other")]
    stand.db.run(
        "alter table colony_missions disable trigger guard",
        f"update colony_missions set status = 'completed' where mission_id = '{ended}'",
        "update colony_missions set updated_at = now() - interval '1 minute'",
    )
    async with stand.claimed(held):
        stand.db.run("update colony_missions set updated_at = now() - interval '1 minute'")
        assert await stand.claims().runnable() == []  # each has a job
        stand.db.run("delete from queue.procrastinate_jobs")
        assert set(await stand.claims().runnable()) == {(waiting, "demo"), (other, "other")}
        assert await stand.claims(version="2").runnable() == []


async def die_with(stand: Stand, mission_id: str, times: int, *, alone: bool = False) -> None:
    for n in range(times):
        async with stand.session(mission_id, f"worker-{n}", alone=alone) as session:
            assert session is not None
        stand.let_leases_lapse()


async def test_a_mission_that_processes_die_with_runs_alone_and_is_given_up_in_the_end(stand: Stand) -> None:
    mission_id = await stand.submit()
    await die_with(stand, mission_id, 2)
    with pytest.raises(RunsAlone):
        async with stand.session(mission_id):
            pass
    await die_with(stand, mission_id, 3, alone=True)
    async with stand.session(mission_id) as session:
        assert session is None
    (row,) = stand.db.rows("select status, deaths, payload->'failure'->>'code' as code from colony_missions")
    assert row == {"status": "failed", "deaths": 5, "code": "quarantined"}
    assert stand.db.rows("select from colony_leases where lease_until > clock_timestamp()") == []
    async with stand.missions.take("demo", mission_id, "ann") as taken:
        await taken.unit.move(Status.RUNNING)
    async with stand.claimed(mission_id):
        assert stand.db.rows("select deaths from colony_missions") == [{"deaths": 0}]


async def test_a_finished_step_or_task_forgives_the_deaths_before_it(stand: Stand) -> None:
    mission_id = await stand.submit()
    for finish in ("step", "task"):
        await die_with(stand, mission_id, 1)
        async with stand.claimed(mission_id) as session:
            assert stand.db.rows("select deaths from colony_missions") == [{"deaths": 1}]
            async with session.ledger.unit() as unit:
                if finish == "step":
                    await unit.enter(Stage.PLANNER, "admission:1", {})
                else:
                    await unit.mark_tasks("completed", ["any"])
                await unit.release_lease()
        assert stand.db.rows("select deaths from colony_missions") == [{"deaths": 0}]


async def test_a_mission_that_a_live_process_gives_back_is_free_at_once_and_nobody_died(stand: Stand) -> None:
    mission_id = await stand.submit()
    async with stand.claimed(mission_id) as session:
        epoch = session.mission.epoch
    await stand.claims("two").let_go({mission_id: epoch})
    await stand.claims().let_go({mission_id: epoch - 1})
    async with stand.session(mission_id, "two") as second:
        assert second is None, "only its holder gives it back"
    await stand.claims().let_go({mission_id: epoch})
    async with stand.claimed(mission_id, "two"):
        assert stand.db.rows("select deaths from colony_missions") == [{"deaths": 0}]


async def test_a_connection_that_comes_back_forgets_whose_it_was(stand: Stand, dsns: Dsns) -> None:
    mission_id = await stand.submit()
    pool = await open_pool(dsns.app, name="one", tenants=stand.pool.tenants, most=1)
    settings = "select current_setting('colony.tenant') as tenant, current_setting('colony.epoch') as epoch"
    async with pool:
        async with Sessions(pool, stand.claims(), stand.clock).open(mission_id, "demo") as session:
            assert session is not None
        async with pool.connection() as conn:
            assert await (await conn.execute(settings)).fetchone() == {"tenant": "", "epoch": ""}


async def test_an_approval_past_its_deadline_is_found(stand: Stand) -> None:
    mission_id = await stand.submit()
    async with stand.claimed(mission_id) as session, session.ledger.unit() as unit:
        await unit.ask_person(InterruptId("i"), ApprovalRequest(proposals=(), reasons=()), 60_000, None)
    assert await stand.claims().overdue() == []
    stand.db.run(
        "alter table colony_approvals disable trigger fence",
        "update colony_approvals set expires_at = now() - interval '1 second'",
    )
    assert await stand.claims().overdue() == [(mission_id, "demo", "i")]


async def test_a_short_lease_frees_the_mission_by_the_databases_clock(stand: Stand) -> None:
    mission_id = await stand.submit()
    async with stand.session(mission_id, times=LeaseTimes(lease_ms=1)) as session:
        assert session is not None
        await session.ledger.passes()
    async with stand.session(mission_id, "two") as second:
        assert second is not None
