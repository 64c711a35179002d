"""A script on the service's own connection: what it can reach, and what it finds there without another's token."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import DictRow, dict_row

from adapters.postgres.provision import dsns_for
from tests.adapters.postgres.backdoor import outcome, tables_with, token_of
from tests.saboteurs.conftest import Finished
from tests.saboteurs.test_tenants import forged

FORBIDDEN = "42501"
NOBODYS = {
    *("public.colony_status_moves", "public.colony_restores", "public.checkpoint_migrations"),
    *("public.colony_encryption", "public.colony_audit_roots"),
}
"""Read by the service without a tenant: legal moves, whether a restore is held back, versions, keys' names, roots."""
RELATIONS = (
    "select n.nspname || '.' || c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace "
    "where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname not in ('pg_catalog', 'information_schema') "
    "and n.nspname !~ '^pg_(toast|temp)' order by 1"
)
CALLABLE = (
    "select p.proname as name from pg_proc p join pg_namespace n on n.oid = p.pronamespace "
    "where n.nspname = %s and has_function_privilege('colony_app', p.oid, 'execute')"
)


@pytest.fixture
def script(finished: Finished) -> Iterator[Connection[DictRow]]:
    with psycopg.connect(dsns_for(finished.db.dsn).app, autocommit=True, row_factory=dict_row) as conn:
        yield conn


def test_it_finds_no_foreign_row_in_any_relation_there_is(finished: Finished, script: Connection[DictRow]) -> None:
    with finished.db.undone() as admin:
        stamps, right = forged(admin), token_of(admin, "demo")
        relations = [str(row["name"]) for row in admin.execute(RELATIONS).fetchall()]
        tenants = set(tables_with(admin, "tenant_id"))
    read: set[str] = set()
    for relation in relations:
        reached = outcome(script, f"select count(*) from {relation}")
        assert reached in {"done", FORBIDDEN}, relation
        if reached == FORBIDDEN or relation in NOBODYS:
            continue
        read.add(relation)
        for what, token in stamps.items():
            script.execute("select set_config('colony.tenant', %s, false)", [token])
            found = script.execute(f"select count(*) as n from {relation}").fetchone()
            assert found == {"n": 0}, f"{relation} shows rows by {what}"
    assert read == {t for t in tenants if t.startswith("public.")} | {"public.colony_artifacts", "public.colony_lent"}
    script.execute("select set_config('colony.tenant', %s, false)", [right])
    assert all(script.execute(f"select from {relation} limit 1").rowcount == 1 for relation in read)


def test_the_planner_s_statistics_show_nothing_of_anybody(finished: Finished, script: Connection[DictRow]) -> None:
    with finished.db.connect() as admin:
        admin.execute("analyze")
        assert admin.execute("select from pg_stats where tablename = 'colony_missions'").rowcount > 0
    shown = script.execute(
        "select distinct schemaname || '.' || tablename as t from pg_stats where schemaname = 'public'"
    )
    assert {row["t"] for row in shown.fetchall()} <= NOBODYS


def test_of_the_queue_it_can_add_a_job_and_nothing_else(finished: Finished, script: Connection[DictRow]) -> None:
    with finished.db.undone() as admin:
        tables = [t["name"] for t in admin.execute(RELATIONS).fetchall() if str(t["name"]).startswith("queue.")]
        assert {row["name"] for row in admin.execute(CALLABLE, ["queue"]).fetchall()} == {"procrastinate_defer_jobs_v1"}
    assert len(tables) >= 4
    for table in tables:
        for statement in (
            f"select * from {table}",
            f"delete from {table}",
            f"insert into {table} default values",
            f"truncate {table}",
            f"copy {table} to stdout",
        ):
            assert outcome(script, statement) == FORBIDDEN, statement


def test_the_key_is_out_of_its_reach(finished: Finished, script: Connection[DictRow]) -> None:
    shadow = (
        "create temp table colony_secrets as select 'tenant' as purpose, ''::bytea as inner_pad, ''::bytea as outer_pad"
    )
    for statement in (
        "select secret from colony_secrets",
        "select inner_pad from colony_secrets",
        "update colony_secrets set secret = secret",
        "create or replace function colony_tenant() returns text language sql as $$ select 'demo' $$",
        "set role colony_owner",
        "set session authorization postgres",
        shadow,
    ):
        assert outcome(script, statement) in {FORBIDDEN, "22023"}, statement
    # And if it could make temporary tables, a key of its own making would be none, either.
    with finished.db.undone() as conn:
        conn.execute(f"grant temporary on database {conn.info.dbname} to colony_app")
        conn.execute("set local role colony_app")
        conn.execute(shadow)
        conn.execute("set local search_path = pg_temp, public")
        forged_mac = conn.execute("select encode(sha256(sha256('demo')), 'hex') as mac").fetchone()
        assert forged_mac is not None
        conn.execute("select set_config('colony.tenant', %s, true)", [f"demo:{forged_mac['mac']}"])
        assert conn.execute("select colony_tenant() as t").fetchone() == {"t": None}
