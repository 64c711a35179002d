"""The outbox of one channel: which missions have events that it has not carried, and how far it has come with each.

Events are read per mission by ``seq > relayed_seq``. A mission's seqs commit in order, for they are taken under the
lock of its row; so nothing below a seq that is seen can appear later, which holds for no number that spans missions.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from psycopg.rows import DictRow

from adapters.postgres.guard import store_errors
from adapters.postgres.pools import Pool
from adapters.postgres.queries import Queries
from contracts.ports.relayed import Line

_FILL_MOST = 5_000
_FILL_PAUSE_S = 0.05


@dataclass(frozen=True)
class Settled:
    """What became of a leased line: how far it got, how often its next event was refused, when to go on."""

    line: Line
    upto: int
    attempts: int = 0
    delay_ms: int = 0


class Outbox:
    """One relay's hold on one channel. Every call is one short statement or transaction; nothing is held between."""

    def __init__(self, pool: Pool, channel: str, relay_id: str, *, lease_ms: int) -> None:
        self._pool = pool
        self._names = {"channel": channel, "relay": relay_id}
        self._lease_ms = lease_ms
        self._late: list[tuple[float, Settled]] = []
        self._q = Queries.load("outbox")

    async def _rows(self, statement: str, **params: Any) -> list[DictRow]:
        with store_errors():
            async with self._pool.connection() as conn:
                return await (await conn.execute(self._q[statement], {**self._names, **params})).fetchall()

    async def open(self, *, from_start: bool) -> None:
        """Make sure that events are marked for this channel, those of earlier missions included if it wants them.

        A transaction that was under way when the channel was opened has not marked for it: the missions of before are
        looked for once all those have ended.
        """
        if (await self._rows("open", from_start=from_start))[0]["filled"]:
            return
        horizon = (await self._rows("horizon"))[0]["horizon"]
        while True:
            if (await self._rows("fill", horizon=horizon, most=_FILL_MOST))[0]["filled"]:
                return
            await asyncio.sleep(_FILL_PAUSE_S)

    async def take(self, missions: int, events: int, room: int) -> list[Line]:
        """Lease missions that are behind and return what is to be carried of each.

        Args:
            missions: the most missions.
            events: the most events of each.
            room: bytes that all events together may have; the first is returned whatever its size.
        """
        rows = await self._rows("lease", most=missions, lease_ms=self._lease_ms)
        by_tenant: dict[str, list[Line]] = defaultdict(list)
        for row in rows:
            by_tenant[row["tenant_id"]].append(Line(**row))
        found: list[Line] = []
        late: list[Line] = []
        for tenant_id, lines in by_tenant.items():
            read, room = await self._read(tenant_id, lines, events, room) if room > 0 else (lines, room)
            # With the room used up, a line without events is one that was not read; otherwise its events are gone.
            unread = [line for line in read if room <= 0 and not line.events]
            late += unread
            found += [line for line in read if line not in unread]
        await self.settle([Settled(line, line.relayed_seq, line.attempts) for line in late])
        return found

    async def _read(self, tenant_id: str, lines: Sequence[Line], most: int, room: int) -> tuple[list[Line], int]:
        wanted = {"missions": [x.mission_id for x in lines], "after": [x.relayed_seq for x in lines]}
        with store_errors():
            async with self._pool.connection() as conn, conn.transaction():
                await self._pool.stamp(conn, tenant_id)
                cursor = await conn.execute(self._q["events"], {**wanted, "most": most, "room": room})
                rows = await cursor.fetchall()
        events: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in rows:
            events[row["mission_id"]].append(_event(self._pool.vault.opened("colony_events", tenant_id, row)))
        read = [replace(line, events=tuple(events[line.mission_id])) for line in lines]
        return read, room - (int(rows[-1]["running"]) if rows else 0)

    async def settle(self, settled: Sequence[Settled]) -> None:
        """Move cursors on and give the leases back; a lease that another relay has taken over is left to it.

        A mission that is being written at this moment is settled by the next call, while the lease lasts.
        """
        now = time.monotonic()
        late = [(end, one) for end, one in self._late if end > now]
        late += [(now + self._lease_ms / 1000, one) for one in settled]
        if not late:
            return
        done = await self._settle([one for _, one in late])
        self._late = [(end, one) for end, one in late if one.line.mission_id not in done]

    async def _settle(self, settled: Sequence[Settled]) -> set[str]:
        rows = await self._rows(
            "settle",
            missions=[s.line.mission_id for s in settled],
            upto=[s.upto for s in settled],
            since=[_moment(s) for s in settled],
            tried=[s.attempts for s in settled],
            delay_ms=[s.delay_ms for s in settled],
        )
        return {str(row["mission_id"]) for row in rows}

    async def bury(self, line: Line, count: int, attempts: int, reason: str) -> None:
        """Keep the event after the first ``count`` of the line as a dead letter."""
        event = line.events[count]
        names = {"event_id": event["event_id"], "event_type": event["event_type"], "seq": event["seq"]}
        await self._rows("bury", mission_id=line.mission_id, tried=attempts, reason=reason, **names)


def _event(row: DictRow) -> dict[str, Any]:
    chain = {"seq": row["seq"], "prev_hash": row["prev_hash"], "hash": row["hash"]}
    return {**json.loads(bytes(row["content"])), **chain}


def _moment(settled: Settled) -> str | None:
    """Return when the last carried event was recorded: what is left is no older."""
    done = [event["timestamp"] for event in settled.line.events if event["seq"] <= settled.upto]
    return str(done[-1]) if done else None
