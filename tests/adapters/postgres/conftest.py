"""The store on a test stand, on this test's own database."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.adapters.postgres.stand import Stand, open_stand


@pytest_asyncio.fixture
async def stand(database: str) -> AsyncIterator[Stand]:
    async with open_stand(database) as opened:
        yield opened
