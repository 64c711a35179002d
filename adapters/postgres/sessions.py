"""One running mission: one connection, stamped with its tenant and epoch, for all that the run reads and writes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

from adapters.postgres.claims import Claims
from adapters.postgres.guard import store_errors
from adapters.postgres.ledger import RunLedger
from adapters.postgres.pools import Pool
from contracts.ports import Clock, Mission
from contracts.unbroken import unbroken


@dataclass(frozen=True)
class RunSession:
    """A claimed mission with its ledger and its checkpointer."""

    mission: Mission
    ledger: RunLedger
    saver: AsyncPostgresSaver


class Sessions:
    """Opens a session for a mission that can be claimed."""

    def __init__(self, pool: Pool, claims: Claims, clock: Clock) -> None:
        self._pool = pool
        self._claims = claims
        self._clock = clock

    def of_version(self, graph_version: str) -> Sessions:
        """Return the same for missions of another version of the graph."""
        return Sessions(self._pool, self._claims.of_version(graph_version), self._clock)

    @asynccontextmanager
    async def open(self, mission_id: str, tenant_id: str, *, alone: bool = False) -> AsyncIterator[RunSession | None]:
        """Claim the mission and hold its connection for the block; None when there is nothing to run here.

        Raises:
            RunsAlone: the mission is claimed only where nothing else runs.
            StoreUnavailable: Postgres does not answer.
        """
        with store_errors():
            async with self._pool.connection() as conn:
                mission = await self._claims.claim(conn, mission_id, tenant_id, alone=alone)
                if mission is None:
                    yield None
                    return
                ledger = RunLedger(conn, mission, self._clock)
                try:
                    yield RunSession(mission, ledger, ledger.saver())
                finally:
                    # Whatever the run has left behind: the connection is the next mission's in a moment.
                    await unbroken(ledger.end())
