"""A connection that is never taken from under a statement, and a run's hold on one."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Literal, TypeVar, cast

import psycopg
from psycopg import AsyncConnection
from psycopg.abc import PQGen
from psycopg.rows import DictRow

from adapters.postgres.vault import Vault
from contracts.errors import FenceLost
from contracts.unbroken import unbroken

ReturnedT = TypeVar("ReturnedT")

_BY_ITSELF_S = 1.0
_ASKED_S = 2.0
_AGAIN_S = 0.2
_TICK_S = 0.01


class SteadyConnection(AsyncConnection[DictRow]):
    """A connection on which a statement that was begun comes to its end, even when the task that waits is cancelled.

    Psycopg 3.3.9 crashed the process when a rollback followed a large statement that was cancelled half sent. And a
    socket that is closed under a wait leaves its number with the event loop, which then never tells the next socket
    of that number, a request's, that it may be read.
    """

    vault = Vault()
    """How payloads are sealed that go through this connection."""
    _flight: asyncio.Future[Any] | None = None

    async def wait(
        self,
        gen: PQGen[ReturnedT],
        interval: float = 0.1,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> ReturnedT:
        """Wait for a statement. A cancellation is raised when it has ended: by itself, else by order, else by force.

        Raises:
            OperationalError: the connection was closed meanwhile.
        """
        try:
            first = next(gen)
        except StopIteration as ended:
            # Nothing to wait for is no place to be cancelled at: who enters a pipeline there would never leave it.
            return cast("ReturnedT", ended.value)
        self._flight = running = asyncio.ensure_future(super().wait(_from(first, gen), interval, timeout))
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError:
            await unbroken(self._ended(running))
            raise
        finally:
            self._flight = None
            with suppress(psycopg.Error, RuntimeError):  # one that was left midway would say so to nobody, and in a log
                gen.close()
        if running.cancelled():
            raise psycopg.OperationalError("the connection was closed under a statement")
        return running.result()

    async def _ended(self, running: asyncio.Future[Any]) -> None:
        await asyncio.wait([running], timeout=_BY_ITSELF_S)
        if not running.done():
            with suppress(psycopg.Error):
                await self.cancel_safe(timeout=_ASKED_S)
            await asyncio.wait([running], timeout=_ASKED_S)
        if not running.done():
            await self.close()
        if not running.cancelled():
            running.exception()

    async def close(self) -> None:
        """Close the connection; whoever waits for a statement on it is told first."""
        await unbroken(self._landed())
        await super().close()

    async def _landed(self) -> None:
        while (running := self._flight) is not None and not running.done():
            # The first one has the driver ask the server to stop, the second one ends that.
            running.cancel()
            await asyncio.wait([running], timeout=_TICK_S)


def _from(wanted: Any, gen: PQGen[ReturnedT]) -> PQGen[ReturnedT]:
    """Go on with a statement that has made its first step."""
    while True:
        ready = yield wanted
        try:
            wanted = gen.send(ready)
        except StopIteration as ended:
            return cast("ReturnedT", ended.value)


class Tenure(asyncio.Lock):
    """Who may use a run's connection: one at a time while the run lasts, and nobody after it."""

    _over = False

    def _check(self) -> None:
        if self._over:
            raise FenceLost("this run is over")

    async def acquire(self) -> Literal[True]:
        """Wait for one's turn.

        Raises:
            FenceLost: the run is over, and the connection somebody else's.
        """
        self._check()
        await super().acquire()
        try:
            self._check()
        except FenceLost:
            self.release()
            raise
        return True

    async def end(self, conn: AsyncConnection[DictRow]) -> None:
        """Let nobody begin any more, and return when nobody uses the connection; after a while it is closed."""
        self._over = True
        if not self.locked():
            return
        clock = asyncio.get_running_loop().time
        turn, late = asyncio.ensure_future(super().acquire()), clock() + _ASKED_S
        while not turn.done() and clock() < late:
            # An order ends the statement that runs: who is between two statements begins the next one all the same.
            with suppress(psycopg.Error):
                await conn.cancel_safe(timeout=_ASKED_S)
            await asyncio.wait([turn], timeout=_AGAIN_S)
        if not turn.done():
            await conn.close()
            turn.cancel()
