"""One tenant's backlog beside another's single mission: both kinds of sharing together, and what it is like without."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from adapters.postgres.claims import LeaseTimes
from benchmarks.sharing import Bench
from tests.adapters.postgres.backdoor import Backdoor
from tests.support import serving

BACKLOG = 50
TIMES = 5
# The oldest job first, as the queue's own function would hand them out.
FIRST_COME = """
create or replace function queue.colony_next_job(tenants text[], running int[], last_place boolean, version text)
  returns table (id bigint, mission_id text, tenant_id text)
language sql set search_path = queue, pg_temp as $$
  update procrastinate_jobs j set status = 'doing', scheduled_at = clock_timestamp()
  where j.id = (
    select n.id from procrastinate_jobs n where n.status = 'todo' order by n.id for update skip locked limit 1)
  returning j.id, j.args ->> 'mission_id', j.args ->> 'tenant_id'
$$
"""


@pytest_asyncio.fixture
async def on(database: str, tmp_path: Path) -> AsyncIterator[Bench]:
    """A service with its worker in this process, for two tenants."""
    async with serving({"DATABASE_URL": database, "COLONY_HOME": str(tmp_path)}, LeaseTimes()) as service:
        await service.seed_lead()
        bench = Bench(service, database, tmp_path)
        bench.give_leads("big", "small")
        yield bench


async def single(on: Bench) -> float:
    began = time.monotonic()
    await on.settled("small", await on.submit("small"))
    return time.monotonic() - began


@pytest.mark.long
@pytest.mark.parametrize("fair", [pytest.param(True, id="in-turn"), pytest.param(False, id="first-come")])
async def test_a_backlog_does_not_delay_another_tenants_single_mission(on: Bench, fair: bool) -> None:
    if not fair:
        Backdoor(on.dsn).run(FIRST_COME)
    await single(on)
    idle = [await single(on) for _ in range(TIMES)]
    for n in range(BACKLOG):
        await on.submit("big", n)
    beside = [await single(on) for _ in range(TIMES if fair else 1)]
    left = on.waiting("big")
    # The least of each: what else this machine does must not be taken for the backlog's doing.
    ratio = min(beside) / min(idle)
    print(f"idle {min(idle):.2f} s, beside {min(beside):.2f} s, {ratio:.2f} times")  # noqa: T201
    if fair:
        assert left > BACKLOG // 3, "the backlog was nearly over, which proves little"
        assert ratio <= 3, (idle, beside)
    else:
        assert ratio > 3, (idle, beside)
