"""What a role that the service runs as may not be able to: row-level security must bind it."""

from __future__ import annotations

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from adapters.postgres.queries import Queries
from contracts.errors import SettingInvalid


async def assert_powerless(conn: AsyncConnection[DictRow]) -> None:
    """Go on only as a role that row-level security binds: no superuser, no bypass, no owner, member of nothing.

    Raises:
        SettingInvalid: the connection's role can do more; code ``role_too_powerful``.
    """
    for role in await (await conn.execute(Queries.load("powers")["powers"])).fetchall():
        if role["powers"]:
            raise SettingInvalid(
                f"the service would run as the database role {role['name']}, which {role['powers']}",
                code="role_too_powerful",
                hint="Row-level security would not bind it: take that from the role.",
            )
