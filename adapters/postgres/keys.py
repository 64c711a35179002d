"""API keys: made once and shown once, stored as a hash, found by a function that says whose a key is."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import DictRow

from adapters.postgres.guard import store_errors
from adapters.postgres.pools import Pool
from adapters.postgres.queries import Queries
from contracts.errors import NotFound

KEY_BEGINS = "ck_"
_KEY = re.compile(r"(ck_[0-9a-f]{16})_([A-Za-z0-9_-]{43})", re.ASCII)


@dataclass(frozen=True)
class NewKey:
    """A key that is wanted.

    Attributes:
        tenant_id: whose it is.
        name: what people know it by.
        actor_id: who it acts as; a key is nobody new, so no one approves with it what they asked for.
        capabilities: what may be done with it.
        made_by: who makes it.
        made_with: the key by which they ask, if it is one; this one ends with it.
        expires_at: until when it holds; for ever if not given.
    """

    tenant_id: str
    name: str
    actor_id: str
    capabilities: frozenset[str]
    made_by: str
    made_with: str | None = None
    expires_at: datetime | None = None


class ApiKeys:
    """Makes, lists, revokes and finds keys. Raises StoreUnavailable where Postgres does not answer."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._q = Queries.load("keys")

    async def create(self, wanted: NewKey) -> tuple[str, DictRow]:
        """Make a key; returns it, which nobody can do again, and what is known of it."""
        key_id, secret = f"{KEY_BEGINS}{secrets.token_hex(8)}", secrets.token_urlsafe(32)
        names = {"key_id": key_id, "digest": _digest(secret), "name": wanted.name, "actor_id": wanted.actor_id}
        more = {"made_by": wanted.made_by, "made_with": wanted.made_with, "expires_at": wanted.expires_at}
        capabilities = sorted(wanted.capabilities)
        rows = await self._as(wanted.tenant_id, "create", **names, **more, capabilities=capabilities)
        return f"{key_id}_{secret}", rows[0]

    async def of_tenant(self, tenant_id: str) -> list[DictRow]:
        """Return a tenant's keys, newest first; never the keys themselves."""
        return await self._as(tenant_id, "list")

    async def revoke(self, tenant_id: str, key_id: str, revoked_by: str) -> Iterable[str]:
        """Revoke a key and all that were made with it, from this moment on; again is as good as once.

        Raises:
            NotFound: this tenant has no such key.
        """
        rows = await self._as(tenant_id, "revoke", key_id=key_id, revoked_by=revoked_by)
        if not rows:
            raise NotFound("there is no such key", code="key_not_found")
        return [str(row["key_id"]) for row in rows]

    async def look_up(self, key: str) -> DictRow | None:
        """Return ``{key_id, tenant_id, actor_id, capabilities}`` of a key that holds now."""
        if (parts := _KEY.fullmatch(key)) is None:
            return None
        with store_errors():
            async with self._pool.connection() as conn:
                asked = {"key_id": parts[1], "digest": _digest(parts[2])}
                return await (await conn.execute(self._q["look_up"], asked)).fetchone()

    async def _as(self, tenant_id: str, statement: str, **params: object) -> list[DictRow]:
        with store_errors():
            async with self._pool.connection() as conn, conn.transaction():
                await self._pool.stamp(conn, tenant_id)
                return await (await conn.execute(self._q[statement], params)).fetchall()


def _digest(secret: str) -> bytes:
    """Return what is stored of a secret; it has 256 bits of randomness, so that a plain hash is enough."""
    return hashlib.sha256(secret.encode()).digest()
