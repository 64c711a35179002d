"""The kill switch as the API sees it, and as an administrator has it when no API answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.rows import DictRow, dict_row

from adapters.postgres.guard import store_errors
from adapters.postgres.pools import Pool
from adapters.postgres.queries import Queries
from adapters.postgres.unit import Connection
from contracts.errors import Halted

EVERYBODY = "*"
"""What stands for every tenant; no tenant can have this name."""


async def let_on(conn: Connection, tenant_id: str) -> None:
    """Go on only if nobody has halted the tenant, as of this transaction.

    Raises:
        Halted: somebody has.
    """
    row = await (await conn.execute(Queries.load("halts")["halted"], {"tenant_id": tenant_id})).fetchone()
    if row is None or row["halted"]:
        raise Halted("everything of this tenant is halted")


class Halts:
    """A tenant's own halts. Raises StoreUnavailable where Postgres does not answer."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._q = Queries.load("halts")

    async def halt(self, tenant_id: str, actor_id: str, reason: str) -> DictRow:
        """Stop every run of the tenant and let nothing begin, from the commit on."""
        return (await self._as(tenant_id, "halt", actor_id=actor_id, reason=reason))[0]

    async def lift(self, tenant_id: str, actor_id: str) -> list[DictRow]:
        """Lift what the tenant has halted; one over everybody is not its own to lift."""
        return await self._as(tenant_id, "lift", actor_id=actor_id)

    async def of_tenant(self, tenant_id: str) -> list[DictRow]:
        """Return the tenant's halts and those over everybody, the ones in force first, at most 200."""
        return await self._as(tenant_id, "list", all=False)

    async def _as(self, tenant_id: str, statement: str, **params: object) -> list[DictRow]:
        with store_errors():
            async with self._pool.connection() as conn, conn.transaction():
                await self._pool.stamp(conn, tenant_id)
                found = await conn.execute(self._q[statement], {"tenant_id": tenant_id, **params})
                return await found.fetchall()


class AdministratorsHalts:
    """Halts of any tenant or of everybody, straight in the database."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._q = Queries.load("halts")

    def halt(self, tenant_id: str, actor_id: str, reason: str) -> DictRow:
        """Stop every run of the tenant, or of ``EVERYBODY``, and let nothing begin, from the commit on."""
        with self._connected() as conn:
            names = {"tenant_id": tenant_id, "actor_id": actor_id, "reason": reason}
            return conn.execute(self._q["halt_as_administrator"], names).fetchall()[0]

    def lift(self, tenant_id: str, actor_id: str) -> list[DictRow]:
        """Lift the halts of exactly this tenant, or of ``EVERYBODY``."""
        with self._connected() as conn:
            return conn.execute(self._q["lift"], {"tenant_id": tenant_id, "actor_id": actor_id}).fetchall()

    def all(self) -> list[DictRow]:
        """Return everybody's halts, the ones in force first, at most 200."""
        with self._connected() as conn:
            return conn.execute(self._q["list"], {"all": True, "tenant_id": ""}).fetchall()

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection[DictRow]]:
        with store_errors(), psycopg.connect(self._dsn, autocommit=True, connect_timeout=10, row_factory=dict_row) as c:
            c.execute("set role colony_system")
            yield c
