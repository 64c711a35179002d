"""The hold that a restore puts on its database: what has to be looked at, and letting go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb

from adapters.postgres.guard import store_errors
from adapters.postgres.queries import Queries
from contracts.evidence import WritebackProposal


@dataclass(frozen=True)
class OpenWriteback:
    """A write that may have happened after the backup: ``state`` is ``pending``, ``granted`` or ``intended``."""

    mission_id: str
    tenant_id: str
    state: str
    proposal: WritebackProposal


def open_writebacks(dsn: str) -> list[OpenWriteback] | None:
    """Return what has to be held against the root; None when the database is not on hold.

    Raises:
        StoreUnavailable: Postgres does not answer.
    """
    queries = Queries.load("maintenance")
    with _administrator(dsn) as conn:
        conn.execute("set role colony_backup")
        if conn.execute("select colony_on_hold() as held").fetchone() != {"held": True}:
            return None
        rows = conn.execute(queries["open_writebacks"]).fetchall()
    return [
        OpenWriteback(r["mission_id"], r["tenant_id"], r["state"], WritebackProposal.model_validate(r["proposal"]))
        for r in rows
    ]


def let_go(dsn: str, report: Mapping[str, Any]) -> None:
    """End the hold and keep what the reconciliation found.

    Raises:
        StoreUnavailable: Postgres does not answer.
    """
    with _administrator(dsn) as conn:
        conn.execute("set role colony_owner")
        conn.execute(Queries.load("maintenance")["release"], {"report": Jsonb(dict(report))})


@contextmanager
def _administrator(dsn: str) -> Iterator[psycopg.Connection[DictRow]]:
    with store_errors(), psycopg.connect(dsn, autocommit=True, connect_timeout=10, row_factory=dict_row) as conn:
        yield conn
