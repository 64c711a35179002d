"""Connection pools. A connection that comes back forgets whose it was."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from typing import LiteralString

from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from adapters.postgres.powers import assert_powerless
from adapters.postgres.secrets import tenant_token
from adapters.postgres.steady import SteadyConnection
from adapters.postgres.vault import Vault

STAMP: LiteralString = (
    "select set_config('colony.tenant', %(token)s, %(local)s), set_config('colony.epoch', %(epoch)s, %(local)s)"
)


class Pool(AsyncConnectionPool[SteadyConnection]):
    """Connections that read nothing until they are stamped with a tenant, which needs the database's key."""

    tenants: bytes | None = None
    vault = Vault()

    async def stamp(self, conn: SteadyConnection, tenant_id: str, epoch: str = "", *, local: bool = True) -> None:
        """Make a connection read and write as a tenant: for its transaction, or until it comes back to the pool.

        Args:
            conn: a connection of this or another pool of the same database.
            tenant_id: the tenant.
            epoch: the epoch of the mission that is written, if one is.
            local: whether the stamp ends with the transaction.
        """
        if self.tenants is None:
            raise TypeError(f"the pool {self.name} was opened without the tenants' key")
        token = tenant_token(self.tenants, tenant_id)
        await conn.execute(STAMP, {"token": token, "epoch": epoch, "local": local})


async def _forget(conn: SteadyConnection) -> None:
    await conn.execute(STAMP, {"token": "", "epoch": "", "local": False})


async def _equip(vault: Vault, conn: SteadyConnection) -> None:
    conn.vault = vault


_SHRINK_S = 1.0
_LONGEST_OF_SHORT_MS = 5_000


async def open_pool(
    dsn: str,
    *,
    name: str,
    most: int,
    tenants: bytes | None = None,
    vault: Vault | None = None,
    least: int = 1,
    search_path: str = "public, queue",
    transaction_ms: int = 10_000,
    patience_s: float = 10.0,
) -> Pool:
    """Open a pool of autocommit connections with rows as dicts.

    Args:
        dsn: libpq connection string of the role.
        name: shown in ``pg_stat_activity``.
        most: the largest number of connections.
        tenants: the key that stamps are made with; without it the pool's connections never read as a tenant.
        vault: how payloads are sealed; without it they are stored as they are.
        least: how many are kept open when idle.
        search_path: schemas that unqualified names are looked up in.
        transaction_ms: how long a transaction may lie idle before Postgres ends it: a process that has been stopped
            within one would hold its mission's row for ever.
        patience_s: how long a caller waits for a connection.

    Raises:
        SettingInvalid: the role could see past row-level security.
    """
    settings = {
        "search_path": search_path.replace(" ", ""),
        "statement_timeout": 60_000,
        "idle_in_transaction_session_timeout": transaction_ms,
        # One that was stopped between two statements sent together does not lie idle.
        "transaction_timeout": max(2 * transaction_ms, _LONGEST_OF_SHORT_MS),
    }
    vault = vault or Vault()
    pool = Pool(
        dsn,
        connection_class=SteadyConnection,
        kwargs={
            "autocommit": True,
            "row_factory": dict_row,
            "prepare_threshold": 0,
            "application_name": f"colony {name}",
            "options": " ".join(f"-c {setting}={value}" for setting, value in settings.items()),
        },
        min_size=least,
        max_size=most,
        timeout=patience_s,
        reconnect_timeout=60,
        max_idle=_SHRINK_S,
        configure=partial(_equip, vault),
        reset=_forget,
        check=AsyncConnectionPool.check_connection,
        name=name,
        open=False,
    )
    pool.tenants, pool.vault = tenants, vault
    async with AsyncExitStack() as unless_fit:
        unless_fit.push_async_callback(pool.close)
        await pool.open(wait=True, timeout=15)
        async with pool.connection() as conn:
            await assert_powerless(conn)
        unless_fit.pop_all()
    return pool
