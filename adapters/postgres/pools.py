"""Connection pools. A connection that comes back forgets whose it was."""

from __future__ import annotations

from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from adapters.postgres.steady import SteadyConnection

Pool = AsyncConnectionPool[AsyncConnection[DictRow]]

_FORGET = "select set_config('colony.tenant', '', false), set_config('colony.epoch', '', false)"


async def _forget(conn: AsyncConnection[DictRow]) -> None:
    await conn.execute(_FORGET)


_SHRINK_S = 1.0
_LONGEST_OF_SHORT_MS = 5_000


async def open_pool(
    dsn: str,
    *,
    name: str,
    most: int,
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
        least: how many are kept open when idle.
        search_path: schemas that unqualified names are looked up in.
        transaction_ms: how long a transaction may lie idle before Postgres ends it: a process that has been stopped
            within one would hold its mission's row for ever.
        patience_s: how long a caller waits for a connection.
    """
    settings = {
        "search_path": search_path.replace(" ", ""),
        "statement_timeout": 60_000,
        "idle_in_transaction_session_timeout": transaction_ms,
        # One that was stopped between two statements sent together does not lie idle.
        "transaction_timeout": max(2 * transaction_ms, _LONGEST_OF_SHORT_MS),
    }
    pool: Pool = AsyncConnectionPool(
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
        reset=_forget,
        check=AsyncConnectionPool.check_connection,
        name=name,
        open=False,
    )
    await pool.open(wait=True, timeout=15)
    return pool
