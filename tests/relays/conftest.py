"""A broker, and the store on a test stand."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.adapters.postgres.stand import Stand, open_stand
from tests.relays.broker import Cluster, cluster


@pytest.fixture
def broker() -> Iterator[Cluster]:
    with cluster() as opened:
        yield opened


@pytest_asyncio.fixture
async def stand(database: str) -> AsyncIterator[Stand]:
    async with open_stand(database) as opened:
        yield opened
