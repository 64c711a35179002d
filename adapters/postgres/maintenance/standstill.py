"""What stands still in a database: for an operator who asks, not for a service."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.rows import DictRow, dict_row

from adapters.postgres.guard import store_errors
from adapters.postgres.provision import BACKUP_ROLE, pending
from adapters.postgres.queries import Queries


def standstill(dsn: str) -> dict[str, Any] | None:
    """Count, over all tenants, what waits and for how long (seconds); None when the schema is not current.

    Keys: ``on_hold``; ``halt``, one in force, as stored; ``runnable, runnable_age_s, pending, pending_age_s, failed,
    quarantined, unknown``.

    Raises:
        StoreUnavailable: Postgres does not answer.
    """
    rows = _rows(dsn, "standstill")
    return dict(rows[0]) if rows else None


def active_rules(dsn: str) -> list[tuple[str, bytes]] | None:
    """Return every tenant that has rules of its own in force, with their content; None when the schema is not current.

    Raises:
        StoreUnavailable: Postgres does not answer.
    """
    rows = _rows(dsn, "active_rules")
    if rows is None:
        return None
    return [(row["tenant_id"], bytes(row["content"] or b"")) for row in rows if row["version"] is not None]


def _rows(dsn: str, statement: str) -> list[DictRow] | None:
    if pending(dsn):
        return None
    with store_errors(), psycopg.connect(dsn, autocommit=True, connect_timeout=10, row_factory=dict_row) as conn:
        conn.execute(f"set role {BACKUP_ROLE}")
        return conn.execute(Queries.load("maintenance")[statement]).fetchall()
