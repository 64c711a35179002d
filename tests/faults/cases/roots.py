"""A root that fails, hangs, commits before it fails or after, refuses what it did, is busy, drops or doubles calls."""

import random
from typing import Any

from tests.acceptance.root_proxy import Call
from tests.faults.people import driven
from tests.faults.root import MISBEHAVING, Mood
from tests.faults.stand import TENANTS, Stand

_BATCH = 6
_WRITES, _READS = 0.6, 0.1


async def roots(stand: Stand, count: int, seed: int) -> dict[str, Any]:
    """Run missions until the root has misbehaved ``count`` times; it is more often bad at writes than at reads."""
    await stand.serve()
    for _ in range(2):
        await stand.worker()
    chance = random.Random(seed)  # noqa: S311

    def mood(call: Call) -> Mood:
        if stand.root.moods.total() >= count or chance.random() > (_WRITES if call.writes else _READS):
            return Mood.WELL
        return chance.choice(MISBEHAVING)

    stand.root.mood = mood
    missions = 0
    while stand.root.moods.total() < count:
        batch: dict[str, str] = {}
        for n in range(_BATCH):
            if mission_id := await stand.submit(TENANTS[n % 2]):
                batch[mission_id] = TENANTS[n % 2]
        await driven(stand, batch)
        missions += len(batch)
    return {"misbehaviours": dict(stand.root.moods), "missions": missions, "effects": len(stand.root.effects)}
