"""A laboratory on this test's own database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.graph.lab import Lab, open_lab


@pytest_asyncio.fixture
async def lab(database: str, tmp_path: Path) -> AsyncIterator[Lab]:
    async with open_lab(database, tmp_path) as opened:
        yield opened
