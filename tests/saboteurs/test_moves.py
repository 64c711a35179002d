"""The table of moves, what is written once, and the questions that may be open only once: held by the database."""

import pytest
from psycopg import Connection
from psycopg.rows import DictRow

from contracts.registry import SPECS
from contracts.stateflow import STATUS_MOVES, Status
from tests.adapters.postgres.backdoor import outcome, stamp
from tests.saboteurs.conftest import Finished

ILLEGAL = "CO003"
FORBIDDEN = "42501"
DUPLICATE = "23505"
FOUL = [(was, to) for was in Status for to in Status if to is not was and to not in STATUS_MOVES[was]]
WRITTEN_ONCE = sorted(
    {spec.table for spec in SPECS.values()}
    | {"colony_events", "colony_approval_grants", "colony_model_calls", "colony_tool_calls", "colony_pheromone_signals"}
)


def a_foul_move_is_refused(conn: Connection[DictRow], mission: Finished, was: Status, to: Status) -> None:
    """The check: a mission's status does not go from one to the other, whoever asks."""
    with conn.transaction(force_rollback=True):
        own = f"where mission_id = '{mission.mission_id}'"
        conn.execute("alter table colony_missions disable trigger guard")
        conn.execute(f"update colony_missions set status = '{was}' {own}")
        conn.execute("alter table colony_missions enable trigger guard")
        conn.execute(f"select set_config('colony.epoch', '{mission.epoch}', true)")
        assert outcome(conn, f"update colony_missions set status = '{to}' {own}") == ILLEGAL


def test_every_move_that_the_table_does_not_have_is_refused(finished: Finished) -> None:
    assert len(FOUL) > 40
    for was, to in FOUL:
        with finished.db.undone() as conn:
            a_foul_move_is_refused(conn, finished, was, to)


@pytest.mark.parametrize(
    "sabotage",
    [
        pytest.param("insert into colony_status_moves values ('completed', 'running')", id="a-foul-move-in-the-table"),
        pytest.param("drop trigger guard on colony_missions", id="no-guard"),
    ],
)
def test_with_a_foul_move_in_the_table_a_completed_mission_runs_again(finished: Finished, sabotage: str) -> None:
    with finished.db.undone() as conn:
        conn.execute(sabotage)
        if sabotage.startswith("drop"):
            # The check switches the guard off and on: what is left is a guard that guards nothing.
            conn.execute(
                "create function nothing() returns trigger language plpgsql as $$ begin return new; end $$; "
                "create trigger guard before update on colony_missions for each row execute function nothing()"
            )
        with pytest.raises(AssertionError):
            a_foul_move_is_refused(conn, finished, Status.COMPLETED, Status.RUNNING)


def what_was_written_stays(conn: Connection[DictRow], mission: Finished, table: str) -> None:
    """The check: the service, stamped as it should be, can neither change nor remove a row of the table."""
    with conn.transaction(force_rollback=True):
        stamp(conn, "demo", mission.epoch)
        conn.execute("set local role colony_app")
        for statement in (
            f"update {table} set actor_id = actor_id",
            f"update {table} set payload = payload" if "_calls" not in table else f"update {table} set status = status",
            f"delete from {table}",
            f"truncate {table}",
        ):
            assert outcome(conn, statement) == FORBIDDEN, statement


@pytest.mark.parametrize("table", WRITTEN_ONCE)
def test_what_was_written_stays(finished: Finished, table: str) -> None:
    with finished.db.undone() as conn:
        what_was_written_stays(conn, finished, table)


@pytest.mark.parametrize("power", ["update", "delete", "truncate"])
@pytest.mark.parametrize("table", WRITTEN_ONCE)
def test_with_a_grant_too_many_what_was_written_is_changed(finished: Finished, table: str, power: str) -> None:
    with finished.db.undone() as conn:
        conn.execute(f"grant {power} on {table} to colony_app")
        with pytest.raises(AssertionError):
            what_was_written_stays(conn, finished, table)


ASK = """
insert into colony_approvals (mission_id, interrupt_id, actor_id, status, payload, content, sha256, expires_at)
select mission_id, 'another-' || n, actor_id, 'pending', payload, content, sha256, expires_at
from colony_approvals, generate_series(1, 2) n
"""


def only_one_question_is_open(conn: Connection[DictRow], mission: Finished) -> None:
    """The check: a mission can't wait for two answers at once."""
    stamp(conn, "demo", mission.epoch)
    assert outcome(conn, ASK) == DUPLICATE


def test_only_one_question_is_open(finished: Finished) -> None:
    with finished.db.undone() as conn:
        only_one_question_is_open(conn, finished)


def test_without_its_index_two_questions_are_open(finished: Finished) -> None:
    with finished.db.undone() as conn:
        conn.execute("drop index colony_approvals_one_pending")
        with pytest.raises(AssertionError):
            only_one_question_is_open(conn, finished)


WRITE = """
insert into colony_writebacks (mission_id, proposal_id, payload_sha256, actor_id, status, idempotency_key, payload)
select mission_id, {proposal_id}, {payload_sha256}, actor_id, 'intended', 'another', payload
from colony_approval_grants limit 1
"""
UNGRANTED = {
    "another-proposal": WRITE.format(proposal_id="'wp_forged'", payload_sha256="payload_sha256"),
    "another-payload": WRITE.format(proposal_id="proposal_id", payload_sha256="repeat('0', 64)"),
}


def a_write_needs_its_grant(conn: Connection[DictRow], mission: Finished, statement: str) -> None:
    """The check: an intent to write that nobody approved, byte for byte, can't even be stored."""
    stamp(conn, "demo", mission.epoch)
    assert outcome(conn, statement) == "23503"


@pytest.mark.parametrize("statement", UNGRANTED.values(), ids=UNGRANTED)
def test_a_write_needs_its_grant(finished: Finished, statement: str) -> None:
    with finished.db.undone() as conn:
        a_write_needs_its_grant(conn, finished, statement)


@pytest.mark.parametrize("statement", UNGRANTED.values(), ids=UNGRANTED)
def test_without_the_foreign_key_a_write_needs_no_grant(finished: Finished, statement: str) -> None:
    with finished.db.undone() as conn:
        conn.execute("alter table colony_writebacks drop constraint writeback_needs_grant")
        with pytest.raises(AssertionError):
            a_write_needs_its_grant(conn, finished, statement)
