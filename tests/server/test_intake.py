"""Missions that processes died with: they run alone, and keep one process of all from others at most."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import pytest_asyncio

from adapters.postgres.provision import dsns_for
from adapters.postgres.queue import MissionQueue
from contracts.errors import RunsAlone
from server.intake import Intake
from tests.adapters.postgres.stand import VERSION, Stand, open_stand
from tests.support import until

_PLACES = 20


class Worker:
    """A real intake over the real queue; its runs last until the test ends them."""

    def __init__(self, queue: MissionQueue) -> None:
        self.running: dict[str, asyncio.Event] = {}
        self.alone: list[str] = []
        self.met: list[str] = []
        self.intake = Intake(queue, self.run, places=_PLACES, rung=asyncio.Event(), away_ms=10_000)

    async def run(self, mission_id: str, tenant_id: str, *, alone: bool = False) -> None:
        if tenant_id.startswith("poison"):
            if not alone:
                self.met.append(mission_id)
                raise RunsAlone("processes have died with this mission")
            self.alone.append(mission_id)
        over = self.running[mission_id] = asyncio.Event()
        try:
            await over.wait()
        finally:
            del self.running[mission_id]

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator["Worker"]:
        work = asyncio.create_task(self.intake.work())
        try:
            yield self
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)


@pytest_asyncio.fixture
async def stand(database: str) -> AsyncIterator[Stand]:
    async with open_stand(database) as opened:
        yield opened


@pytest.mark.long
async def test_of_all_processes_one_gets_free_for_suspects_and_the_others_go_on(stand: Stand, database: str) -> None:
    async with AsyncExitStack() as stack:
        workers = []
        for _ in range(2):
            queue = MissionQueue(dsns_for(database).queue, VERSION)
            await queue.open()
            stack.push_async_callback(queue.close)
            workers.append(await stack.enter_async_context(Worker(queue).at_work()))
        one, two = workers

        async def healthy(tenant: str, many: int) -> None:
            ids = {await stand.submit(tenant) for _ in range(many)}

            async def run() -> bool:
                return ids <= {*one.running, *two.running}

            await until(run, "healthy missions to run", 30.0)

        await healthy("a", 1)
        await healthy("b", 1)
        while not (one.running and two.running):
            await healthy(f"more-{len(one.running) + len(two.running)}", 1)
        poison = [await stand.submit(f"poison-{n}") for n in range(3)]

        async def met() -> bool:
            return {*one.met, *two.met} == set(poison)

        await until(met, "every suspect to be met with", 30.0)
        await healthy("later", 1)
        assert [*one.alone, *two.alone] == [], "both have other missions"
        stand.db.run(
            "alter table colony_missions disable trigger guard",
            "update colony_missions set status = 'cancelled' where tenant_id in ('poison-0', 'poison-1')",
        )
        for worker in workers:
            for over in list(worker.running.values()):
                over.set()

        async def alone() -> bool:
            return [*one.alone, *two.alone] == [poison[-1]]

        await until(alone, "the one that is still wanted to run alone", 30.0)
