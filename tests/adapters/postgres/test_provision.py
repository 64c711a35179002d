"""Bringing a database to its schema, by many at once and more than once; the roles that keep authority apart."""

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from adapters.postgres.cluster import EmbeddedCluster
from adapters.postgres.provision import LIFELINES, MIGRATIONS, OLDEST_SERVER, dsns_for, migrate, pending, role_password
from contracts.errors import SettingInvalid, StoreUnavailable
from tests.adapters.postgres.backdoor import Backdoor, outcome

NAMES = sorted(path.stem for path in MIGRATIONS.glob("*.sql"))


@contextmanager
def empty_databases(cluster: EmbeddedCluster, count: int) -> Iterator[list[str]]:
    names = [f"empty_{uuid4().hex[:12]}" for _ in range(count)]
    with psycopg.connect(cluster.dsn_for("postgres"), autocommit=True) as admin:
        for name in names:
            admin.execute(f"create database {name}")
        yield [cluster.dsn_for(name) for name in names]
        for name in names:
            admin.execute(f"drop database {name} with (force)")


def schema(dsn: str) -> list[dict[str, object]]:
    """Return every table, column and grant of a database."""
    return Backdoor(dsn).rows(
        "select table_schema, table_name, column_name, data_type, column_default, "
        "(select array_agg(grantee || ' ' || privilege_type order by grantee, privilege_type) "
        "from information_schema.table_privileges p "
        "where p.table_schema = c.table_schema and p.table_name = c.table_name) as grants "
        "from information_schema.columns c where table_schema in ('public', 'root', 'queue') order by 1, 2, 3"
    )


def test_migrating_again_changes_nothing(cluster: EmbeddedCluster) -> None:
    with empty_databases(cluster, 1) as (dsn,):
        assert migrate(dsn) == NAMES
        before = schema(dsn)
        assert migrate(dsn) == []
        assert schema(dsn) == before


def test_nobody_makes_temporary_tables_in_a_database_that_was_copied(database: str) -> None:
    def made() -> str:
        with psycopg.connect(dsns_for(database).app, autocommit=True) as conn:
            return outcome(conn, "create temporary table colony_missions (mission_id text)")  # type: ignore[arg-type]

    assert made() == "done", "a copy has its own rights, which are everybody's"
    assert migrate(database) == []
    assert made() == "42501"


def test_of_many_who_migrate_at_once_one_does_and_all_succeed(cluster: EmbeddedCluster) -> None:
    with empty_databases(cluster, 1) as (dsn,), ThreadPoolExecutor(4) as threads:
        applied = list(threads.map(migrate, [dsn] * 4))
    assert sorted(applied) == [[], [], [], NAMES]


def test_databases_of_one_cluster_are_migrated_at_once(cluster: EmbeddedCluster) -> None:
    with empty_databases(cluster, 3) as dsns, ThreadPoolExecutor(3) as threads:
        assert list(threads.map(migrate, dsns)) == [NAMES] * 3


def test_a_database_migrated_in_one_go_is_the_template(cluster: EmbeddedCluster, database: str) -> None:
    with empty_databases(cluster, 1) as (dsn,):
        migrate(dsn)
        assert schema(dsn) == schema(database)
        for login in (dsns_for(dsn).app, dsns_for(dsn).root, dsns_for(dsn).queue):
            with Backdoor(login).connect() as conn:
                assert outcome(conn, "create temporary table colony_missions (a int)") == "42501"


def test_a_migration_forward_leaves_what_was_there(database: str) -> None:
    back = Backdoor(database)
    back.run("delete from _yoyo_migration where migration_id = '0004_reopen'")
    assert migrate(database) == ["0004_reopen"]


ROLES = {
    "colony_owner": (False, False),
    "colony_system": (False, False),
    "colony_app": (True, False),
    "colony_queue": (True, False),
    "colony_root": (True, False),
}


@pytest.mark.parametrize(("role", "expected"), ROLES.items(), ids=ROLES)
def test_the_roles_are_as_documented(database: str, role: str, expected: tuple[bool, bool]) -> None:
    (found,) = Backdoor(database).rows(
        "select rolcanlogin as login, rolsuper or rolbypassrls or rolcreaterole or rolcreatedb as power, rolinherit "
        "from pg_roles where rolname = %s",
        role,
    )
    assert (found["login"], found["power"], found["rolinherit"]) == (*expected, False)


SEES = {
    "colony_app": {"colony_missions": "done", "queue.procrastinate_jobs": "42501", "root.leads": "42501"},
    "colony_queue": {"colony_missions": "42501", "queue.procrastinate_jobs": "done", "root.leads": "42501"},
    "colony_root": {"colony_missions": "42501", "queue.procrastinate_jobs": "42501", "root.leads": "done"},
}


@pytest.mark.parametrize("role", SEES)
def test_each_role_sees_its_own_and_nothing_else(database: str, role: str) -> None:
    own = {"colony_app": "app", "colony_queue": "queue", "colony_root": "root"}[role]
    with Backdoor(getattr(dsns_for(database), own)).connect() as conn:
        with conn.transaction():
            seen = {table: outcome(conn, f"select count(*) from {table}") for table in SEES[role]}
        assert seen == SEES[role]


