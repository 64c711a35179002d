"""Tenants' own rules: versions, which one is in force, and the text of whatever ever decided. Nothing is changed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from psycopg.rows import DictRow

from adapters.postgres.guard import store_errors
from adapters.postgres.pools import Pool
from adapters.postgres.queries import Queries
from adapters.postgres.unit import Connection
from contracts.canonical import sha256_hex
from contracts.errors import Conflict, IntegrityBroken, NotFound

Active = tuple[str, bytes | None]
"""The hash of the set that is in force, and its content where it was not known."""


def active_of(rows: Sequence[DictRow]) -> Active | None:
    """Return the active set from what was read of it; None when the shipped rules are in force alone.

    Raises:
        IntegrityBroken: it is not what was activated.
    """
    if not rows or rows[0]["version"] is None:
        return None
    sha256, content = rows[0]["sha256"], rows[0]["content"]
    if sha256 is None or (content is not None and sha256_hex(bytes(content)) != sha256):
        raise IntegrityBroken("the tenant's active rules are not those that were stored")
    return str(sha256), None if content is None else bytes(content)


@dataclass(frozen=True)
class Activation:
    """What is to be in force: a version, or None for the shipped rules alone; ``rules_sha256`` names the whole."""

    tenant_id: str
    version: int | None
    rules_sha256: str
    content: bytes
    actor_id: str
    reason: str


@dataclass(frozen=True)
class TenantsRules:
    """Satisfies ``RuleSource`` for one tenant, outside any run."""

    store: RuleSetStore
    tenant_id: str

    async def active_rules(self, known: Collection[str]) -> Active | None:
        """Return the hash and content of the tenant's active set, without the content of a known one."""
        return active_of(await self.store.rows(self.tenant_id, "active", known=list(known)))

    async def keep_rules(self, rules_sha256: str, content: bytes) -> None:
        """Store rules beside the decisions that they are about to make."""
        await self.store.rows(self.tenant_id, "keep", rules_sha256=rules_sha256, content=content)


_DECISIONS = ("decision", "history")
"""The queries that return stored decisions."""


class RuleSetStore:
    """Rule sets, one short transaction a call."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._q = Queries.load("rulesets")

    def of(self, tenant_id: str) -> TenantsRules:
        """Return one tenant's rules as the policy asks for them."""
        return TenantsRules(self, tenant_id)

    @asynccontextmanager
    async def _as(self, tenant_id: str) -> AsyncIterator[Connection]:
        with store_errors():
            async with self._pool.connection() as conn, conn.transaction():
                await self._pool.stamp(conn, tenant_id)
                yield conn

    async def rows(self, tenant_id: str, statement: str, **params: object) -> list[DictRow]:
        """Run one of the named queries as a tenant."""
        async with self._as(tenant_id) as conn:
            cursor = await conn.execute(self._q[statement], params)
            rows = await cursor.fetchall() if cursor.description else []
        if statement not in _DECISIONS:
            return rows
        return [self._pool.vault.opened("colony_policy_decisions", tenant_id, row) for row in rows]

    async def put(self, tenant_id: str, content: bytes, *, note: str, actor_id: str) -> tuple[int, bool]:
        """Store a checked set; returns its version, and whether it is a new one: the newest once more is not.

        Raises:
            Conflict: somebody else stored one at the same moment.
        """
        named = {"sha256": sha256_hex(content), "content": content, "note": note, "actor_id": actor_id}
        rows = await self.rows(tenant_id, "put", **named)
        if not rows:
            raise Conflict(
                "another set was stored at the same moment", code="rules_moved", hint="Look, then try again."
            )
        return int(rows[0]["version"]), bool(rows[0]["fresh"])

    async def sets(self, tenant_id: str) -> list[DictRow]:
        """Return the versions, newest first, without their content."""
        return await self.rows(tenant_id, "sets")

    async def set(self, tenant_id: str, version: int) -> DictRow:
        """Return one version.

        Raises:
            NotFound: the tenant has none of that number.
            IntegrityBroken: it is not what was stored.
        """
        rows = await self.rows(tenant_id, "set", version=version)
        if not rows:
            raise NotFound("there is no such version of the rules", code="rules_not_found")
        if sha256_hex(bytes(rows[0]["content"])) != rows[0]["sha256"]:
            raise IntegrityBroken("the stored rules do not match their hash")
        return rows[0]

    async def activate(self, wanted: Activation) -> DictRow:
        """Put a version in force, from this commit on; what it means as a whole is kept beside.

        Raises:
            Conflict: somebody else activated one at the same moment.
        """
        async with self._as(wanted.tenant_id) as conn:
            await conn.execute(self._q["keep"], vars(wanted))
            row = await (await conn.execute(self._q["activate"], vars(wanted))).fetchone()
        if row is None:
            raise Conflict(
                "other rules were activated at the same moment", code="rules_moved", hint="Look, then try again."
            )
        return row

    async def activations(self, tenant_id: str, limit: int = 200) -> list[DictRow]:
        """Return who put what in force and when, newest first."""
        return await self.rows(tenant_id, "activations", limit=limit)

    async def kept(self, tenant_id: str, rules_sha256: str) -> bytes:
        """Return the text of rules that decided something once, by their hash.

        Raises:
            NotFound: nothing of this tenant was decided under them.
        """
        rows = await self.rows(tenant_id, "kept", rules_sha256=rules_sha256)
        if not rows:
            raise NotFound("no rules of that hash are kept", code="rules_not_found")
        return bytes(rows[0]["content"])
