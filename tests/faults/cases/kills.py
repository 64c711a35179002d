"""SIGKILL at every point that a worker passes: each is hit on purpose, and some more at any moment."""

import asyncio
import random
from collections import Counter
from typing import Any

from tests.faults.cases.crowd import Crowd
from tests.faults.history import Line, read_lines
from tests.faults.people import driven
from tests.faults.stand import TENANTS, Stand

_SLOTS = 2
_IN_FLIGHT = 4
_REACHED_S = 30.0
# Between the root's commit and our record; and each side of the commit that a whole step is.
_FIRST = ("write[note].after", "write[patch].after", "commit[question].after", "commit[release_gate:1].before")
ANY_MOMENT = "any-moment"


async def every_point(stand: Stand) -> list[str]:
    """Return the points that a mission passes, by letting one pass them."""
    worker = await stand.worker(trace=True)
    mission_id = await stand.accepted()
    await driven(stand, {mission_id: TENANTS[0]})
    await worker.kill()
    return list(dict.fromkeys(line["point"] for line in read_lines(stand.note) if _is_boundary(line)))


def _is_boundary(line: Line) -> bool:
    return line["what"] == "passed" and not line["point"].startswith("lead[")


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
    left, dead = list(reversed(plan)), Counter[str]()
    chance = random.Random(seed)  # noqa: S311

    async def slot() -> None:
        while left:
            await _one(stand, left, dead, chance)

    async with Crowd(stand, at_once=_IN_FLIGHT) as crowd:
        await asyncio.gather(*(slot() for _ in range(_SLOTS)))
        for _ in range(_SLOTS):
            await stand.worker()
    missions = len(crowd.missions) + 1
    return {"kills": sum(dead.values()), "points": len(points), "points hit": len(dead), "missions": missions}


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
