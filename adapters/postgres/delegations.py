"""Who lets whom answer approvals in their place, and until when. Never deleted: one that was taken back says when."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass

from psycopg.rows import DictRow

from adapters.postgres.guard import store_errors
from adapters.postgres.pools import Pool
from adapters.postgres.queries import Queries
from adapters.postgres.unit import Connection
from contracts.base import ActorId, TenantId
from contracts.errors import NotFound


@dataclass(frozen=True)
class Delegation:
    """One person's right to answer, lent to a person or to whoever holds a role; the time is in milliseconds.

    Attributes:
        made_with: the API key by which they lend it, if it is one; what it lent ends with it.
    """

    delegation_id: str
    tenant_id: TenantId
    actor_id: ActorId
    to_actor: ActorId | None
    to_role: str | None
    reason: str
    duration_ms: int
    made_with: str | None = None


class DelegationStore:
    """Delegations, one short transaction a call."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._q = Queries.load("delegations")

    @asynccontextmanager
    async def _as(self, tenant_id: str) -> AsyncIterator[Connection]:
        with store_errors():
            async with self._pool.connection() as conn, conn.transaction():
                await self._pool.stamp(conn, tenant_id)
                yield conn

    async def lend(self, one: Delegation) -> DictRow:
        """Store a delegation and return it as it is stored."""
        async with self._as(one.tenant_id) as conn:
            await conn.execute(self._q["lend"], vars(one))
            return await self._one(conn, one.delegation_id)

    async def _one(self, conn: Connection, delegation_id: str) -> DictRow:
        row = await (await conn.execute(self._q["one"], {"delegation_id": delegation_id})).fetchone()
        if row is None:
            raise NotFound("there is no such delegation", code="delegation_not_found")
        return row

    async def lends_to(self, tenant_id: str, actor_id: str, roles: Collection[str]) -> bool:
        """Tell whether somebody lends this person their right to answer at present."""
        async with self._as(tenant_id) as conn:
            found = await conn.execute(self._q["lends_to"], {"actor": actor_id, "roles": sorted(roles)})
            return await found.fetchone() is not None

    async def lent(self, tenant_id: str, *, limit: int = 200) -> list[DictRow]:
        """Return the delegations, newest first, those that have ended too."""
        async with self._as(tenant_id) as conn:
            return await (await conn.execute(self._q["lent"], {"limit": limit})).fetchall()

    async def take_back(self, tenant_id: str, delegation_id: str, by: str, *, anyones: bool) -> DictRow:
        """End a delegation now; one that has ended stays as it is.

        Args:
            tenant_id: whose delegation.
            delegation_id: which.
            by: who takes it back.
            anyones: whether they may take back what somebody else has lent.

        Raises:
            NotFound: there is none of that name that this person could take back.
        """
        names = {"delegation_id": delegation_id, "by": by, "anyones": anyones}
        async with self._as(tenant_id) as conn:
            taken = await conn.execute(self._q["take_back"], names)
            if not taken.rowcount:
                raise NotFound("there is no such delegation", code="delegation_not_found")
            return await self._one(conn, delegation_id)
