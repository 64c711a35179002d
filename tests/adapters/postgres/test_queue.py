"""The queue: tenants are served in turn, nobody is handed out twice, and what has no job is found once."""

import asyncio
from collections import Counter

from adapters.postgres.provision import dsns_for
from adapters.postgres.queue import Job, MissionQueue
from contracts.errors import FenceLost
from tests.adapters.postgres.stand import VERSION, Stand


async def submitted(stand: Stand, tenant_id: str, many: int) -> list[str]:
    return [await stand.submit(tenant_id) for _ in range(many)]


def versions(stand: Stand, *missions: str) -> None:
    """Make missions another graph's."""
    with stand.db.connect() as conn:
        conn.execute("alter table colony_missions disable trigger guard")
        conn.execute("update colony_missions set graph_version = '2' where mission_id = any(%s)", [list(missions)])
        conn.execute("alter table colony_missions enable trigger guard")


async def taken(stand: Stand, many: int, running: Counter[str] | None = None, *, last_place: bool = False) -> list[Job]:
    jobs = [await stand.queue.next(running or Counter(), last_place=last_place) for _ in range(many)]
    return [job for job in jobs if job is not None]


async def test_a_backlog_does_not_keep_another_tenant_waiting(stand: Stand) -> None:
    backlog = await submitted(stand, "big", 6)
    await taken(stand, 2)
    (small,) = await submitted(stand, "small", 1)
    assert [job.mission_id for job in await taken(stand, 3)] == [small, *backlog[2:4]]


async def test_tenants_are_served_in_turn_and_each_in_its_own_order(stand: Stand) -> None:
    missions = {tenant: await submitted(stand, tenant, 3) for tenant in ("a", "b", "c")}
    jobs = await taken(stand, 10)
    assert [job.tenant_id for job in jobs] == ["a", "b", "c"] * 3
    for tenant, ids in missions.items():
        assert [job.mission_id for job in jobs if job.tenant_id == tenant] == ids


async def test_who_has_fewest_missions_here_goes_first(stand: Stand) -> None:
    await submitted(stand, "a", 1)
    await submitted(stand, "b", 1)
    assert [job.tenant_id for job in await taken(stand, 2, Counter(a=3, b=1))] == ["b", "a"]


async def test_the_last_place_is_for_a_tenant_that_has_none(stand: Stand) -> None:
    await submitted(stand, "a", 2)
    assert await taken(stand, 1, Counter(a=1), last_place=True) == []
    (other,) = await submitted(stand, "b", 1)
    assert [job.mission_id for job in await taken(stand, 1, Counter(a=1), last_place=True)] == [other]


async def test_a_job_is_handed_out_once(stand: Stand) -> None:
    missions = set(await submitted(stand, "a", 10)) | set(await submitted(stand, "b", 10))
    jobs = await asyncio.gather(*(stand.queue.next(Counter(), last_place=False) for _ in range(30)))
    assert Counter(job.mission_id for job in jobs if job is not None) == Counter(missions)


async def test_a_submission_that_comes_to_nothing_leaves_no_job(stand: Stand) -> None:
    mission_id = await stand.submit()
    (job,) = await taken(stand, 1)
    await stand.queue.done(job)
    try:
        async with stand.missions.take("demo", mission_id, "ann") as mission:
            await stand.missions.resume(mission)
            raise FenceLost("and then something went wrong")
    except FenceLost:
        assert await taken(stand, 1) == []


async def test_what_has_a_job_gets_no_second_one(stand: Stand) -> None:
    (mission_id,) = await submitted(stand, "demo", 1)
    asked = [(mission_id, "demo")]
    assert await stand.queue.requeue(asked) == []
    (job,) = await taken(stand, 1)
    assert await stand.queue.requeue(asked) == [], "it was handed out a moment ago"
    stand.db.run("update queue.procrastinate_jobs set scheduled_at = now() - interval '10 seconds'")
    found = await asyncio.gather(*(stand.queue.requeue(asked) for _ in range(8)))
    assert sorted(found) == [[]] * 7 + [[mission_id]]
    jobs = stand.db.rows("select status::text, args from queue.procrastinate_jobs")
    assert jobs == [{"status": "todo", "args": {"mission_id": mission_id, "tenant_id": "demo"}}]
    await stand.queue.done(job)


