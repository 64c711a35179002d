"""The audit's connection, and what is read over it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow, dict_row

from adapters.audit.roots import Leaf, Root
from adapters.postgres.audit.examine import Held, Sealed, Stored, listed
from adapters.postgres.audit.opened import faults
from adapters.postgres.audit.rows import Row, rows_of
from adapters.postgres.guard import store_errors
from adapters.postgres.opening import OpenRows
from adapters.postgres.queries import Queries
from adapters.postgres.vault import Vault
from contracts.errors import IntegrityBroken, KeyMissing


class Connection(psycopg.Connection[DictRow]):
    """The audit's connection, with what opens the events that it follows."""

    vault = Vault()


QUERIES = Queries.load("audit")
PAGE = 200


@contextmanager
def connected(dsn: str, vault: Vault | None = None) -> Iterator[Connection]:
    """Open a connection as ``colony_audit``; without a vault the events of an encrypted database can't be followed.

    Raises:
        StoreUnavailable: Postgres does not answer.
    """
    options = "-c search_path=public -c statement_timeout=600000"
    with (
        store_errors(),
        Connection.connect(
            dsn, autocommit=True, row_factory=dict_row, application_name="colony audit", options=options
        ) as conn,
    ):
        conn.vault = vault or Vault()
        if conn.vault.active and (said := conn.execute(Queries.load("encryption")["marker"].encode()).fetchone()):
            # Once all of a database is encrypted, what is not was put there by somebody else.
            conn.vault.tolerant = said["state"] == "encrypting"
        yield conn


def rows(conn: Connection, statement: str, **params: Any) -> list[DictRow]:
    """Run one of the audit's queries."""
    return conn.execute(QUERIES[statement].encode(), params).fetchall()


def paged(conn: Connection, statement: str, **params: Any) -> Iterator[list[Held]]:
    """Return missions in the order of their ids, so many at a time."""
    after = ""
    while page := rows(conn, statement, after=after, most=PAGE, **params):
        after = page[-1]["mission_id"]
        yield [_held(row) for row in page]


@contextmanager
def moment(conn: Connection) -> Iterator[None]:
    """See the database as it is at one moment, whatever is written meanwhile."""
    first = conn.info.transaction_status == TransactionStatus.IDLE
    with conn.transaction():
        if first:
            conn.execute(QUERIES["snapshot"].encode())
        yield


def of_one_moment(conn: Connection, missions: Sequence[Held]) -> list[Stored]:
    """Return everything that is stored of some missions as they are now, all of one moment."""
    with moment(conn):
        now = rows(conn, "held", missions=[held.mission_id for held in missions])
        return _stored(conn, [_held(row) for row in now])


def _held(row: DictRow) -> Held:
    return Held(**{name: row[name] for name in ("mission_id", "tenant_id", "seq", "head", "status", "pruned")})


def _stored(conn: Connection, missions: Sequence[Held]) -> list[Stored]:
    names = [held.mission_id for held in missions]
    tenants = {held.mission_id: held.tenant_id for held in missions}
    vault = getattr(conn, "vault", Vault())
    wrong = faults(conn, vault, tenants) if vault.active else {}
    by_mission: dict[str, list[Row]] = defaultdict(list)
    for row in rows_of(conn, names):
        what = wrong.get((row.mission_id, row.table, row.key))
        by_mission[row.mission_id].append(row if what is None else replace(row, broken=what))
    events: dict[str, list[DictRow]] = defaultdict(list)
    # A key's name can be changed like any byte; without any key nothing opens, and nothing can be said.
    opening = OpenRows(vault, IntegrityBroken, *([KeyMissing] if vault.active else []))
    for event in rows(conn, "events", missions=names):
        mission_id = event["mission_id"]
        events[mission_id] += opening.of("colony_events", tenants[mission_id], [event])
    return [Stored(held, by_mission[held.mission_id], events[held.mission_id]) for held in missions]


def sealed(conn: Connection, missions: Sequence[str]) -> dict[str, list[Sealed]]:
    """Return what the roots in the database sealed of some missions, the earliest first."""
    found: dict[str, list[Sealed]] = defaultdict(list)
    for row in rows(conn, "sealed", missions=list(missions)):
        leaf = Leaf.read(row["content"])
        rows_of_it = listed(leaf, row["rows"])
        found[row["mission_id"]].append(Sealed(row["number"], leaf, rows_of_it, plaintext=row["plaintext"]))
    return found


def root_of(row: DictRow, leaves: Sequence[bytes] = ()) -> Root:
    """Return a root as the database has it."""
    return Root(row["content"], row["signature"], row["public_key"], tuple(leaves))


def roots(conn: Connection, after: int = 0, most: int = 100) -> Iterator[Root]:
    """Return the roots behind a number, with their leaves."""
    while page := rows(conn, "roots", after=after, most=most):
        numbers = [row["number"] for row in page]
        leaves: dict[int, list[bytes]] = defaultdict(list)
        for leaf in rows(conn, "leaves", numbers=numbers):
            leaves[leaf["number"]].append(leaf["content"])
        yield from (root_of(row, leaves[row["number"]]) for row in page)
        after = numbers[-1]
