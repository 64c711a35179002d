"""Bring a database to the present schema: roles, migrations, the queue's and the checkpointer's own tables.

Roles keep authority apart. ``colony_owner`` owns the tables and never logs in; ``colony_app`` is what the service
runs as, owns nothing and can't bypass row-level security; ``colony_system`` owns the few functions that cross tenants;
``colony_queue`` sees the queue and nothing else; ``colony_root`` sees the embedded root and nothing else;
``colony_audit`` reads what missions leave behind and writes the roots that seal it. Three more are taken on by the
administrator for a command: ``colony_backup`` reads everything, ``colony_pruner`` drops what replay alone needs,
``colony_sealer`` encrypts anew what is stored.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import quote

import psycopg
from langgraph.checkpoint.postgres import PostgresSaver
from procrastinate.schema import SchemaManager
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random
from yoyo import get_backend, read_migrations
from yoyo.migrations import MigrationList

from contracts.errors import SettingInvalid, StoreUnavailable

MIGRATIONS = Path(__file__).parent / "migrations"
LOGIN_ROLES = ("colony_app", "colony_queue", "colony_root", "colony_audit")
BACKUP_ROLE, PRUNE_ROLE, SEAL_ROLE = "colony_backup", "colony_pruner", "colony_sealer"
ROLES = ("colony_owner", "colony_system", BACKUP_ROLE, PRUNE_ROLE, SEAL_ROLE, *LOGIN_ROLES)
QUEUE_SCHEMA = "queue"
OWNER_OPTION = "-c role=colony_owner"
OLDEST_SERVER = 17
"""The oldest major version of Postgres that has all the pools ask of it (``transaction_timeout``)."""
# A host that has vanished says nothing: without these, a statement on it waits a quarter of an hour.
LIFELINES = {
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}


@dataclass(frozen=True)
class Dsns:
    """One connection string for each role that logs in. They hold passwords: never print them."""

    app: str
    queue: str
    root: str
    audit: str


def dsns_for(admin_dsn: str) -> Dsns:
    """Derive each role's connection string from the administrator's.

    Passwords are HMACs of the administrator's password, so that every machine with the same ``DATABASE_URL`` derives
    the same ones and none has to be stored. A connection to a host that has vanished ends within seconds, unless the
    administrator's string says otherwise.

    Raises:
        SettingInvalid: the administrator's string can't be parsed or carries no password.
    """
    wrong = SettingInvalid(
        "DATABASE_URL is not a Postgres connection string",
        hint="It must be a URL such as postgresql://user:password@host:5432/database.",
    )
    try:
        parts = conninfo_to_dict(admin_dsn)
    except psycopg.ProgrammingError as exc:
        raise wrong from exc
    if not all(port.isdigit() for port in str(parts.get("port") or "0").split(",") if port):
        raise wrong
    if not parts.get("password"):
        raise SettingInvalid(
            "DATABASE_URL carries no password",
            hint="Give it as postgresql://user:password@host/database; the service's own roles are derived from it.",
        )
    return Dsns(*(_dsn_as(parts, role) for role in LOGIN_ROLES))


def role_password(admin_password: str, role: str) -> str:
    """Derive one role's password from the administrator's."""
    return hmac.new(admin_password.encode(), b"colony role " + role.encode(), hashlib.sha256).hexdigest()


def _dsn_as(parts: Mapping[str, object], role: str) -> str:
    return _url({**LIFELINES, **parts, "user": role, "password": role_password(str(parts["password"]), role)})


def _url(parts: Mapping[str, object]) -> str:
    rest = {k: str(v) for k, v in parts.items() if k not in {"user", "password", "dbname"} and v is not None}
    query = "&".join(f"{k}={quote(v, safe='')}" for k, v in sorted(rest.items()))
    login = f"{quote(str(parts.get('user') or ''), safe='')}:{quote(str(parts.get('password') or ''), safe='')}"
    return f"postgresql://{login}@/{quote(str(parts.get('dbname') or 'postgres'), safe='')}" + (
        f"?{query}" if query else ""
    )


def migrate(admin_dsn: str) -> list[str]:
    """Apply what is missing and return the names of the migrations applied; safe to call from many processes at once.

    Raises:
        SettingInvalid: the administrator's role may not create roles, or the server is too old.
        StoreUnavailable: the database does not answer.
    """
    dsns_for(admin_dsn)
    try:
        with psycopg.connect(admin_dsn, autocommit=True, connect_timeout=10, row_factory=dict_row) as conn:
            _check_version(conn)
            _take_turns(conn)
            _forbid_temporary(conn)
            if not _pending(conn):
                return []
            _patiently(ensure_roles, conn, str(conninfo_to_dict(admin_dsn)["password"]))
            return _apply(conn, admin_dsn)
    except psycopg.errors.InsufficientPrivilege as exc:
        raise SettingInvalid(
            "DATABASE_URL's role may not create Colony's roles and schema",
            hint="Run `colony db migrate` once with an administrator's DATABASE_URL.",
        ) from exc
    except psycopg.OperationalError as exc:
        raise StoreUnavailable("Postgres does not answer") from exc


def pending(admin_dsn: str) -> list[str]:
    """Return the names of the migrations that are not applied yet.

    Raises:
        SettingInvalid: the administrator's string can't be used, or the server is too old.
        StoreUnavailable: the database does not answer.
    """
    dsns_for(admin_dsn)
    try:
        with psycopg.connect(admin_dsn, autocommit=True, connect_timeout=10, row_factory=dict_row) as conn:
            _check_version(conn)
            return _pending(conn)
    except psycopg.OperationalError as exc:
        raise StoreUnavailable("Postgres does not answer") from exc


def _check_version(conn: psycopg.Connection[dict[str, object]]) -> None:
    major = conn.info.server_version // 10_000
    if major < OLDEST_SERVER:
        raise SettingInvalid(
            f"DATABASE_URL's server is PostgreSQL {major}",
            hint=f"Colony needs PostgreSQL {OLDEST_SERVER} or newer; without DATABASE_URL it starts its own.",
        )


def _forbid_temporary(conn: psycopg.Connection[dict[str, object]]) -> None:
    """Take temporary tables from everybody: one goes before the real table wherever its connection is used next.

    Asked at each start, since it is the database's own right: a restore or a copy into another one does not bring it.
    """
    if conn.execute("select has_database_privilege('public', current_database(), 'TEMPORARY') as t").fetchone() == {
        "t": True
    }:
        conn.execute(sql.SQL("revoke temporary on database {} from public").format(sql.Identifier(conn.info.dbname)))


def _take_turns(conn: psycopg.Connection[dict[str, object]]) -> None:
    """Wait for whoever migrates this database now; by asking again, since a wait inside Postgres is a transaction.

    The checkpointer's setup makes indexes concurrently, which waits for every transaction there is.
    """
    lock = "select pg_try_advisory_lock(hashtext('colony migrate')) as mine"
    while conn.execute(lock).fetchone() != {"mine": True}:
        time.sleep(0.1)


# Roles belong to the whole cluster: another database that is being set up may touch the same one at the same moment.
_patiently = Retrying(
    retry=retry_if_exception_type(psycopg.errors.InternalError_),
    stop=stop_after_attempt(20),
    wait=wait_random(0, 0.2),
    reraise=True,
)


def _names() -> list[str]:
    return sorted(p.stem for p in MIGRATIONS.glob("*.sql"))


def _pending(conn: psycopg.Connection[dict[str, object]]) -> list[str]:
    if not (row := conn.execute("select to_regclass('public._yoyo_migration') as t").fetchone()) or row["t"] is None:
        return _names()
    done = {str(r["migration_id"]) for r in conn.execute("select migration_id from public._yoyo_migration").fetchall()}
    return [name for name in _names() if name not in done]


def ensure_roles(conn: psycopg.Connection[dict[str, Any]], admin_password: str) -> None:
    """Make the roles that the cluster lacks, and let the administrator take on those that don't log in."""
    for role in ROLES:
        login = role in LOGIN_ROLES
        known = conn.execute("select from pg_roles where rolname = %s", [role]).fetchone() is not None
        if not known:
            try:
                conn.execute(sql.SQL("create role {} noinherit").format(sql.Identifier(role)))
            except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
                login = False  # another database of this cluster is being set up at this moment, and does the rest
        if login:
            password = role_password(admin_password, role)
            conn.execute(sql.SQL("alter role {} login password {}").format(sql.Identifier(role), sql.Literal(password)))
    conn.execute("grant colony_owner, colony_system, colony_backup, colony_pruner, colony_sealer to current_user")
    conn.execute("grant colony_system to colony_owner")


