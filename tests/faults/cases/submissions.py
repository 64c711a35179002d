"""Twenty programs submit at the same moment under one key, as a client with a nervous retry does."""

import asyncio
from collections import Counter
from typing import Any

from tests.faults.history import read_lines
from tests.faults.stand import TENANTS, Stand

_AT_ONCE = 20


async def submissions(stand: Stand, count: int, seed: int) -> dict[str, Any]:
    """Submit ``count`` times twenty at once; what was accepted is cancelled, since nobody is to work on it."""
    await stand.serve()
    for n in range(count):
        tenant, key = TENANTS[n % 2], f"key-{seed}-{n}"
        inputs = {"lead_id": stand.new_lead(tenant)}
        made = await asyncio.gather(*(stand.submit(tenant, key=key, inputs=inputs) for _ in range(_AT_ONCE)))
        for mission_id in {m for m in made if m}:
            path = f"/missions/{mission_id}/cancel"
            await stand.call("cancel", tenant, "POST", path, {"reason": "counted"}, mission_id=mission_id)
    for tenant in TENANTS:
        await stand.listed(tenant)
    ended = Counter(line["kind"] for line in read_lines(stand.folder / "history.jsonl") if line["op"] == "submit")
    return {"keys": count, "submissions": ended["invoke"], "accepted": ended["ok"], "in doubt": ended["unknown"]}
