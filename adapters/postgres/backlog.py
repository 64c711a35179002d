"""What an operator sees of the outbox: how far behind each channel is, its dead letters, and how to send them again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg.rows import DictRow

from adapters.postgres.guard import store_errors
from adapters.postgres.pools import Pool
from adapters.postgres.queries import Queries


@dataclass(frozen=True)
class Backlog:
    """How far behind one channel is, over all tenants.

    Attributes:
        filled: whether missions from before the channel are counted yet.
        missions: missions with events that were not carried yet.
        events: how many events that is.
        oldest_ms: for how long the oldest of them has waited; never under-reported.
        retrying: missions whose next event was refused at least once.
        dead: dead letters.
    """

    channel: str
    filled: bool
    missions: int
    events: int
    oldest_ms: int
    retrying: int
    dead: int


class Backlogs:
    """Reads and mends the outbox from outside a relay."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._q = Queries.load("outbox")

    async def _rows(self, statement: str, **params: Any) -> list[DictRow]:
        with store_errors():
            async with self._pool.connection() as conn:
                return await (await conn.execute(self._q[statement], params)).fetchall()

    async def read(self) -> list[Backlog]:
        """Return every open channel's backlog; nothing where no channel was ever used."""
        return [Backlog(**row) for row in await self._rows("backlog")]

    async def dead_letters(self, most: int = 100) -> list[DictRow]:
        """Return the newest dead letters."""
        return await self._rows("dead_letters", most=most)

    async def revive(self, channel: str, mission_id: str | None) -> list[str]:
        """Send dead letters again, with what followed them; returns the missions concerned."""
        rows = await self._rows("revive", channel=channel, mission_id=mission_id)
        return [str(row["mission_id"]) for row in rows]

    async def close(self, channel: str) -> bool:
        """Forget a channel, its cursors and its dead letters; tells whether there was one."""
        return bool((await self._rows("close", channel=channel))[0]["closed"])