def _apply(conn: psycopg.Connection[dict[str, object]], admin_dsn: str) -> list[str]:
    pending = _pending(conn)
    database = sql.Identifier(conn.info.dbname)
    conn.execute(sql.SQL("grant connect, create on database {} to colony_owner").format(database))
    conn.execute("grant usage, create on schema public to colony_owner with grant option")
    conn.execute("grant usage on schema public to colony_app, colony_queue, colony_root, colony_audit, colony_system")
    conn.execute("set role colony_owner")
    PostgresSaver(conn).setup()
    _ensure_queue(conn)
    conn.execute("reset role")
    parts = conninfo_to_dict(admin_dsn)
    owner = _url({**parts, "options": OWNER_OPTION}).replace("postgresql://", "postgresql+psycopg://", 1)
    backend = get_backend(owner)
    try:
        with backend.lock():
            migrations = _read()
            backend.apply_migrations(backend.to_apply(migrations))
    finally:
        backend.connection.close()
    return pending


# The library knows migrations by name for the whole process: threads that read them would mix up dependencies.
_reading = Lock()


def _read() -> MigrationList:
    with _reading:
        found = read_migrations(str(MIGRATIONS))
        for migration in found:
            migration.load()
    return found


def _ensure_queue(conn: psycopg.Connection[dict[str, object]]) -> None:
    """Make the queue's schema once; the service may add a job through one definer function and read nothing."""
    if conn.execute("select to_regclass('queue.procrastinate_jobs') as t").fetchone() != {"t": None}:
        return
    conn.execute("create schema if not exists queue")
    with conn.transaction():
        conn.execute("set local search_path = queue")
        conn.execute(SchemaManager.get_schema().encode())
        conn.execute("grant usage on schema queue to colony_queue, colony_app")
        conn.execute("grant select, insert, update, delete on all tables in schema queue to colony_queue")
        conn.execute("grant usage on all sequences in schema queue to colony_queue")
        conn.execute(
            "alter table procrastinate_jobs set (autovacuum_vacuum_scale_factor = 0.02, "
            "autovacuum_analyze_scale_factor = 0.02, autovacuum_analyze_threshold = 200)"
        )
        conn.execute("revoke all on all functions in schema queue from public")
        conn.execute("grant execute on all functions in schema queue to colony_queue")
        conn.execute("alter function procrastinate_defer_jobs_v1 security definer set search_path = queue, pg_temp")
        conn.execute("grant execute on function procrastinate_defer_jobs_v1 to colony_app")
