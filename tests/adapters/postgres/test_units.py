"""Units: the change and its event together or not at all, numbered without a gap; what Postgres says, in our words."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest
from psycopg_pool import PoolTimeout

from adapters.postgres.guard import store_errors
from adapters.postgres.ledger import RunLedger
from adapters.postgres.queries import Queries
from adapters.postgres.sessions import RunSession
from contracts.base import InterruptId
from contracts.decisions import ApprovalRequest
from contracts.errors import ColonyError, Conflict, Denied, FenceLost, IntegrityBroken, NotFound, StoreUnavailable
from contracts.evidence import WorkerResult
from contracts.mission import ModelTier
from contracts.ports import EffectOutcome, ModelCall, ToolCall
from contracts.registry import Kind
from contracts.stateflow import STATUS_MOVES, Stage, Status
from tests.adapters.postgres.stand import Stand, decision, event, proposal

REQUEST = ApprovalRequest(proposals=(proposal(),), reasons=("r",))


def counts(stand: Stand) -> dict[str, int]:
    tables = [
        r["name"]
        for r in stand.db.rows(
            "select relname as name from pg_class where relname like 'colony_%' "
            "and relkind = 'r' and relname <> 'colony_status_moves'"
        )
    ]
    return {t: stand.db.rows(f"select count(*) as n from {t}")[0]["n"] for t in tables}


async def test_a_unit_that_fails_leaves_nothing(stand: Stand) -> None:
    mission_id = await stand.submit()
    async with stand.claimed(mission_id) as session:
        before, row = counts(stand), stand.db.rows("select * from colony_missions")
        with pytest.raises(RuntimeError, match="in the middle"):
            await _half_done(session)
        assert counts(stand) == before
        assert stand.db.rows("select * from colony_missions") == row


async def _half_done(session: RunSession) -> None:
    async with session.ledger.unit() as unit:
        await unit.put(1, [WorkerResult(task_key="a")])
        await unit.ask_person(InterruptId("i"), REQUEST, 1_000, None)
        await unit.spend([], [ToolCall("tc", "a", "t", {}, "ok")], 1)
        await unit.enter(Stage.PLANNER, "admission:1", {})
        await unit.move(Status.AWAITING_APPROVAL)
        unit.record(event())
        raise RuntimeError("in the middle")


async def test_a_unit_that_ends_keeps_the_change_and_its_event_together(stand: Stand) -> None:
    mission_id = await stand.submit()
    async with stand.claimed(mission_id) as session, session.ledger.unit() as unit:
        await unit.enter(Stage.PLANNER, "admission:1", {"a": 1})
        unit.record(event("x"), event("y"))
    (row,) = stand.db.rows("select seq, stage, step_key, step_update from colony_missions")
    assert row == {"seq": 4, "stage": "planner", "step_key": "admission:1", "step_update": {"a": 1}}


async def test_events_of_units_at_once_are_numbered_without_a_gap(stand: Stand) -> None:
    mission_id = await stand.submit()
    async with stand.claimed(mission_id) as session:

        async def one(n: int) -> None:
            async with session.ledger.unit() as unit:
                unit.record(*(event(f"{n}") for _ in range(n % 3)))

        await asyncio.gather(*(one(n) for n in range(20)))
    seqs = [r["seq"] for r in stand.db.rows("select seq from colony_events order by seq")]
    assert seqs == list(range(1, len(seqs) + 1))
    assert len(seqs) == 2 + sum(n % 3 for n in range(20))


async def test_commands_at_once_on_one_mission_take_turns(stand: Stand) -> None:
    mission_id = await stand.submit()

    async def one() -> None:
        async with stand.missions.take("demo", mission_id, "ann") as taken:
            taken.unit.record(event())

    await asyncio.gather(*(one() for _ in range(10)))
    assert [r["seq"] for r in stand.db.rows("select seq from colony_events order by seq")] == list(range(1, 12))
    assert stand.db.rows("select epoch from colony_missions")[0]["epoch"] == 11


LEGAL = [(was, to) for was, tos in STATUS_MOVES.items() for to in tos]


@pytest.mark.parametrize("to", list(Status))
async def test_a_status_moves_as_the_table_says(stand: Stand, to: Status) -> None:
    mission_id = await stand.submit()
    async with stand.claimed(mission_id) as session:
        if (Status.RUNNING, to) in LEGAL:
            async with session.ledger.unit() as unit:
                await unit.move(to)
            assert stand.status(mission_id) == to
        else:
            with pytest.raises(Conflict) as told:
                async with session.ledger.unit() as unit:
                    await unit.move(to)
            assert told.value.code == "illegal_move"


def test_the_tables_of_moves_are_one(database: str) -> None:
    with psycopg.connect(database) as conn:
        stored = set(conn.execute('select was, "to" from colony_status_moves').fetchall())
        checked = conn.execute(
            "select pg_get_constraintdef(oid) from pg_constraint where conrelid = 'colony_missions'::regclass "
            "and contype = 'c' and pg_get_constraintdef(oid) like '%status%'"
        ).fetchone()
    assert stored == {(was.value, to.value) for was, to in LEGAL}
    assert checked is not None
    assert all(f"'{status}'" in checked[0] for status in Status)


async def test_of_answers_at_once_one_stands(stand: Stand) -> None:
    mission_id = await stand.submit()
    async with stand.claimed(mission_id) as session, session.ledger.unit() as unit:
        await unit.ask_person(InterruptId("i-1"), REQUEST, 60_000, None)
        await unit.move(Status.AWAITING_APPROVAL)
        await unit.release_lease()

    async def answer() -> str:
        try:
            async with stand.missions.take("demo", mission_id, "ann") as taken:
                await taken.unit.decide(decision(mission_id, REQUEST.proposals))
        except Conflict as exc:
            return exc.code
        return "stands"

    answers = await asyncio.gather(*(answer() for _ in range(8)))
    assert sorted(answers) == ["already_decided"] * 7 + ["stands"]
    assert len(stand.db.rows("select from colony_approval_grants")) == 1


async def test_a_write_without_its_grant_is_denied(stand: Stand) -> None:
    mission_id = await stand.submit()
    async with stand.claimed(mission_id) as session:
        with pytest.raises(Denied) as told:
            async with session.ledger.unit() as unit:
                await unit.intend(proposal(), "key")
        assert told.value.code == "grant_missing"


async def test_an_intent_is_stored_once_and_keeps_its_outcome(stand: Stand) -> None:
    mission_id = await stand.submit()
    await stand.granted(mission_id, proposal())
    async with stand.claimed(mission_id) as session:
        ledger = session.ledger
        assert await ledger.grants() == [proposal()]
        async with ledger.unit() as unit:
            assert await unit.intend(proposal(), "key") is None
        async with ledger.unit() as unit:
            assert await unit.intend(proposal(), "key") == EffectOutcome("intended", {})
            await unit.settle(proposal(), EffectOutcome("applied", {"etag": '"2"'}))
        async with ledger.unit() as unit:
            await unit.settle(proposal(), EffectOutcome("failed", {}))
            assert await unit.intend(proposal(), "key") == EffectOutcome("applied", {"etag": '"2"'})


READ: dict[str, Callable[[RunLedger], Awaitable[Any]]] = {
    "colony_worker_results": lambda ledger: ledger.results(1),
    "colony_approval_grants": lambda ledger: ledger.grants(),
}


@pytest.mark.parametrize("table", READ)
async def test_what_was_changed_in_the_database_is_noticed_when_it_is_read(stand: Stand, table: str) -> None:
    mission_id = await stand.submit()
    await stand.granted(mission_id, proposal())
    async with stand.claimed(mission_id) as session:
        async with session.ledger.unit() as unit:
            await unit.put(1, [WorkerResult(task_key="a")])
        stand.db.run(f"alter table {table} disable trigger fence", f"update {table} set content = content || ' '")
        with pytest.raises(IntegrityBroken):
            await READ[table](session.ledger)


async def test_calls_are_charged_to_the_budget(stand: Stand) -> None:
    mission_id = await stand.submit()
    call = ModelCall("c", "a", ModelTier.LOCAL_PRIVATE, "p", "m", b"q", b"a", 10, 5, 0.25, 3)
    async with stand.claimed(mission_id) as session, session.ledger.unit() as unit:
        await unit.spend([call], [], 1)
    (row,) = stand.db.rows("select tokens_in, tokens_out, model_calls from colony_budgets")
    assert row == {"tokens_in": 10, "tokens_out": 5, "model_calls": 1}


async def test_results_are_carried_over_but_for_those_that_run_again(stand: Stand) -> None:
    mission_id = await stand.submit()
    async with stand.claimed(mission_id) as session:
        async with session.ledger.unit() as unit:
            await unit.put(1, [WorkerResult(task_key=k) for k in "abc"])
            await unit.copy_results(1, 2, again=["b"])
        assert set(await session.ledger.results(2)) == {"a", "c"}
        assert len(await session.ledger.fetch(Kind.WORKER_RESULT, None)) == 5


async def test_another_tenants_mission_is_not_there(stand: Stand) -> None:
    mission_id = await stand.submit("other")
    with pytest.raises(NotFound):
        async with stand.missions.take("demo", mission_id, "ann"):
            pass


async def test_the_same_key_gives_the_same_mission_once(stand: Stand) -> None:
    names = await asyncio.gather(*(stand.submit(key="k") for _ in range(6)))
    assert len(set(names)) == 1
    assert len(stand.db.rows("select from colony_missions")) == 1
    assert await stand.submit("other", key="k") not in names


ERRORS: dict[str, tuple[Exception, type[ColonyError]]] = {
    "operational": (psycopg.OperationalError("x"), StoreUnavailable),
    "no-connection-in-time": (PoolTimeout("x"), StoreUnavailable),
    "deadlock": (psycopg.errors.DeadlockDetected("x"), StoreUnavailable),
}


@pytest.mark.parametrize(("raised", "told"), ERRORS.values(), ids=ERRORS)
def test_what_the_driver_says_becomes_an_error_of_our_own(raised: Exception, told: type[ColonyError]) -> None:
    with pytest.raises(told), store_errors():
        raise raised


STATES = {"CO001": FenceLost, "CO003": Conflict}


@pytest.mark.parametrize(("state", "told"), STATES.items(), ids=STATES)
def test_what_our_triggers_say_becomes_an_error_of_our_own(database: str, state: str, told: type[ColonyError]) -> None:
    with psycopg.connect(database) as conn, pytest.raises(told), store_errors():
        conn.execute(f"do $$ begin raise exception 'x' using errcode = '{state}'; end $$")


def test_another_error_of_the_driver_is_not_hidden(database: str) -> None:
    with psycopg.connect(database) as conn, pytest.raises(psycopg.errors.DivisionByZero), store_errors():
        conn.execute("select 1 / 0")


@pytest.mark.parametrize("name", ["claims", "ledger", "missions", "reader", "unit"])
def test_every_query_has_a_name_of_its_own(name: str) -> None:
    queries: Any = Queries.load(name)
    with pytest.raises(KeyError):
        queries["no such query"]
