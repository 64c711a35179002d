"""Row-level security: without a tenant nothing is seen, another's rows are never seen, and the service owns nothing."""

import hashlib
import hmac

import pytest
from psycopg import Connection
from psycopg.rows import DictRow

from tests.adapters.postgres.backdoor import outcome, stamp, tables_with, token_of
from tests.saboteurs.conftest import Finished

FORBIDDEN = "42501"
OURS = ("public.colony_", "public.checkpoint")


def role_for(table: str) -> str:
    return "colony_root" if table.startswith("root.") else "colony_app"


def forged(conn: Connection[DictRow]) -> dict[str, str]:
    """What somebody tries who holds the service's connection and another tenant's token, and wants demo's rows."""
    own, right = token_of(conn, "other"), token_of(conn, "demo")
    mac = right.removeprefix("demo:")
    return {
        "nothing": "",
        "the name": "demo",
        "the name with its colon": "demo:",
        "the mac alone": mac,
        "own token": own,
        "the name under the own mac": "demo" + own.removeprefix("other"),
        "a mac under no key": "demo:" + hmac.new(b"", b"demo", hashlib.sha256).hexdigest(),
        "a hash of the name": "demo:" + hashlib.sha256(b"demo").hexdigest(),
        "one digit changed": right[:-1] + ("0" if right[-1] != "0" else "1"),
        "one digit less": right[:-1],
        "one digit more": right + "0",
        "in capitals": "demo:" + mac.upper(),
        "another name before it": "a:" + right,
        "an empty name": ":" + mac,
        "quotes": "demo' or '1'='1",
        "a pattern": "%",
        "a NULL's text": "null",
        "long": "demo:" + "0" * 100_000,
        "no text of hex": "demo:" + "ä" * 64,
    }


def seen(conn: Connection[DictRow], table: str, token: str) -> int:
    with conn.transaction(force_rollback=True):
        conn.execute(f"set local role {role_for(table)}")
        conn.execute("select set_config('colony.tenant', %s, true)", [token])
        row = conn.execute(f"select count(*) as n from {table}").fetchone()
    return int(row["n"]) if row else 0


def foreign_rows_are_hidden(conn: Connection[DictRow], table: str) -> None:
    """The check: the service sees no row of the table without the tenant's token, whatever else it is stamped with."""
    for what, token in forged(conn).items():
        assert seen(conn, table, token) == 0, f"{table} shows rows by {what}"


def test_foreign_rows_are_hidden_in_every_table_that_carries_a_tenant(finished: Finished) -> None:
    with finished.db.undone() as conn:
        tables = tables_with(conn, "tenant_id")
        assert {"public.checkpoints", "public.checkpoint_blobs", "public.checkpoint_writes"} <= set(tables)
        assert len([t for t in tables if t.startswith(OURS)]) >= 24
        for table in tables:
            foreign_rows_are_hidden(conn, table)
            if table.startswith(OURS):
                assert seen(conn, table, token_of(conn, "demo")) > 0, f"{table} is empty, which proves nothing"


def test_every_table_of_the_service_carries_a_tenant(finished: Finished) -> None:
    with finished.db.undone() as conn:
        tables = conn.execute(
            "select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace "
            "where c.relkind = 'r' and n.nspname in ('public', 'root') order by 1"
        ).fetchall()
        carrying = {t.removeprefix("public.") for t in tables_with(conn, "tenant_id")}
        without = {str(t["name"]) for t in tables} - carrying
        # Tables of moves, channels, metrics, restores, roots, versions, constitutions and applied migrations hold
        # nothing of anybody; secrets are for the owner alone.
        nobodys = ("yoyo", "colony_metric_")
        expected = {"colony_status_moves", "colony_outbox_channels", "colony_restores", "checkpoint_migrations"}
        expected |= {"colony_secrets", "colony_constitutions", "colony_audit_roots", "colony_encryption"}
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


BY_NAME = "nullif(split_part(current_setting('colony.tenant', true), ':', 1), '')"


@pytest.mark.parametrize(
    "unchecked",
    [
        pytest.param("nullif(current_setting('colony.tenant', true), '')", id="the-name-is-believed"),
        pytest.param(BY_NAME, id="the-mac-is-not-looked-at"),
    ],
)
def test_without_the_token_s_check_a_name_is_enough(finished: Finished, unchecked: str) -> None:
    with finished.db.undone() as conn:
        conn.execute(f"create or replace function colony_tenant() returns text language sql stable return {unchecked}")
        for table in tables_with(conn, "tenant_id"):
            if table.startswith(OURS):
                with pytest.raises(AssertionError):
                    foreign_rows_are_hidden(conn, table)
        with pytest.raises(AssertionError):
            a_row_cannot_be_written_for_another_tenant(conn, finished.mission_id)


def test_the_key_can_be_renewed_and_the_old_token_opens_nothing(finished: Finished) -> None:
    with finished.db.undone() as conn:
        old = token_of(conn, "demo")
        conn.execute("update colony_secrets set secret = sha256(secret) where purpose = 'tenant'")
        assert seen(conn, "colony_missions", old) == 0
        assert seen(conn, "colony_missions", token_of(conn, "demo")) == 1


@pytest.mark.parametrize("tenant", ["demo", "a", "x" * 64, "münchen", "a:b"])
def test_the_database_finds_the_hmac_that_a_process_makes(finished: Finished, tenant: str) -> None:
    with finished.db.undone() as conn:
        stamp(conn, tenant)
        assert conn.execute("select colony_tenant() as t").fetchone() == {"t": tenant}


def a_row_cannot_be_written_for_another_tenant(conn: Connection[DictRow], mission_id: str) -> None:
    """The check: the service can't put a row under a tenant that it isn't stamped with."""
    insert = f"insert into colony_submissions values ('other', 'k', 'x', '{mission_id}', now())"
    for stamped in (token_of(conn, "demo"), "other", "demo", ""):
        with conn.transaction(force_rollback=True):
            conn.execute("set local role colony_app")
            conn.execute("select set_config('colony.tenant', %s, true)", [stamped])
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
