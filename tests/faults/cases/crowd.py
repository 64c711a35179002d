"""What faults under load share: missions that keep coming and are seen to their end, and workers that are replaced."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import psycopg

from tests.faults.people import driven
from tests.faults.stand import TENANTS, Stand

_TIGHT_EVERY = 3
_UNDER_WAY = "('received', 'running', 'awaiting_approval')"


@dataclass
class Crowd:
    """Keeps some missions under way for the block, and sees all of them to their end when it is over."""

    stand: Stand
    at_once: int
    missions: dict[str, str] = field(default_factory=dict)
    _open: bool = True
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        self._tasks = [
            asyncio.create_task(self._come()),
            asyncio.create_task(driven(self.stand, self.missions, more=lambda: self._open)),
        ]
        return self

    async def __aexit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._open = False
        if error is not None:
            for task in self._tasks:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=error is not None)

    async def _come(self) -> None:
        n = 0
        while self._open:
            if await self._under_way() < self.at_once:
                n += 1
                tenant = TENANTS[n % 2]
                tight = n % _TIGHT_EVERY == 0
                if mission_id := await self.stand.submit(tenant, key=f"crowd-{n}", tight=tight):
                    self.missions[mission_id] = tenant
                    continue
            await asyncio.sleep(0.1)

    async def _under_way(self) -> int:
        statement = f"select count(*) as n from colony_missions where status in {_UNDER_WAY}"
        try:
            return int((await self.stand.rows(statement))[0]["n"])
        except psycopg.OperationalError:
            return self.at_once


@dataclass
class Supervisor:
    """What a process manager does: a process that ends is started again."""

    restarted: int = 0


@asynccontextmanager
async def supervised(stand: Stand, workers: int, **order: Any) -> AsyncIterator[Supervisor]:
    """Keep workers, and the API if it was started, running for the block."""
    supervisor = Supervisor()

    async def keep() -> None:
        process = await stand.worker(**order)
        while True:
            await process.ended.wait()
            supervisor.restarted += 1
            stand.history.note("restart", "fault", status=process.status)
            process = await stand.worker(**order)

    async def keep_api() -> None:
        while stand.api is not None:
            await stand.api.ended.wait()
            supervisor.restarted += 1
            await stand.serve()

    keepers = [asyncio.create_task(keep()) for _ in range(workers)] + [asyncio.create_task(keep_api())]
    try:
        yield supervisor
    finally:
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
