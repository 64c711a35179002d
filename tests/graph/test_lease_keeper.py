"""A run whose lease is gone is stopped, unless it gave the lease up itself."""

import asyncio
from collections.abc import Mapping

import pytest

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
