"""The database as its administrator sees it: for looking at everything, and for taking mechanisms away."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.rows import DictRow, dict_row

from adapters.postgres.pools import STAMP
from adapters.postgres.secrets import tenant_token


class Backdoor:
    """The administrator's own connections to one database; a superuser, whom row-level security does not bind."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn

    def connect(self) -> Connection[DictRow]:
        return psycopg.connect(self.dsn, autocommit=True, row_factory=dict_row)

    def rows(self, statement: str, *params: Any) -> list[DictRow]:
        with self.connect() as conn:
            return conn.execute(statement, params or None).fetchall()

    def run(self, *statements: str) -> None:
        with self.connect() as conn:
            for statement in statements:
                conn.execute(statement)

    @contextmanager
    def undone(self) -> Iterator[Connection[DictRow]]:
        """One transaction that leaves nothing behind: whatever is taken away in it comes back."""
        with self.connect() as conn, conn.transaction(force_rollback=True):
            yield conn


def token_of(conn: Connection[DictRow], tenant: str) -> str:
    """Return what proves a tenant, made with the key that only the administrator can read."""
    row = conn.execute("select secret from colony_secrets where purpose = 'tenant'").fetchone()
    assert row is not None
    return tenant_token(bytes(row["secret"]), tenant)


def stamp(conn: Connection[DictRow], tenant: str, epoch: object = "") -> None:
    """Stamp the administrator's connection for its transaction, as a service stamps its own."""
    conn.execute(STAMP, {"token": token_of(conn, tenant), "epoch": str(epoch), "local": True})


def outcome(conn: Connection[DictRow], statement: str, *params: Any) -> str:
    """Try a statement, undo it, and return the SQLSTATE of its refusal, or ``done``."""
    try:
        with conn.transaction(force_rollback=True):
            conn.execute(statement, params or None)
    except psycopg.Error as exc:
        return exc.sqlstate or "lost"
    return "done"


def tables_with(conn: Connection[DictRow], column: str) -> list[str]:
    """Return every table of the database that has a column, as ``schema.table``, from the catalog."""
    found = conn.execute(
        "select n.nspname || '.' || c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace "
        "join pg_attribute a on a.attrelid = c.oid and a.attname = %s and not a.attisdropped "
        "where c.relkind in ('r', 'p') and n.nspname not in ('pg_catalog', 'information_schema') order by 1",
        [column],
    ).fetchall()
    return [str(row["name"]) for row in found]
