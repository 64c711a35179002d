"""Constitutions as they are stored: the one in force for every check, and proposing, answering and listing them."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

import psycopg
from psycopg.rows import DictRow, dict_row

from adapters.postgres.guard import store_errors
from adapters.postgres.pools import Pool
from adapters.postgres.provision import OWNER_OPTION
from adapters.postgres.queries import Queries
from adapters.postgres.unit import Connection
from contracts.constitution import SignedConstitution, StoredConstitution
from contracts.errors import StoreUnavailable

Became = Literal[
    "proposed", "known", "stale", "unknown", "agreed", "activated", "rejected", "already_activated", "already_rejected"
]
IN_FORCE = Queries.load("constitution")["in_force"]


async def in_force(conn: Connection) -> StoredConstitution | None:
    """Return what the store has as the constitution in force, unverified; none if none was ever activated."""
    row = await (await conn.execute(IN_FORCE.encode())).fetchone()
    return None if row is None else stored(row)


def stored(row: DictRow) -> StoredConstitution:
    """Read a row of ``in_force``."""
    content, signature = row["content"], row["signature"]
    return StoredConstitution(
        sha256=row["sha256"],
        version=row["version"],
        content=None if content is None else bytes(content),
        signature=None if signature is None else bytes(signature),
        key_id=row["key_id"],
        agreed=row["agreed"],
        highest=row["highest"],
    )


def _named(one: SignedConstitution) -> dict[str, Any]:
    document = one.constitution
    return {
        "sha256": document.sha256(),
        "version": document.version,
        "previous": document.previous_sha256,
        "content": document.canonical(),
        "signature": base64.b64decode(one.signature),
        "key_id": one.key_id,
    }


def found(admin_dsn: str, one: SignedConstitution) -> bool:
    """Put a first constitution in force, unless one was activated before; as the administrator.

    Raises:
        StoreUnavailable: Postgres does not answer.
    """
    try:
        with psycopg.connect(admin_dsn, connect_timeout=10, options=OWNER_OPTION) as conn:
            row = conn.execute(Queries.load("constitution")["found"].encode(), _named(one)).fetchone()
    except psycopg.OperationalError as exc:
        raise StoreUnavailable("Postgres does not answer") from exc
    return row is not None and bool(row[0])


def look(dsn: str) -> StoredConstitution | None:
    """Return what is in force, unverified, by a connection of its own as the service's role.

    Raises:
        StoreUnavailable: Postgres does not answer.
    """
    try:
        with psycopg.connect(dsn, connect_timeout=10, row_factory=dict_row) as conn:
            row = conn.execute(IN_FORCE.encode()).fetchone()
    except psycopg.OperationalError as exc:
        raise StoreUnavailable("Postgres does not answer") from exc
    return None if row is None else stored(row)


class ConstitutionStore:
    """Constitutions for the API, a short transaction a call. Raises StoreUnavailable where Postgres doesn't answer."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._q = Queries.load("constitution")

    @asynccontextmanager
    async def _as(self, tenant_id: str) -> AsyncIterator[Connection]:
        with store_errors():
            async with self._pool.connection() as conn, conn.transaction():
                await self._pool.stamp(conn, tenant_id)
                yield conn

    async def in_force(self) -> StoredConstitution | None:
        """Return what is in force, unverified."""
        async with self._as("") as conn:
            return await in_force(conn)

    async def versions(self, tenant_id: str, hashes: Sequence[str] | None = None) -> list[DictRow]:
        """Return documents with what the tenant's people did about them, by hash or all, in the order of proposal."""
        async with self._as(tenant_id) as conn:
            params = {"hashes": None if hashes is None else list(hashes)}
            return await (await conn.execute(self._q["versions"].encode(), params)).fetchall()

    async def propose(self, tenant_id: str, actor_id: str, one: SignedConstitution, reason: str) -> Became:
        """Store a document that somebody wants in force; they have agreed to it."""
        return await self._became(tenant_id, "propose", **_named(one), actor=actor_id, reason=reason)

    async def answer(
        self, tenant_id: str, actor_id: str, sha256: str, *, approves: bool, people: int, reason: str
    ) -> Became:
        """Store one person's answer; it is activated when as many different people have agreed to exactly this."""
        said = {"approves": approves, "people": people, "reason": reason}
        return await self._became(tenant_id, "answer", sha256=sha256, actor=actor_id, **said)

    async def _became(self, tenant_id: str, statement: str, **params: Any) -> Became:
        async with self._as(tenant_id) as conn:
            row = await (await conn.execute(self._q[statement].encode(), params)).fetchone()
        return "unknown" if row is None else row["became"]
