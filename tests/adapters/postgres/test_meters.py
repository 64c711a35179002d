"""The store's counters: each counts what was committed, once, whoever folds and whatever is pruned."""

import asyncio
from typing import Any

import pytest

from adapters.postgres.reader import MissionReader
from contracts.mission import ModelTier
from contracts.ports import ModelCall, ToolCall
from contracts.stateflow import Stage, Status
from tests.adapters.postgres.stand import Stand
from tests.support import until


async def counted(stand: Stand, name: str, **labels: str) -> float:
    """Return a counter's value, or how many a histogram has seen, over the series with these labels."""
    series, _ = await MissionReader(stand.pool).metrics()
    rows = [r for r in series if r["name"] == name and r["labels"].items() >= labels.items()]
    return float(sum(r["sum"] if name.endswith("_total") else r["count"] for r in rows))


async def gauge(stand: Stand, name: str, **labels: str) -> float:
    _, gauges = await MissionReader(stand.pool).metrics()
    return float(sum(r["value"] for r in gauges if r["name"] == name and r["labels"].items() >= labels.items()))


def model_call(call_id: str, **fields: Any) -> ModelCall:
    given = {"tokens_in": 10, "tokens_out": 5, "cost_usd": 0.25, "duration_ms": 700, "response": b"", **fields}
    return ModelCall(call_id, "t", ModelTier.CLOUD_STANDARD, "openai", "gpt", b"{}", **given)


async def test_a_call_counts_with_its_tokens_its_cost_and_why_it_failed(stand: Stand) -> None:
    async with stand.claimed(await stand.submit()) as session, session.ledger.unit() as unit:
        failed = model_call("mc_2", status="failed", reason="model_timeout", tokens_out=0)
        await unit.spend([model_call("mc_1"), failed], [ToolCall("tc_1", "t", "crm.lead", {}, "failed", None, "x")], 1)
        await unit.spend([model_call("mc_1")], [], 1)  # the same again: stored once, counted once
    assert await counted(stand, "colony_model_calls_total", provider="openai") == 2
    assert await counted(stand, "colony_model_tokens_total", direction="in") == 20
    assert await counted(stand, "colony_model_tokens_total", direction="out") == 5
    assert await counted(stand, "colony_model_cost_usd_total", model="gpt") == 0.5
    assert await counted(stand, "colony_model_call_duration_seconds", model="gpt") == 2
    assert await counted(stand, "colony_provider_failures_total", code="model_timeout", provider="openai") == 1
    assert await counted(stand, "colony_tool_failures_total", tool="crm.lead", code="x") == 1


async def test_a_refused_tools_name_which_may_be_anybodys_invention_is_no_label(stand: Stand) -> None:
    async with stand.claimed(await stand.submit()) as session, session.ledger.unit() as unit:
        await unit.spend([], [ToolCall("tc_1", "t", "ada.marsh@example.com", {}, "refused", None, "no pass")], 1)
    assert await counted(stand, "colony_tool_calls_total", tool="", status="refused") == 1


async def test_stages_count_without_the_wait_for_a_worker(stand: Stand) -> None:
    mission_id = await stand.submit()
    stand.db.run(
        "alter table colony_missions disable trigger all",
        "update colony_missions set stage_entered_at = now() - interval '1 hour'",
        "alter table colony_missions enable trigger all",
    )
    async with stand.claimed(mission_id) as session:
        async with session.ledger.unit() as unit:
            await unit.enter(Stage.PLANNER, "admission:1", {})
        async with session.ledger.unit() as unit:
            await unit.enter(Stage.FINALIZE, "planner:1", {})
            await unit.move(Status.COMPLETED)
    series, _ = await MissionReader(stand.pool).metrics()
    took = {r["labels"]["stage"]: r for r in series if r["name"] == "colony_stage_duration_seconds" and r["count"]}
    assert set(took) == {"admission", "planner", "finalize"}
    assert all(r["sum"] < 60 for r in took.values())
    [queued] = [r for r in series if r["name"] == "colony_mission_queued_seconds" and r["count"]]
    assert queued["sum"] >= 3_600
    assert await counted(stand, "colony_missions_ended_total", status="completed") == 1


async def test_however_many_fold_at_once_nothing_is_counted_twice_or_lost(stand: Stand) -> None:
    folding = True

    async def fold() -> None:
        while folding:
            await stand.claims().fold_metrics()

    folders = [asyncio.create_task(fold()) for _ in range(4)]
    await asyncio.gather(*(stand.submit() for _ in range(60)))
    folding = False
    await asyncio.gather(*folders)
    assert await counted(stand, "colony_missions_started_total") == 60
    assert stand.db.rows("select count(*) as n from colony_metric_deltas")[0]["n"] == 0


async def test_what_is_pruned_stays_counted(stand: Stand) -> None:
    for _ in range(3):
        await stand.submit()
    stand.db.run("set session_replication_role = replica; delete from colony_missions")
    assert await counted(stand, "colony_missions_started_total") == 3
    assert await gauge(stand, "colony_missions") == 0


async def test_without_the_trigger_nothing_counts(stand: Stand) -> None:
    """The saboteur: what the counts rest on is the trigger beside the fact."""
    stand.db.run("drop trigger meter_insert on colony_missions")
    await stand.submit()
    assert await counted(stand, "colony_missions_started_total") == 0


async def test_a_mission_that_nobody_runs_is_seen_with_its_age(stand: Stand) -> None:
    mission_id = await stand.submit()
    assert await gauge(stand, "colony_missions_without_runner") == 1
    async with stand.claimed(mission_id):
        assert await gauge(stand, "colony_missions_without_runner") == 0
        assert await gauge(stand, "colony_leases_held") == 1
        stand.let_leases_lapse()
        assert await gauge(stand, "colony_missions_without_runner") == 1

        async def older() -> bool:
            return await gauge(stand, "colony_missions_without_runner_age_seconds") > 0.01

        await until(older, "its age to grow", 5)
    assert await gauge(stand, "colony_queue_jobs", status="todo") == 1


@pytest.mark.parametrize("table", ["colony_metric_deltas", "colony_metric_totals", "colony_metric_bounds"])
async def test_the_service_itself_can_not_touch_the_counts(stand: Stand, table: str) -> None:
    held = "has_table_privilege('colony_app', %s, 'select, insert, update, delete, truncate') as held"
    assert not stand.db.rows(f"select {held}", table)[0]["held"]
