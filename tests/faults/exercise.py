"""One fault, brought about on a stand of its own and judged afterwards."""

import asyncio
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from adapters.postgres.cluster import open_cluster, stop_cluster
from adapters.postgres.provision import migrate
from tests.conftest import FAST
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


@contextmanager
def own_cluster(home: Path, settings: Mapping[str, str] = FAST) -> Iterator[str]:
    """Keep a migrated Postgres for the block; gives the administrator's DSN.

    Even one that is stopped at once may skip the disk: what it has written, the system keeps.
    """
    home.mkdir(parents=True)
    home.chmod(0o755)
    try:
        with open_cluster(home, settings=settings) as cluster:
            migrate(cluster.dsn)
            yield cluster.dsn
    finally:
        stop_cluster(home)


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
    own = run is None and FAULTS[name].own_store
    async with AsyncExitStack() as stack:
        home = None
        if own:
            # Postgres' own account must be able to enter every folder above it.
            place = stack.enter_context(tempfile.TemporaryDirectory(prefix="colony-store-", dir="/tmp"))
            await asyncio.to_thread(Path(place).chmod, 0o755)
            home = Path(place) / "home"
            dsn = await asyncio.to_thread(stack.enter_context, own_cluster(home))
        stand = await stack.enter_async_context(
            standing(folder, dsn, nursery, home=home, without=without, **environment)
        )
        await stand.sabotaged(*sabotage)
        did = await (run or FAULTS[name].run)(stand, count, seed)
        at_once = stand.settings().get("MAX_WORKERS_PER_MISSION", 4)
        misbehaved = stand.root.moods.total()
        facts = {"lease_ms": TIMES["lease_ms"], "max_workers_per_mission": at_once, "misbehaved": misbehaved}
        await collect(stand, fault=name, **facts)
    took = round(time.monotonic() - began, 1)
    return Result(name, count, seed, took, did, judged(folder), tuple(without))
