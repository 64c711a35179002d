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
from adapters.postgres.vault import Vault
from contracts.decisions import ApprovalRequest
from contracts.evidence import WritebackProposal


@dataclass(frozen=True)
class OpenWriteback:
    """A write that may have happened, and is not known to have.

    ``state`` is ``pending``, ``granted``, ``intended`` or ``unknown``; ``over``: nothing will send it any more,
    since its mission can't go on and the last sending is a minute ago.
    """

    mission_id: str
    tenant_id: str
    state: str
    proposal: WritebackProposal
    over: bool = False


def open_writebacks(dsn: str, vault: Vault | None = None) -> list[OpenWriteback] | None:
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
    vault = vault or Vault()
    return [one for row in rows for one in _asked(row, vault)]


def unresolved_writebacks(dsn: str, vault: Vault | None = None) -> list[OpenWriteback]:
    """Return the writes of missions that have ended, of which nobody knows whether they happened.

    Raises:
        StoreUnavailable: Postgres does not answer.
    """
    with _administrator(dsn) as conn:
        conn.execute("set role colony_backup")
        rows = conn.execute(Queries.load("maintenance")["unresolved_writebacks"]).fetchall()
    vault = vault or Vault()
    return [_begun(vault.opened("colony_writebacks", row["tenant_id"], row)) for row in rows]


def _begun(row: Mapping[str, Any]) -> OpenWriteback:
    proposal = WritebackProposal.model_validate(row["payload"])
    return OpenWriteback(row["mission_id"], row["tenant_id"], row["state"], proposal, row["over"])


def _asked(row: DictRow, vault: Vault) -> list[OpenWriteback]:
    """Return what an approval asks for, or a grant lets through."""
    content = bytes(vault.opened(row["held_in"], row["tenant_id"], row)["content"])
    pending = row["state"] == "pending"
    found = ApprovalRequest.model_validate_json(content).proposals if pending else [_granted(content)]
    return [OpenWriteback(row["mission_id"], row["tenant_id"], row["state"], one) for one in found]


def _granted(content: bytes) -> WritebackProposal:
    return WritebackProposal.model_validate_json(content)


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
