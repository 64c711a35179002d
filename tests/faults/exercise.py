"""One fault, brought about on a stand of its own and judged afterwards."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.cases import FAULTS, Run
from tests.faults.checker import Violation, judged
from tests.faults.evidence import collect
from tests.faults.nursery import Nursery
from tests.faults.stand import TIMES, standing


@dataclass(frozen=True)
class Result:
    """What was done and what the checker found."""

    fault: str
    count: int
    seed: int
    seconds: float
    did: dict[str, Any]
    violations: list[Violation] = field(default_factory=list)
    without: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


async def exercise(
    name: str,
    folder: Path,
    dsn: str,
    nursery: Nursery | None = None,
    *,
    count: int,
    seed: int,
    run: Run | None = None,
    without: Sequence[str] = (),
    sabotage: Sequence[str] = (),
    **environment: Any,
) -> Result:
    """Bring a fault about ``count`` times and judge what is left.

    ``without`` names mechanisms that are taken away from processes, ``sabotage`` are statements that take others away
    from the database.
    """
    began = time.monotonic()
    await asyncio.to_thread(folder.mkdir, parents=True)
    async with standing(folder, dsn, nursery, without=without, **environment) as stand:
        await stand.sabotaged(*sabotage)
        did = await (run or FAULTS[name].run)(stand, count, seed)
        at_once = stand.settings().get("MAX_WORKERS_PER_MISSION", 4)
        await collect(stand, fault=name, lease_ms=TIMES["lease_ms"], max_workers_per_mission=at_once)
    took = round(time.monotonic() - began, 1)
    return Result(name, count, seed, took, did, judged(folder), tuple(without))
