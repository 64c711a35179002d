"""A worker killed during a model call: what it had set aside counts as spent, and the mission goes on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.acceptance.checks import rows
from tests.acceptance.conftest import WorkerProcess
from tests.adapters.models.wire import Reply, replaying
from tests.support import Service, pretty, until


def _budget(database: str, mission_id: str) -> dict[str, Any]:
    return rows(database, "select * from colony_budgets where mission_id = %s", mission_id)[0]


async def test_tokens_of_a_call_that_was_under_way_stay_set_aside(
    api: Service, start_worker: Callable[..., WorkerProcess], database: str, tmp_path: Path
) -> None:
    async with replaying("openai") as wire:
        wire.script("FactSheet", Reply("facts", held=True), Reply("facts"))
        path = tmp_path / "routes.json"
        path.write_text(json.dumps({"tier_local_private": wire.route(timeout_ms=60_000)}), encoding="utf-8")
        await api.seed_lead()
        mission_id = await api.submit()
        worker = start_worker(MODEL_ROUTES_FILE=str(path))
        await wire.asked.wait()

        async def held() -> int:
            return int(_budget(database, mission_id)["tokens_reserved"])

        lost = await until(held, "the call's tokens to be set aside")
        assert lost > 1_000
        worker.kill()
        left = _budget(database, mission_id)["tokens_reserved"]

        start_worker(MODEL_ROUTES_FILE=str(path))
        waiting = await api.settled(mission_id)
    assert waiting["status"] == "awaiting_approval", pretty(waiting["failure"])
    budget = _budget(database, mission_id)
    assert budget["tokens_reserved"] == left
    recorded = rows(
        database, "select tokens_in + tokens_out as used from colony_model_calls where mission_id = %s", mission_id
    )
    assert sum(row["used"] for row in recorded) == budget["tokens_in"] + budget["tokens_out"]
