"""One mission kills every worker that reads its lead, among fifty that harm nobody: it alone is given up."""

from typing import Any

from tests.faults.cases.crowd import supervised
from tests.faults.people import driven
from tests.faults.stand import TENANTS, Stand

_HEALTHY = 50


async def poison(stand: Stand, count: int, seed: int) -> dict[str, Any]:
    """Let ``count`` poison missions run, each among fifty healthy ones."""
    await stand.serve()
    lead = stand.new_lead(TENANTS[0])
    async with supervised(stand, workers=2, poison=lead) as supervisor:
        for n in range(count):
            missions = {}
            for k in range(_HEALTHY + 1):
                tenant = TENANTS[k % 2] if k != _HEALTHY // 2 else TENANTS[0]
                inputs = {"lead_id": lead} if k == _HEALTHY // 2 else None
                mission_id = await stand.accepted(tenant, inputs=inputs)
                missions[mission_id] = tenant
                if inputs:
                    stand.history.note("poison", "fault", mission_id=mission_id, n=n, seed=seed)
            await driven(stand, missions, verdict=None, patience_s=240)
    return {"poison": count, "healthy": count * _HEALTHY, "workers killed": supervisor.restarted}
