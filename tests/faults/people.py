"""The people of a stand: they answer what waits and retry what the root failed, until all missions are at rest."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import psycopg

from tests.faults.stand import AT_REST, PATIENCE_S, Row, Stand


def _nothing_more() -> bool:
    return False


async def driven(
    stand: Stand,
    missions: Mapping[str, str],
    *,
    verdict: str | None = "approve",
    patience_s: float = PATIENCE_S,
    more: Callable[[], bool] = _nothing_more,
) -> None:
    """See missions (id → tenant) to their end, as their people would: answer what waits, retry what the root failed.

    With ``verdict`` None nobody answers. ``more`` tells whether missions are still being added. Gives up quietly
    when there was time enough: the checker says what did not end.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + patience_s
    answered: dict[str, asyncio.Task[Any]] = {}
    retries: dict[str, int] = {}
    while clock() < deadline:
        left = 0
        for row in await _statuses(stand, list(missions)):
            mission_id, tenant, status = row["mission_id"], row["tenant_id"], row["status"]
            if status == "failed" and row["code"] == "root_unavailable" and retries.get(mission_id, 0) < 5:
                retries[mission_id] = retries.get(mission_id, 0) + 1
                path = f"/missions/{mission_id}/retry"
                await stand.call("retry", tenant, "POST", path, {"reason": "again"}, mission_id=mission_id)
            elif status == "awaiting_approval" and verdict is not None:
                task = answered.get(mission_id)
                if task is None or task.done():
                    answered[mission_id] = asyncio.create_task(stand.answer(tenant, mission_id, verdict))
            elif status in AT_REST:
                continue
            left += 1
        if more():
            deadline = clock() + patience_s
        elif not left:
            break
        await asyncio.sleep(0.1)
    await asyncio.gather(*answered.values(), return_exceptions=True)


async def _statuses(stand: Stand, ids: list[str]) -> list[Row]:
    try:
        return await stand.rows(
            "select mission_id, tenant_id, status, payload #>> '{failure,code}' as code from colony_missions "
            "where mission_id = any(%s)",
            ids,
        )
    except psycopg.OperationalError:
        return [{"mission_id": None, "tenant_id": None, "status": "?", "code": None}]