@pytest.mark.parametrize("own", ["app", "queue", "root"])
def test_no_role_can_become_another(database: str, own: str) -> None:
    with Backdoor(getattr(dsns_for(database), own)).connect() as conn, conn.transaction():
        for role in [*ROLES, "postgres"]:
            if role != f"colony_{own}":
                assert outcome(conn, f"set local role {role}") == "42501", role


def test_what_crosses_tenants_are_functions_of_the_system_role_with_a_fixed_search_path(database: str) -> None:
    found = Backdoor(database).rows(
        "select p.proname as name, pg_get_userbyid(p.proowner) as owner, p.proconfig as config "
        "from pg_proc p join pg_namespace n on n.oid = p.pronamespace where p.prosecdef and n.nspname <> 'queue'"
    )
    assert {row["name"] for row in found} >= {"colony_runnable", "colony_renew", "colony_overdue_approvals"}
    for row in found:
        # The key is read for a connection to prove its tenant: by the one who may, in a function without arguments.
        expected = "colony_owner" if row["name"] == "colony_tenant" else "colony_system"
        assert row["owner"] == expected, row["name"]
        assert any(c.startswith("search_path=") for c in row["config"]), row["name"]


@pytest.mark.parametrize(
    "given",
    [
        pytest.param("postgresql://ann:s%40cret@db.example:5433/colony?sslmode=require", id="url"),
        pytest.param("host=db.example port=5433 dbname=colony user=ann password=s@cret sslmode=require", id="words"),
    ],
)
def test_each_role_has_a_password_of_its_own_on_the_same_server(given: str) -> None:
    dsns = dsns_for(given)
    passwords = set()
    for own in ("app", "queue", "root"):
        parts = conninfo_to_dict(getattr(dsns, own))
        assert (parts["host"], str(parts["port"]), parts["dbname"]) == ("db.example", "5433", "colony")
        assert (parts["user"], parts["sslmode"]) == (f"colony_{own}", "require")
        assert parts["password"] == role_password("s@cret", f"colony_{own}")
        passwords.add(parts["password"])
        assert "s@cret" not in getattr(dsns, own)
        assert "s%40cret" not in getattr(dsns, own)
    assert len(passwords) == 3


def test_another_administrators_password_gives_other_passwords() -> None:
    assert role_password("a", "colony_app") != role_password("b", "colony_app")


@pytest.mark.parametrize(
    ("dsn", "said"),
    [
        pytest.param("postgresql://ann@db.example/colony", "no password", id="no-password"),
        pytest.param("mysql://ann:secret@db.example/colony", "not a Postgres connection string", id="not-postgres"),
        pytest.param("nonsense", "not a Postgres connection string", id="nonsense"),
    ],
)
def test_a_string_that_can_not_be_used_is_refused_without_being_shown(dsn: str, said: str) -> None:
    with pytest.raises(SettingInvalid) as told:
        migrate(dsn)
    assert said in told.value.message
    assert "ann" not in told.value.message + told.value.hint
    assert "secret" not in told.value.message


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(StoreUnavailable):
        migrate("postgresql://ann:secret@127.0.0.1:1/colony")


def test_an_administrator_without_the_right_is_told_so(cluster: EmbeddedCluster) -> None:
    with empty_databases(cluster, 1) as (dsn,):
        Backdoor(dsn).run("drop role if exists weak", "create role weak login password 'weak'")
        parts = conninfo_to_dict(dsn) | {"user": "weak", "password": "weak"}
        weak = " ".join(f"{key}='{value}'" for key, value in parts.items() if value is not None)
        with pytest.raises(SettingInvalid) as told:
            migrate(weak)
    assert "may not create" in told.value.message


def test_every_role_notices_within_seconds_that_its_host_has_vanished(database: str) -> None:
    dsns = dsns_for(database)
    for dsn in (dsns.app, dsns.queue, dsns.root):
        with psycopg.connect(dsn) as conn:
            asked = conn.info.get_parameters()
        assert {name: asked.get(name) for name in LIFELINES} == LIFELINES
        idle, between, count = (int(asked[f"keepalives_{name}"]) for name in ("idle", "interval", "count"))
        assert idle + between * count <= 15
        assert int(asked["tcp_user_timeout"]) <= 15_000
    longer = conninfo_to_dict(dsns_for(f"{database}&connect_timeout=30").app)
    assert longer["connect_timeout"] == "30", "what the administrator says goes first"


def _greet(listener: socket.socket, version: str) -> None:
    """Say what a Postgres of a version says at the beginning of a connection."""
    conn, _ = listener.accept()
    with conn:
        while int.from_bytes(conn.recv(65_536)[4:8]) != 3 << 16:
            conn.sendall(b"N")  # no encryption here
        said = b"server_version\0" + version.encode() + b"\0"
        messages = [(b"R", bytes(4)), (b"S", said), (b"Z", b"I")]
        conn.sendall(b"".join(kind + (len(body) + 4).to_bytes(4) + body for kind, body in messages))
        conn.recv(1)


@pytest.mark.parametrize("ask", [migrate, pending])
def test_a_postgres_that_is_too_old_is_refused_by_name(ask: Callable[[str], object]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as threads:
        threads.submit(_greet, listener, "16.9")
        with pytest.raises(SettingInvalid, match="PostgreSQL 16") as refused:
            ask(f"postgresql://u:p@127.0.0.1:{listener.getsockname()[1]}/d")
    assert f"PostgreSQL {OLDEST_SERVER}" in refused.value.hint
