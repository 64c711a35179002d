"""Connection pools. A connection that comes back forgets whose it was."""

from __future__ import annotations

from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

Pool = AsyncConnectionPool[AsyncConnection[DictRow]]

_FORGET = "select set_config('colony.tenant', '', false), set_config('colony.epoch', '', false)"


async def _forget(conn: AsyncConnection[DictRow]) -> None:
    await conn.execute(_FORGET)


async def open_pool(dsn: str, *, name: str, most: int, least: int = 1, search_path: str = "public, queue") -> Pool:
    """Open a pool of autocommit connections with rows as dicts.

    Args:
        dsn: libpq connection string of the role.
        name: shown in ``pg_stat_activity``.
        most: the largest number of connections.
        least: how many are kept open when idle.
        search_path: schemas that unqualified names are looked up in.
    """
    pool: Pool = AsyncConnectionPool(
        dsn,
        kwargs={
            "autocommit": True,
            "row_factory": dict_row,
            "prepare_threshold": 0,
            "application_name": f"colony {name}",
            "options": f"-c search_path={search_path.replace(' ', '')} -c statement_timeout=60000",
        },
        min_size=least,
        max_size=most,
        timeout=10,
        reconnect_timeout=60,
        reset=_forget,
        check=AsyncConnectionPool.check_connection,
        name=name,
        open=False,
    )
    await pool.open(wait=True, timeout=15)
    return pool
