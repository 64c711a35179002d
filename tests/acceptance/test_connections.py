"""Open connections: at most two more for a mission that runs, none for one that waits."""

import asyncio
from collections.abc import Callable

import pytest

from tests.acceptance.checks import rows
from tests.acceptance.conftest import WorkerProcess
from tests.acceptance.root_proxy import Call, RootProxy
from tests.support import Service, until

_RUNNING = 8
_WAITING = 20


def _open(database: str) -> int:
    statement = (
        "select count(*) from pg_stat_activity where datname = current_database() and application_name like 'colony%'"
    )
    return int(rows(database, statement)[0]["count"])


async def _settles_at(database: str, wanted: int) -> None:
    async def there() -> bool:
        return _open(database) == wanted

    await until(there, f"{wanted} open connections, last {_open(database)}")


async def _idle(database: str) -> int:
    """Return how many connections are left when nothing has changed for longer than the pools wait."""
    seen: list[int] = []

    async def steady() -> bool:
        seen.append(_open(database))
        return len(seen) > 150 and len(set(seen[-150:])) == 1

    await until(steady, "the connections to settle")
    return seen[-1]


@pytest.mark.long
async def test_a_running_mission_holds_at_most_two_connections_and_a_waiting_one_none(
    api: Service, root_proxy: RootProxy, start_worker: Callable[..., WorkerProcess], database: str
) -> None:
    held: set[str] = set()
    let_go = asyncio.Event()

    async def hold(call: Call) -> None:
        if call.path.endswith("/chat"):
            held.add(call.headers["traceparent"].split("-")[1])  # one trace is one mission, however often it asks
            await let_go.wait()

    root_proxy.before = hold
    # The last place is for a tenant that has none.
    worker = start_worker(ROOT_API_BASE_URL=root_proxy.base, MAX_CONCURRENT_MISSIONS=str(_RUNNING + 1))

    async def ready() -> bool:
        return "worker ready" in worker.output()

    await until(ready, "the worker")
    await api.seed_lead()
    idle = await _idle(database)

    missions = [await api.submit() for _ in range(_RUNNING)]

    async def all_held() -> bool:
        return len(held) == _RUNNING

    await until(all_held, "eight missions to wait for the root")

    async def two_each() -> int | None:
        return more if (more := _open(database)) - idle <= 2 * _RUNNING else None

    running = await until(two_each, "the calls to the root to be over", 8.0)
    let_go.set()
    missions += [await api.submit() for _ in range(_WAITING - _RUNNING)]
    statuses = {(await api.settled(mission_id))["status"] for mission_id in missions}
    assert statuses == {"awaiting_approval"}
    await _settles_at(database, idle)
    print(f"connections: {idle} idle, {running} with {_RUNNING} running, {idle} with {_WAITING} waiting")  # noqa: T201
