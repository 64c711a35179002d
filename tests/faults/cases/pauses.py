"""A worker is stopped where it is, sleeps past its lease while others take over, and is let go on."""

import asyncio
import random
import signal
from typing import Any

from tests.faults.history import read_lines
from tests.faults.nursery import Process
from tests.faults.people import driven
from tests.faults.stand import TENANTS, Stand
from tests.support import until

# Each is a moment after which a worker that knows nothing of its lost lease would write, or send, at once.
POINTS = (
    "checkpoint[6].before",
    "write[note].before",
    "commit[planner:1].before",
    "checkpoint[3].before",
    "write[patch].after",
    "model[FactSheet].after",
    "commit[question].before",
    "commit[outcome:task].before",
    "claim.after",
    "checkpoint[9].before",
)
_AT_ONCE = 3
# Every other one does not end its runs by itself when it wakes, as where a clock stands still: the fence alone is left.
_UNAWARE = ("own-end",)
# A worker stopped within a transaction holds its mission's row until Postgres ends the transaction, two leases or 5 s;
# the rest is for busy machines.
_TAKEN_OVER_S = 90.0


async def pauses(stand: Stand, count: int, seed: int) -> dict[str, Any]:
    """Pause ``count`` workers, up to three at a time."""
    await stand.serve()
    points = list(POINTS)
    random.Random(seed).shuffle(points)  # noqa: S311
    points = [*POINTS[:_AT_ONCE], *points]
    plan = [points[n % len(points)] for n in range(count)]
    woken = submitted = 0
    for n in range(0, count, _AT_ONCE):
        here = enumerate(plan[n : n + _AT_ONCE], n)
        sleepers = [await stand.worker(stop=point, without=_UNAWARE * (k % 2)) for k, point in here]
        missions: dict[str, str] = {}
        for k, _ in enumerate(sleepers * 2):
            if mission_id := await stand.submit(TENANTS[k % 2], tight=k % _AT_ONCE == 0):
                missions[mission_id] = TENANTS[k % 2]
        submitted += len(missions)
        driving = asyncio.create_task(driven(stand, missions))
        woken += await _slept_and_woken(stand, sleepers, driving)
        await driving
        for sleeper in sleepers:
            await sleeper.kill()
    return {"pauses": woken, "missions": submitted}


async def _slept_and_woken(stand: Stand, sleepers: list[Process], driving: asyncio.Task[None]) -> int:
    """Wait until all sleep, let another worker take their missions over, and wake them."""

    async def asleep() -> bool:
        stopped = {line["pid"] for line in read_lines(stand.note) if line["what"] == "stopped"}
        return stopped >= {sleeper.pid for sleeper in sleepers} or driving.done()

    await until(asleep, "the workers to stop")
    for sleeper in sleepers:
        stand.history.note("stop", "fault", pid=sleeper.pid)
    other = await stand.worker()

    async def taken_over() -> bool:
        pids = [f"%:{sleeper.pid}" for sleeper in sleepers]
        return not await stand.rows("select from colony_leases where worker_id like any(%s)", pids)

    await until(taken_over, "the sleepers' missions to be taken over", _TAKEN_OVER_S)
    for sleeper in sleepers:
        stand.history.note("continue", "fault", pid=sleeper.pid)
        sleeper.signal(signal.SIGCONT)
    await driving
    await other.kill()
    return len(sleepers)
