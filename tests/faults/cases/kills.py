"""SIGKILL at every point that a worker passes: each is hit on purpose, and some more at any moment."""

import asyncio
import random
from collections import Counter
from typing import Any

from tests.faults.history import read_lines
from tests.faults.stand import TENANTS, Stand, driven

_SLOTS = 2
_IN_FLIGHT = 4
_REACHED_S = 30.0
# Between the root's commit and our record; and each side of the commit that a whole step is.
_FIRST = ("write[note].after", "write[patch].after", "commit[question].after", "commit[release_gate:1].before")
ANY_MOMENT = "any-moment"


async def every_point(stand: Stand) -> list[str]:
    """Return the points that a mission passes, by letting one pass them."""
    worker = await stand.worker(trace=True)
    mission_id = await stand.submit()
    assert mission_id is not None
    await driven(stand, {mission_id: TENANTS[0]})
    await worker.kill()
    return list(dict.fromkeys(line["point"] for line in read_lines(stand.note) if line["what"] == "passed"))


def planned(points: list[str], count: int, seed: int) -> list[str]:
    """Return ``count`` kills: what matters most, then every point in turn, with one in eight at any moment."""
    chance = random.Random(seed)  # noqa: S311
    plan = [p for p in _FIRST if p in points]
    while len(plan) < count:
        around = [p for p in points if p not in _FIRST] if len(plan) < len(points) else list(points)
        around += [ANY_MOMENT] * (len(around) // 8)
        chance.shuffle(around)
        plan += around
    return plan[:count]


async def kills(stand: Stand, count: int, seed: int) -> dict[str, Any]:
    """Keep workers that are each killed at a point of their own, under a steady crowd of missions."""
    await stand.serve()
    points = await every_point(stand)
    plan = planned(points, count, seed)
    left, missions, dead = list(reversed(plan)), {}, Counter[str]()
    chance = random.Random(seed)  # noqa: S311

    async def slot() -> None:
        while left:
            await _one(stand, left, dead, chance)

    slots = [asyncio.create_task(slot()) for _ in range(_SLOTS)]

    def going_on() -> bool:
        return not all(task.done() for task in slots)

    driving = asyncio.create_task(driven(stand, missions, more=going_on))
    await _crowd(stand, missions, going_on)
    for _ in range(2):
        await stand.worker()
    await asyncio.gather(*slots, driving)
    return {"kills": sum(dead.values()), "points": len(points), "points hit": len(dead), "missions": len(missions) + 1}


async def _one(stand: Stand, left: list[str], dead: Counter[str], chance: random.Random) -> None:
    point = left.pop()
    if point == ANY_MOMENT:
        worker = await stand.worker()
        await asyncio.sleep(chance.uniform(0.2, 1.2))
        stand.history.note("kill", "fault", point=point, pid=worker.pid)
        await worker.kill()
        dead[point] += 1
        return
    worker = await stand.worker(kill=point)
    try:
        await asyncio.wait_for(worker.ended.wait(), _REACHED_S)
    except TimeoutError:
        stand.history.note("kill", "fault", point=point, pid=worker.pid, reached=False)
        await worker.kill()
        left.insert(0, point)
        return
    stand.history.note("kill", "fault", point=point, pid=worker.pid, status=worker.status)
    assert worker.status == -9, worker.output()[-3_000:]
    dead[point] += 1


async def _crowd(stand: Stand, missions: dict[str, str], going_on: Any) -> None:
    """Keep some missions under way for as long as workers are being killed."""
    n = 0
    while going_on():
        at_rest = await stand.rows(
            "select count(*) as n from colony_missions where mission_id = any(%s) and status in "
            "('completed', 'failed', 'blocked', 'rejected', 'cancelled', 'expired')",
            list(missions),
        )
        if len(missions) - at_rest[0]["n"] < _IN_FLIGHT:
            n += 1
            tenant = TENANTS[n % 2]
            if mission_id := await stand.submit(tenant, key=f"crowd-{n}"):
                missions[mission_id] = tenant
            continue
        await asyncio.sleep(0.1)
