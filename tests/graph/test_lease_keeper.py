"""A run whose lease is gone is stopped, once and in time, unless it gave the lease up itself."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack

import pytest

from contracts.errors import StoreUnavailable
from graph.leases import LeaseKeeper
from tests.nodes.bench import mission


class NothingKept:
    """A store in which no lease is held any more."""

    async def renew(self, held: Mapping[str, int]) -> set[str]:
        return set()

    async def let_go(self, held: Mapping[str, int]) -> None:
        return None


@pytest.mark.parametrize(
    ("released", "stopped"), [pytest.param(False, True, id="taken-away"), pytest.param(True, False, id="given-up")]
)
async def test_a_run_without_its_lease(released: bool, stopped: bool) -> None:
    keeper = LeaseKeeper(NothingKept(), heartbeat_ms=10, lease_ms=1_000)
    end = asyncio.Event()
    driver: asyncio.Task[object] = asyncio.create_task(end.wait())
    async with keeper.keep(mission(), driver, lambda: released):
        assert keeper.holding == 1
        await keeper.beat_once()
        end.set()
        await asyncio.wait([driver])
    assert driver.cancelled() is stopped
    await keeper.idle()


class AllKept(NothingKept):
    """A store in which every lease is held; it remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[dict[str, int]] = []

    async def renew(self, held: Mapping[str, int]) -> set[str]:
        self.asked.append(dict(held))
        return set(held)


class Silent(NothingKept):
    """A store that does not answer."""

    async def renew(self, held: Mapping[str, int]) -> set[str]:
        await asyncio.Event().wait()
        raise AssertionError

    async def let_go(self, held: Mapping[str, int]) -> None:
        await asyncio.Event().wait()


def a_run() -> asyncio.Task[object]:
    return asyncio.create_task(asyncio.Event().wait())


async def test_a_run_that_ends_leaves_a_newer_run_of_its_mission_its_lease() -> None:
    claims = AllKept()
    keeper = LeaseKeeper(claims, heartbeat_ms=10, lease_ms=1_000)
    older, newer = a_run(), a_run()
    async with AsyncExitStack() as first, AsyncExitStack() as second:
        await first.enter_async_context(keeper.keep(mission(epoch=2), older, lambda: True))
        await second.enter_async_context(keeper.keep(mission(epoch=3), newer, lambda: False))
        await first.aclose()
        assert keeper.holding == 1
        await keeper.beat_once()
        assert claims.asked == [{"m-1": 3}]
        assert not newer.cancelling()
    newer.cancel()
    older.cancel()


@pytest.mark.parametrize("epochs", [(2, 3), (3, 2)], ids=["older-first", "newer-first"])
async def test_an_older_run_is_stopped_when_its_process_has_a_newer_one(epochs: tuple[int, int]) -> None:
    keeper = LeaseKeeper(AllKept(), heartbeat_ms=10, lease_ms=1_000)
    runs = {epoch: a_run() for epoch in epochs}
    async with AsyncExitStack() as stack:
        for epoch, run in runs.items():
            await stack.enter_async_context(keeper.keep(mission(epoch=epoch), run, lambda: False))
        await keeper.beat_once()
        await asyncio.wait([runs[2]], timeout=1)
        assert runs[2].cancelled()
        assert not runs[3].cancelling()
    runs[3].cancel()


async def test_a_silent_store_stops_a_run_a_heartbeat_before_others_may_take_its_mission() -> None:
    heartbeat_ms, lease_ms = 200, 800
    keeper = LeaseKeeper(Silent(), heartbeat_ms=heartbeat_ms, lease_ms=lease_ms)
    with pytest.raises(StoreUnavailable):
        async with keeper.keep(mission(mission_id="m-0"), a_run(), lambda: False):
            raise StoreUnavailable("away")  # leaves something to give back
    driver = a_run()
    loop = asyncio.get_running_loop()
    began = loop.time()
    beat = asyncio.create_task(keeper.beat())
    async with keeper.keep(mission(), driver, lambda: False):
        await asyncio.wait([driver], timeout=3)
    assert driver.cancelled()
    assert loop.time() - began < (lease_ms - heartbeat_ms / 2) / 1000
    beat.cancel()


async def test_a_run_without_its_lease_is_cancelled_once_however_long_it_takes_to_end() -> None:
    keeper = LeaseKeeper(NothingKept(), heartbeat_ms=10, lease_ms=1_000)
    end, interrupted = asyncio.Event(), 0

    async def slow() -> None:
        nonlocal interrupted
        while not end.is_set():
            try:
                await end.wait()
            except asyncio.CancelledError:
                interrupted += 1

    driver = asyncio.create_task(slow())
    async with keeper.keep(mission(), driver, lambda: False):
        for _ in range(3):
            await keeper.beat_once()
        end.set()
        await driver
    assert interrupted == 1
