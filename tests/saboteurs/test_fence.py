"""The epoch fence: nobody who is not stamped with the mission's present epoch writes anything for it."""

import pytest
from psycopg import Connection
from psycopg.rows import DictRow

from tests.adapters.postgres.backdoor import outcome, stamp, tables_with
from tests.saboteurs.conftest import Finished

UNFENCED = {"public.colony_missions", "public.colony_leases", "public.colony_threads"}
STALE = "CO001"


def fenced(conn: Connection[DictRow]) -> dict[str, str]:
    """Return every table whose rows are written under an epoch, with the column that names the mission."""
    threads = set(tables_with(conn, "thread_id"))
    tables = [t for t in tables_with(conn, "epoch") if t not in UNFENCED]
    return {table: "thread_id" if table in threads else "mission_id" for table in tables}


def a_stale_writer_is_refused(conn: Connection[DictRow], table: str, key: str, mission_id: str) -> None:
    """The check: even the administrator, stamped with another epoch or none, changes no row of the table."""
    own = f"where {key} = '{mission_id}'"
    there = conn.execute(f"select count(*) as n from {table} {own}").fetchone()
    assert there is not None
    assert there["n"] > 0, f"{table} is empty, which proves nothing"
    for epoch in ("0", "999", ""):
        stamp(conn, "demo", epoch)
        for statement in (
            f"update {table} set epoch = epoch {own}",
            f"delete from {table} {own}",
            f"insert into {table} overriding system value select * from {table} {own}",
        ):
            assert outcome(conn, statement) == STALE, f"epoch {epoch!r}: {statement}"


def test_a_stale_writer_is_refused_in_every_table_that_is_written_under_an_epoch(finished: Finished) -> None:
    with finished.db.undone() as conn:
        tables = fenced(conn)
        assert len(tables) >= 20
        assert {"public.checkpoints", "public.checkpoint_blobs", "public.checkpoint_writes"} <= tables.keys()
        for table, key in tables.items():
            a_stale_writer_is_refused(conn, table, key, finished.mission_id)


def test_without_its_trigger_a_table_lets_a_stale_writer_through(finished: Finished) -> None:
    with finished.db.undone() as conn:
        for table, key in fenced(conn).items():
            conn.execute(f"drop trigger fence on {table}")
            with pytest.raises(AssertionError):
                a_stale_writer_is_refused(conn, table, key, finished.mission_id)


def a_stale_writer_cannot_move_the_mission(conn: Connection[DictRow], mission_id: str) -> None:
    """The check: the mission's own row obeys its present epoch only, or a takeover that raises it by one."""
    for epoch in ("0", "999", ""):
        stamp(conn, "demo", epoch)
        for change in ("seq = seq + 1", "epoch = epoch + 2", "epoch = epoch - 1"):
            statement = f"update colony_missions set {change} where mission_id = '{mission_id}'"
            assert outcome(conn, statement) == STALE, f"epoch {epoch!r}: {statement}"


def test_a_stale_writer_cannot_move_the_mission(finished: Finished) -> None:
    with finished.db.undone() as conn:
        a_stale_writer_cannot_move_the_mission(conn, finished.mission_id)


def test_without_its_guard_a_stale_writer_moves_the_mission(finished: Finished) -> None:
    with finished.db.undone() as conn:
        conn.execute("drop trigger guard on colony_missions")
        with pytest.raises(AssertionError):
            a_stale_writer_cannot_move_the_mission(conn, finished.mission_id)
