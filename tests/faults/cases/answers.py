"""Five people answer one approval at the same moment, some with yes, some with no: one wins, the others are told."""

import asyncio
import random
from collections import Counter
from typing import Any

from tests.faults.history import read_lines
from tests.faults.people import driven
from tests.faults.stand import TENANTS, Stand

_RACERS = 5
_BATCH = 10
_RACES_AT_ONCE = 3


async def answers(stand: Stand, count: int, seed: int) -> dict[str, Any]:
    """Race ``count`` approvals, a batch at a time."""
    await stand.serve()
    for _ in range(2):
        await stand.worker()
    chance = random.Random(seed)  # noqa: S311
    raced = 0
    while raced < count:
        batch: dict[str, str] = {}
        for n in range(min(_BATCH, count - raced)):
            if mission_id := await stand.submit(TENANTS[n % 2]):
                batch[mission_id] = TENANTS[n % 2]
        await driven(stand, batch, verdict=None)
        some = asyncio.Semaphore(_RACES_AT_ONCE)
        races = (_race(stand, mission_id, tenant, chance, some) for mission_id, tenant in batch.items())
        # One whose answers an overloaded API all turned away was no race.
        raced += sum(await asyncio.gather(*races))
        await driven(stand, batch, verdict=None)
    ended = Counter(line["kind"] for line in read_lines(stand.folder / "history.jsonl") if line["op"] == "answer")
    return {"races": raced, "answers": ended["invoke"], "accepted": ended["ok"], "refused": ended["fail"]}


async def _race(stand: Stand, mission_id: str, tenant: str, chance: random.Random, some: asyncio.Semaphore) -> bool:
    shown = await stand.pending(tenant, mission_id)
    assert shown is not None, mission_id
    verdicts = ["approve", "reject", *chance.choices(["approve", "reject"], k=_RACERS - 2)]
    chance.shuffle(verdicts)
    async with some:
        ended = await asyncio.gather(
            *(
                stand.answer(tenant, mission_id, verdict, shown=shown, subject=f"person-{n}")
                for n, verdict in enumerate(verdicts)
            )
        )
    return any(ended)
