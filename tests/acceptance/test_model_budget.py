"""A worker killed during a model call: what it had asked for is charged, what it had set aside counts as spent."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.checks import rows
from tests.acceptance.conftest import WorkerProcess
from tests.adapters.models.wire import Reply, replaying
from tests.support import Service, pretty, until


def _budget(database: str, mission_id: str) -> dict[str, Any]:
    return rows(database, "select * from colony_budgets where mission_id = %s", mission_id)[0]


def _calls(database: str, mission_id: str) -> list[str]:
    statement = "select call_id from colony_model_calls where mission_id = %s and task_key = 'extract_facts'"
    return [row["call_id"] for row in rows(database, statement, mission_id)]


@pytest.mark.long  # of the faults, the kills are a slice of it
async def test_a_kill_loses_no_call_and_gives_no_tokens_back(
    api: Service, start_worker: Callable[..., WorkerProcess], database: str, tmp_path: Path
) -> None:
    async with replaying("openai") as wire:
        wire.script("FactSheet", Reply("facts"), Reply("facts", held=True), Reply("facts"))
        path = tmp_path / "routes.json"
        path.write_text(json.dumps({"tier_local_private": wire.route(timeout_ms=60_000)}), encoding="utf-8")
        await api.seed_lead()
        other = [{"author": "lead", "text": "It is me again: have you anything with a garden?"}]
        await api._put("chats", [{"conversation_id": "C-2", "lead_id": "L-1", "channel": "sms", "messages": other}])
        mission_id = await api.submit()
        worker = start_worker(MODEL_ROUTES_FILE=str(path))

        async def second() -> bool:
            return [asked["tool"] for asked in wire.journal].count("FactSheet") == 2

        await until(second, "the second conversation to be asked about")
        # What is set aside is stored before the call goes out, and so is the call before it.
        left = _budget(database, mission_id)["tokens_reserved"]
        [first] = _calls(database, mission_id)
        worker.kill()
        assert left > 1_000
        charged = (await api.mission(mission_id))["usage"]
        assert charged["tokens_in"] >= 321

        start_worker(MODEL_ROUTES_FILE=str(path))
        waiting = await api.settled(mission_id)
    assert waiting["status"] == "awaiting_approval", pretty(waiting["failure"])
    budget = _budget(database, mission_id)
    assert budget["tokens_reserved"] >= 1_000, "what the dead process had set aside was given back"
    assert first in _calls(database, mission_id)
    recorded = rows(
        database, "select tokens_in + tokens_out as used from colony_model_calls where mission_id = %s", mission_id
    )
    assert sum(row["used"] for row in recorded) == budget["tokens_in"] + budget["tokens_out"]
