"""Five people answer one approval at the same moment, each in another way: one wins, the others are told.

They approve, reject and edit; some cancel the mission instead, and for some the deadline is just over.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.faults.history import read_lines
from tests.faults.people import driven
from tests.faults.stand import TENANTS, Stand
from tests.support import until

_RACERS = 5
_BATCH = 10
_RACES_AT_ONCE = 3
# Two workers look for what is overdue every 200 ms: answers come as early and as late as they do.
_WITHIN_S = 0.2
MIXED = ("approve", "reject", "edit", "cancel", "expire")


async def answers(stand: Stand, count: int, seed: int, verdicts: Sequence[str] = MIXED) -> dict[str, Any]:
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
        races = (_race(stand, mission, tenant, chance, verdicts, some) for mission, tenant in batch.items())
        # One whose answers an overloaded API all turned away was no race.
        raced += sum(await asyncio.gather(*races))
        await driven(stand, batch, verdict=None)
    ended = Counter(
        f"{line.get('verdict', line['op'])} {line['kind']}"
        for line in read_lines(stand.folder / "history.jsonl")
        if line["op"] in {"answer", "cancel"} and line["kind"] != "invoke"
    )
    expired = await stand.rows("select count(*) as n from colony_missions where status = 'expired'")
    won = {what.split()[0]: n for what, n in sorted(ended.items()) if what.endswith(" ok")} | {
        "expire": expired[0]["n"]
    }
    refused = sum(n for what, n in ended.items() if what.endswith(" fail"))
    return {"races": raced, "answers": ended.total(), "accepted": won, "refused": refused}


async def _race(
    stand: Stand,
    mission_id: str,
    tenant: str,
    chance: random.Random,
    verdicts: Sequence[str],
    some: asyncio.Semaphore,
) -> bool:
    shown = await until(lambda: stand.pending(tenant, mission_id), f"the question of {mission_id} to be shown")
    mixed = [*verdicts[:2], *chance.choices(verdicts, k=_RACERS - 2)]
    chance.shuffle(mixed)
    within_s = _WITHIN_S if "expire" in mixed else 0

    async def racer(n: int, verdict: str) -> bool:
        if verdict == "expire":
            await stand.overdue(tenant, mission_id)
            return False
        await asyncio.sleep(chance.uniform(0, within_s))
        who = {"subject": f"person-{n}", "mission_id": mission_id}
        if verdict == "cancel":
            path = f"/missions/{mission_id}/cancel"
            return await stand.call("cancel", tenant, "POST", path, {"reason": "not any more"}, **who) is not None
        who.pop("mission_id")
        return await stand.answer(tenant, mission_id, verdict, shown=shown, **who) is not None

    async with some:
        ended = await asyncio.gather(*(racer(n, verdict) for n, verdict in enumerate(mixed)))
    status = await stand.rows("select status from colony_missions where mission_id = %s", mission_id)
    return any(ended) or status[0]["status"] == "expired"
