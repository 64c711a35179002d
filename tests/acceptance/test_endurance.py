"""A worker that has run many missions is as large as one that has run a few.

``make endurance`` runs 180 and counts connections, too; this is the same measurement over fewer.
"""

from collections.abc import Callable

import pytest

from benchmarks.endurance import SETTLING, endure, growth
from tests.support import Service, Spawned

# One mission's state is a few hundred KB; twenty that were kept would be well over this share of some 190 MB.
MOST_GROWTH = 1.03


@pytest.mark.long
async def test_a_worker_does_not_grow(api: Service, spawn: Callable[..., Spawned], database: str) -> None:
    worker = spawn("worker", ROOT_API_BASE_URL=f"{api.client.base_url}/root")
    samples = await endure(api, worker, database, SETTLING + 15)
    assert growth(samples) < MOST_GROWTH, samples
