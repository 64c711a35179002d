"""Row-level security: without a tenant nothing is seen, another's rows are never seen, and the service owns nothing."""

import pytest
from psycopg import Connection
from psycopg.rows import DictRow

from tests.adapters.postgres.backdoor import outcome, tables_with
from tests.saboteurs.conftest import Finished

FORBIDDEN = "42501"
OURS = ("public.colony_", "public.checkpoint")


def role_for(table: str) -> str:
    return "colony_root" if table.startswith("root.") else "colony_app"


def seen(conn: Connection[DictRow], table: str, tenant: str) -> int:
    with conn.transaction(force_rollback=True):
        conn.execute(f"set local role {role_for(table)}")
        conn.execute("select set_config('colony.tenant', %s, true)", [tenant])
        row = conn.execute(f"select count(*) as n from {table}").fetchone()
    return int(row["n"]) if row else 0


def foreign_rows_are_hidden(conn: Connection[DictRow], table: str) -> None:
    """The check: the service sees no row of the table without a tenant, nor another tenant's."""
    for tenant in ("", "other", "demo' or '1'='1", "%"):
        assert seen(conn, table, tenant) == 0, f"{table} shows rows to tenant {tenant!r}"


def test_foreign_rows_are_hidden_in_every_table_that_carries_a_tenant(finished: Finished) -> None:
    with finished.db.undone() as conn:
        tables = tables_with(conn, "tenant_id")
        assert {"public.checkpoints", "public.checkpoint_blobs", "public.checkpoint_writes"} <= set(tables)
        assert len([t for t in tables if t.startswith(OURS)]) >= 24
        for table in tables:
            foreign_rows_are_hidden(conn, table)
            if table.startswith(OURS):
                assert seen(conn, table, "demo") > 0, f"{table} is empty, which proves nothing"


def test_every_table_of_the_service_carries_a_tenant(finished: Finished) -> None:
    with finished.db.undone() as conn:
        tables = conn.execute(
            "select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace "
            "where c.relkind = 'r' and n.nspname in ('public', 'root') order by 1"
        ).fetchall()
        carrying = {t.removeprefix("public.") for t in tables_with(conn, "tenant_id")}
        without = {str(t["name"]) for t in tables} - carrying
        # Tables of moves, channels, metrics, restores, versions and applied migrations hold nothing of anybody; secrets
        # are for the owner alone.
        nobodys = ("yoyo", "colony_metric_")
        expected = {"colony_status_moves", "colony_outbox_channels", "colony_restores", "checkpoint_migrations"}
        expected |= {"colony_secrets"}
        assert {t for t in without if not any(name in t for name in nobodys)} == expected


@pytest.mark.parametrize("sabotage", ["disable row level security", "no force row level security"])
def test_without_row_level_security_a_table_shows_foreign_rows(finished: Finished, sabotage: str) -> None:
    with finished.db.undone() as conn:
        for table in tables_with(conn, "tenant_id"):
            if not table.startswith(OURS):
                continue
            conn.execute(f"alter table {table} {sabotage}")
            if sabotage.startswith("no force"):
                conn.execute(f"alter table {table} owner to colony_app")
            with pytest.raises(AssertionError):
                foreign_rows_are_hidden(conn, table)


def a_row_cannot_be_written_for_another_tenant(conn: Connection[DictRow], mission_id: str) -> None:
    """The check: the service can't put a row under a tenant that it isn't stamped with."""
    conn.execute("select set_config('colony.tenant', 'demo', true)")
    insert = f"insert into colony_submissions values ('other', 'k', 'x', '{mission_id}', now())"
    with conn.transaction(force_rollback=True):
        conn.execute("set local role colony_app")
        assert outcome(conn, insert) == FORBIDDEN


def test_a_row_cannot_be_written_for_another_tenant(finished: Finished) -> None:
    with finished.db.undone() as conn:
        a_row_cannot_be_written_for_another_tenant(conn, finished.mission_id)


def test_without_row_level_security_a_row_is_written_for_another_tenant(finished: Finished) -> None:
    with finished.db.undone() as conn:
        conn.execute("alter table colony_submissions disable row level security")
        with pytest.raises(AssertionError):
            a_row_cannot_be_written_for_another_tenant(conn, finished.mission_id)


def the_service_role_has_no_power(conn: Connection[DictRow]) -> None:
    """The check: it owns nothing, bypasses nothing, belongs to nobody and reads neither the queue nor the root."""
    role = conn.execute(
        "select rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication as power, "
        "exists (select from pg_auth_members m where m.member = r.oid) as member, "
        "exists (select from pg_class c where c.relowner = r.oid) or exists (select from pg_proc p where "
        "p.proowner = r.oid) or exists (select from pg_namespace n where n.nspowner = r.oid) as owner "
        "from pg_roles r where rolname = 'colony_app'"
    ).fetchone()
    assert role == {"power": False, "member": False, "owner": False}
    with conn.transaction(force_rollback=True):
        conn.execute("set local role colony_app")
        for statement in (
            "select * from queue.procrastinate_jobs",
            "delete from queue.procrastinate_jobs",
            "select * from queue.procrastinate_events",
            "select * from root.leads",
            "create table public.mine (a int)",
            "update colony_status_moves set was = was",
        ):
            assert outcome(conn, statement) in {FORBIDDEN, "42P01", "3F000"}, statement


def test_the_service_role_has_no_power(finished: Finished) -> None:
    with finished.db.undone() as conn:
        the_service_role_has_no_power(conn)


@pytest.mark.parametrize(
    "sabotage",
    [
        pytest.param("alter role colony_app bypassrls", id="bypasses-row-level-security"),
        pytest.param("alter role colony_app createrole", id="makes-roles"),
        pytest.param("alter table colony_events owner to colony_app", id="owns-a-table"),
        pytest.param("grant colony_system to colony_app", id="belongs-to-system"),
        pytest.param(
            "grant usage on schema queue to colony_app; grant select on queue.procrastinate_jobs to colony_app",
            id="reads-the-queue",
        ),
        pytest.param("grant usage on schema root to colony_app; grant select on root.leads to colony_app", id="root"),
        pytest.param("grant create on schema public to colony_app", id="makes-tables"),
        pytest.param("grant update on colony_status_moves to colony_app", id="rewrites-the-moves"),
    ],
)
def test_a_service_role_with_power_is_noticed(finished: Finished, sabotage: str) -> None:
    with finished.db.undone() as conn:
        conn.execute(sabotage)
        with pytest.raises(AssertionError):
            the_service_role_has_no_power(conn)
