"""The record: every event linked to the one before it by its hash, and numbered without a gap."""

import asyncio
import json
from contextlib import suppress

import psycopg
import pytest

from adapters.postgres.claims import holder_of
from adapters.postgres.queries import Queries
from adapters.postgres.unit import Unit
from contracts.canonical import ZERO_HASH
from contracts.errors import FenceLost
from contracts.events import chain_hash
from tests.adapters.postgres.backdoor import Backdoor
from tests.adapters.postgres.stand import Stand, event
from tests.saboteurs.conftest import Finished
from tests.support import until


def the_record_is_whole(events: list[dict[str, object]], head: str) -> None:
    """The check: gapless from 1, each hash covers its body and the hash before it, and the mission knows the last."""
    previous = ZERO_HASH
    for number, row in enumerate(events, start=1):
        body = bytes(row["content"])
        assert row["seq"] == number
        assert row["prev_hash"] == previous
        assert row["hash"] == chain_hash(previous, number, body)
        assert json.loads(body)["payload"] == row["payload"]
        previous = str(row["hash"])
    assert previous == head


def record(db: Backdoor, mission_id: str, conn: psycopg.Connection | None = None) -> tuple[list[dict], str]:
    events = "select * from colony_events where mission_id = %s order by seq, event_id"
    head = "select head from colony_missions where mission_id = %s"
    if conn is None:
        return db.rows(events, mission_id), str(db.rows(head, mission_id)[0]["head"])
    return conn.execute(events, [mission_id]).fetchall(), str(conn.execute(head, [mission_id]).fetchone()["head"])


def test_the_record_of_a_mission_is_whole(finished: Finished) -> None:
    events, head = record(finished.db, finished.mission_id)
    assert len(events) > 30
    the_record_is_whole(events, head)


@pytest.mark.parametrize(
    "forgery",
    [
        pytest.param("update colony_events set hash = repeat('a', 64) where seq = 5", id="hash"),
        pytest.param("update colony_events set prev_hash = repeat('a', 64) where seq = 5", id="previous-hash"),
        pytest.param('update colony_events set payload = \'{"stage": "x"}\' where seq = 5', id="payload"),
        pytest.param("update colony_events set content = content || ' ' where seq = 5", id="content"),
        pytest.param("update colony_events set seq = 999 where seq = 5", id="number"),
        pytest.param("delete from colony_events where seq = 5", id="one-removed"),
        pytest.param(
            "delete from colony_events where seq = (select max(seq) from colony_events)", id="the-last-removed"
        ),
        pytest.param("update colony_missions set head = repeat('a', 64)", id="head"),
    ],
)
def test_a_forged_record_is_noticed(finished: Finished, forgery: str) -> None:
    with finished.db.undone() as conn:
        conn.execute(f"select set_config('colony.epoch', '{finished.epoch}', true)")
        assert conn.execute(forgery).rowcount == 1
        events, head = record(finished.db, finished.mission_id, conn)
        with pytest.raises(AssertionError):
            the_record_is_whole(events, head)


async def two_writers_at_once_leave_no_gap(stand: Stand) -> None:
    """The check: a unit that wants the next number while another has taken it, uncommitted, waits for that one."""
    mission_id = await stand.submit()
    async with (
        stand.claimed(mission_id) as session,
        stand.pool.connection() as first,
        stand.pool.connection() as second,
    ):
        units = []
        for conn in (first, second):
            await stand.pool.stamp(conn, "demo", str(session.mission.epoch), local=False)
            units.append(Unit(conn, holder_of(session.mission), stand.clock))
            units[-1].record(event("a"), event("b"))

        async def write_second() -> None:
            async with second.transaction():
                await units[1].flush()

        async with first.transaction():
            await units[0].flush()
            late = asyncio.create_task(write_second())
            await until(lambda: _waits_for_a_lock(stand), "the second writer to wait for the first")
        await late
    events, head = record(stand.db, mission_id)
    assert len(events) == 2 + 4
    the_record_is_whole(events, head)


async def _waits_for_a_lock(stand: Stand) -> bool:
    return bool(
        stand.db.rows("select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()")
    )


async def test_two_writers_at_once_leave_no_gap(stand: Stand) -> None:
    await two_writers_at_once_leave_no_gap(stand)


async def test_without_the_seq_guard_two_writers_at_once_take_the_same_number(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand.db.run("alter table colony_events drop constraint colony_events_pkey")
    real = Queries.load("unit")
    unguarded = {
        "head": real["head"].replace("for no key update", ""),
        "advance": real["advance"].replace("and seq = %(was)s", ""),
    }
    monkeypatch.setattr(Queries, "__getitem__", lambda self, name: unguarded.get(name, self._blocks[name]))
    with pytest.raises(AssertionError):
        await two_writers_at_once_leave_no_gap(stand)


async def a_unit_of_a_lost_mission_writes_nothing(stand: Stand) -> None:
    """The check: a writer whose mission was taken over finds out at its next unit, and leaves nothing there."""
    mission_id = await stand.submit()
    async with stand.claimed(mission_id) as session:
        async with stand.missions.take("demo", mission_id, "ann"):
            pass
        before, _ = record(stand.db, mission_id)
        with suppress(FenceLost):
            async with session.ledger.unit() as unit:
                unit.record(event("late"))
        after, _ = record(stand.db, mission_id)
        assert after == before


async def test_a_unit_of_a_lost_mission_writes_nothing(stand: Stand) -> None:
    await a_unit_of_a_lost_mission_writes_nothing(stand)


async def test_without_fence_and_guard_a_unit_of_a_lost_mission_writes(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand.db.run("drop trigger fence on colony_events", "drop trigger guard on colony_missions")
    real = Queries.load("unit")
    unguarded = {name: real[name].replace("and epoch = %(epoch)s", "") for name in ("head", "advance")}
    monkeypatch.setattr(Queries, "__getitem__", lambda self, name: unguarded.get(name, self._blocks[name]))
    with pytest.raises(AssertionError):
        await a_unit_of_a_lost_mission_writes_nothing(stand)