async def test_a_long_backlog_hides_no_orphan(stand: Stand) -> None:
    await submitted(stand, "demo", 5)
    (orphan,) = await submitted(stand, "demo", 1)
    stand.db.run(
        f"delete from queue.procrastinate_jobs where args->>'mission_id' = '{orphan}'",
        "alter table colony_missions disable trigger guard",
        "update colony_missions set updated_at = now() - interval '1 minute'",
    )
    assert await stand.claims().runnable(1) == [(orphan, "demo")]


async def test_jobs_are_found_by_their_indexes(stand: Stand) -> None:
    with stand.db.undone() as conn:
        conn.execute("set local enable_seqscan = off")
        for look, index in {
            "args ->> 'mission_id' = 'm' and queue_name = 'missions'": "colony_jobs_of_a_mission",
            "args ->> 'tenant_id' > 't' and status = 'todo' and queue_name = 'missions'": "colony_jobs_of_a_tenant",
        }.items():
            plan = conn.execute(f"explain select from queue.procrastinate_jobs where {look}").fetchall()
            assert any(index in row["QUERY PLAN"] for row in plan), plan


async def test_a_job_of_another_graph_is_left_untouched_for_who_has_it(stand: Stand) -> None:
    foreign = await submitted(stand, "demo", 3)
    versions(stand, *foreign)
    (ours,) = await submitted(stand, "demo", 1)
    assert [job.mission_id for job in await taken(stand, 4)] == [ours]
    left = stand.db.rows(
        "select status::text from queue.procrastinate_jobs where args->>'mission_id' = any(%s)", foreign
    )
    assert left == [{"status": "todo"}] * 3
    other = MissionQueue(dsns_for(stand.db.dsn).queue, "2")
    await other.open()
    jobs = [await other.next(Counter(), last_place=False) for _ in range(4)]
    await other.close()
    assert [job.mission_id for job in jobs if job is not None] == foreign


async def test_a_hundred_orphans_of_another_graph_hide_none_of_ours(stand: Stand) -> None:
    versions(stand, *await submitted(stand, "demo", 3))
    (ours,) = await submitted(stand, "demo", 1)
    stand.db.run(
        "delete from queue.procrastinate_jobs",
        "alter table colony_missions disable trigger guard",
        "update colony_missions set updated_at = now() - interval '1 minute' where graph_version = '2'",
        "update colony_missions set updated_at = now() - interval '10 seconds' where graph_version <> '2'",
    )
    assert await stand.claims().runnable(3) == [(ours, "demo")]


async def test_one_process_of_all_gets_free_for_a_mission_that_processes_died_with(stand: Stand) -> None:
    first, second = await submitted(stand, "demo", 2)
    other = MissionQueue(dsns_for(stand.db.dsn).queue, VERSION)
    await other.open()
    one, two = await taken(stand, 2)
    assert await stand.queue.hold_alone(one) == (True, True)
    assert await other.hold_alone(two) == (False, True)
    assert await stand.queue.requeue([(first, "demo"), (second, "demo")]) == [], "both have their jobs still"
    assert await taken(stand, 1) == [], "and not yet"
    stand.db.run("update queue.procrastinate_jobs set scheduled_at = now() where id = " + str(two.job_id))
    assert await taken(stand, 2) == [two]
    async with stand.claimed(first):
        assert await stand.queue.hold_alone(one) == (True, False), "another has it"
    stand.db.run("update queue.alone set until = now() - interval '1 second'")
    assert await other.hold_alone(two) == (True, True), "the one before died"
    assert (await stand.queue.hold_alone(one))[0] is False
    await other.leave_alone()
    assert (await stand.queue.hold_alone(one))[0] is True
    await other.close()
