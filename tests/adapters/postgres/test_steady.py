"""A run's connection: nobody uses it after the run, nor is it returned, nor its socket closed, under a statement."""

import asyncio
import gc
import socket
import sys
import time

import psycopg
import pytest
from langgraph.checkpoint.base import empty_checkpoint

from adapters.postgres.ledger import RunLedger
from adapters.postgres.steady import SteadyConnection
from contracts.errors import ColonyError, FenceLost, StoreUnavailable
from contracts.registry import Kind
from tests.adapters.postgres.stand import Stand
from tests.support import until

SLEEP = "select pg_sleep(30)"


async def sleeping(stand: Stand, application: str = "colony stand") -> None:
    async def there() -> bool:
        return bool(
            stand.db.rows(
                "select from pg_stat_activity where datname = current_database() and application_name = %s "
                "and query like '%%pg_sleep%%' and state = 'active'",
                application,
            )
        )

    await until(there, "the statement to be under way", 5.0)


async def left_behind(ledger: RunLedger) -> None:
    async with ledger.unit() as unit:
        await unit.conn.execute(SLEEP)


async def test_nobody_uses_a_connection_whose_run_is_over(stand: Stand) -> None:
    first, second = [await stand.submit() for _ in range(2)]
    async with stand.claimed(first) as session:
        pass
    async with stand.claimed(second) as other:
        thread = {"configurable": {"thread_id": second, "checkpoint_ns": ""}}
        with pytest.raises(FenceLost):
            await session.ledger.fetch(Kind.RESEARCH_ARTIFACT, 1)
        with pytest.raises(FenceLost):
            await session.saver.aget_tuple(thread)
        with pytest.raises(FenceLost):
            async with session.ledger.unit():
                pytest.fail("a unit was opened")
        assert await other.saver.aget_tuple(thread) is None


async def test_a_run_that_ends_under_a_statement_returns_a_connection_that_is_free(stand: Stand) -> None:
    began = time.monotonic()
    async with stand.claimed(await stand.submit()) as session:
        tasks = [asyncio.create_task(left_behind(session.ledger)) for _ in range(3)]
        await sleeping(stand)
    assert time.monotonic() - began < 10
    _, pending = await asyncio.wait(tasks, timeout=1)
    assert not pending
    assert all(isinstance(task.exception(), ColonyError) for task in tasks)
    assert not stand.pool.get_stats().get("returns_bad")

    async def idle() -> bool:
        return session.ledger._conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE

    await until(idle, "the pool to have it back", 5.0)


async def test_a_run_that_ends_between_two_statements_ends_the_next_one(stand: Stand) -> None:
    between, go = asyncio.Event(), asyncio.Event()

    async def two(ledger: RunLedger) -> None:
        async with ledger.unit() as unit:
            between.set()
            await go.wait()
            await unit.conn.execute(SLEEP)

    async with stand.claimed(await stand.submit()) as session:
        task = asyncio.create_task(two(session.ledger))
        await between.wait()
        asyncio.get_running_loop().call_later(0.3, go.set)
    with pytest.raises(ColonyError):
        await task
    assert not session.ledger._conn.closed


async def test_a_pipeline_that_is_cancelled_anywhere_is_left(stand: Stand) -> None:
    conn: SteadyConnection

    async def piped(done: list[int]) -> None:
        async with conn.pipeline(), conn.cursor() as cursor:
            for number in range(2):
                await cursor.execute("select %s", (number,))
        done.append(1)

    done: list[int] = []
    steps = 0
    while not done:
        async with stand.pool.connection() as conn:
            task = asyncio.create_task(piped(done))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            assert conn.pgconn.pipeline_status == psycopg.pq.PipelineStatus.OFF
        steps += 1
    assert steps > 5
    assert not stand.pool.get_stats().get("returns_bad")


async def test_a_pipeline_whose_connection_is_closed_anywhere_leaves_nothing_to_complain_of(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    complaints: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)

    async def piped(conn: SteadyConnection) -> None:
        async with conn.pipeline(), conn.cursor() as cursor:
            for number in range(2):
                await cursor.execute("select %s", (number,))

    for steps in range(12):
        async with stand.pool.connection() as conn:
            task = asyncio.create_task(piped(conn))
            for _ in range(steps):
                await asyncio.sleep(0)
            await conn.close()
            await asyncio.wait([task])
            task.exception()
    del conn, task
    gc.collect()
    assert not complaints


async def test_a_connection_closed_under_a_statement_leaves_no_socket_with_the_loop(stand: Stand) -> None:
    dsn = f"{stand.db.dsn}{'&' if '?' in stand.db.dsn else '?'}application_name=closed"
    conn = await SteadyConnection.connect(dsn, autocommit=True)
    number = conn.fileno()
    waiting = asyncio.create_task(conn.execute(SLEEP))
    await sleeping(stand, "closed")
    await conn.close()
    with pytest.raises(psycopg.OperationalError):
        await waiting
    sockets = [socket.socket() for _ in range(20)]
    assert number in {one.fileno() for one in sockets}, "the number is given out again"
    with pytest.raises(KeyError):
        asyncio.get_running_loop()._selector.get_key(number)  # type: ignore[attr-defined]
    for one in sockets:
        one.close()


async def test_a_cancelled_statement_that_does_not_end_is_ended_on_the_server(stand: Stand) -> None:
    async with stand.pool.connection() as conn:
        waiting = asyncio.create_task(conn.execute(SLEEP))
        await sleeping(stand)
        began = time.monotonic()
        for _ in range(5):
            waiting.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert time.monotonic() - began < 4
        assert (await (await conn.execute("select 1 as one")).fetchone()) == {"one": 1}


async def test_the_checkpointer_says_as_the_store_does_that_postgres_is_away(stand: Stand) -> None:
    async with stand.claimed(await stand.submit()) as session:
        thread = {"configurable": {"thread_id": session.mission.mission_id, "checkpoint_ns": ""}}
        assert await session.saver.aget_tuple(thread) is None
        stand.db.run(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() "
            "and application_name = 'colony stand'"
        )
        with pytest.raises(StoreUnavailable):
            await session.saver.aget_tuple(thread)


async def test_the_checkpointer_says_as_the_store_does_that_the_mission_is_another_s(stand: Stand) -> None:
    mission_id = await stand.submit()
    async with stand.claimed(mission_id) as session:
        async with stand.missions.take("demo", mission_id, "ann"):
            pass
        thread = {"configurable": {"thread_id": mission_id, "checkpoint_ns": ""}}
        with pytest.raises(FenceLost):
            await session.saver.aput(thread, empty_checkpoint(), {}, {})
