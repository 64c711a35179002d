"""Briefs on an agency's own campaigns: what can't be divided, what is missing, and periods."""

from collections.abc import Awaitable, Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.catalyst.conftest import Brief
from tests.catalyst.oracle import Row, Spec, differences, expected, read
from tests.support import Service, pretty

Imported = Callable[..., Awaitable[None]]
CAMPAIGNS = Path(__file__).parents[2] / "samples" / "agency" / "campaigns.csv"
NUMBERS = ["impressions", "clicks", "leads", "visits", "sales", "spend", "revenue"]
RATES: dict[str, Any] = {
    "ctr": (["clicks"], ["impressions"], 1),
    "lead_rate": (["leads"], ["clicks"], 1),
    "visit_rate": (["visits"], ["leads"], 1),
    "sale_rate": (["sales"], ["leads"], 1),
    "cpm": (["spend"], ["impressions"], 1000),
    "cpc": (["spend"], ["clicks"], 1),
    "cpl": (["spend"], ["leads"], 1),
    "cost_per_visit": (["spend"], ["visits"], 1),
    "cost_per_sale": (["spend"], ["sales"], 1),
    "roas": (["revenue"], ["spend"], 1),
    "revenue_per_sale": (["revenue"], ["sales"], 1),
}


def spec(*groups: str) -> Spec:
    def column(name: str) -> Callable[[Row], str | None]:
        return lambda row: row[name] or None

    return Spec(NUMBERS, NUMBERS, {name: column(name) for name in groups}, rates=RATES, spend=["spend"])


def rows_of(campaign: str, *, first: str = "", last: str = "9") -> list[Row]:
    return [r for r in read(CAMPAIGNS) if r["campaign_id"] == campaign and first <= r["date"] <= last]


def valued(packet: dict[str, Any], name: str, group: str | None = None) -> Any:
    [metric] = [m for m in packet["metrics"] if (m["name"], m["group"]) == (name, group)]
    return metric["value"]


@pytest.mark.parametrize("campaign", ["CMP-HARBOUR", "CMP-FIRSTHOME", "CMP-NORTHGATE", "CMP-PORTAL", "CMP-SALTMARSH"])
async def test_every_total_and_rate_of_a_campaign_is_the_recomputed_one(
    imported: Imported, brief: Brief, campaign: str
) -> None:
    await imported(campaigns=CAMPAIGNS)

    packet = (await brief(campaign_id=campaign))["packet"]

    assert differences(packet["metrics"], expected(rows_of(campaign), spec("date"))) == []


async def test_nothing_is_divided_by_zero_and_it_is_said_over_how_many_rows(imported: Imported, brief: Brief) -> None:
    await imported(campaigns=CAMPAIGNS)

    packet = (await brief(campaign_id="CMP-SALTMARSH"))["packet"]

    assert valued(packet, "cpc") is None
    assert valued(packet, "cost_per_sale") is None
    assert valued(packet, "spend_total") == 2020
    said = " ".join(packet["findings"])
    assert "cpc can't be computed: sum(clicks) is 0 for all rows (5 rows)" in said
    assert "clicks is 0 in 5 of 5 rows" in said
    assert any("cpc" in step and "zero or missing" in step for step in packet["next_steps"]), pretty(packet)


async def test_a_missing_value_is_counted_and_never_taken_for_zero(imported: Imported, brief: Brief) -> None:
    await imported(campaigns=CAMPAIGNS)

    packet = (await brief(campaign_id="CMP-PORTAL"))["packet"]

    assert valued(packet, "spend_total") == 3600
    assert valued(packet, "spend_count") == 4
    assert valued(packet, "spend_min") == 900
    assert valued(packet, "spend_total", "date=2026-10-29") is None
    assert "spend has no value in 1 of 5 rows" in " ".join(packet["findings"])
    assert "Risk: spend is missing in 1 of 5 rows" in " ".join(packet["findings"])


async def test_a_whole_file_of_campaigns_says_where_to_move_budget(imported: Imported, brief: Brief) -> None:
    await imported(documents=CAMPAIGNS.parent / "documents")
    folder = CAMPAIGNS.parent
    rows = read(CAMPAIGNS)
    await imported(documents=folder)

    packet = (await brief(dataset="campaigns.csv"))["packet"]

    assert differences(packet["metrics"], expected(rows, spec("campaign_id", "name", "channel", "date"))) == []
    by_channel = {
        m["group"]: Fraction(str(m["value"]))
        for m in packet["metrics"]
        if m["name"] == "roas" and m["value"] is not None
    }
    best = max((g for g in by_channel if str(g).startswith("channel=")), key=lambda g: by_channel[g])
    step = next(s for s in packet["next_steps"] if "(channel)" in s)
    assert step.startswith("Move budget from door_drop to " + best.removeprefix("channel="))


PERIODS = [
    pytest.param("2026-10-08", "2026-10-08", "2026-10-08", id="a-day"),
    pytest.param("2026-10-01/2026-10-14", "2026-10-01", "2026-10-14", id="days"),
    pytest.param("2026-10", "2026-10-01", "2026-10-31", id="a-month"),
    pytest.param("2026-Q4", "2026-10-01", "2026-12-31", id="a-quarter"),
]


@pytest.mark.parametrize(("period", "first", "last"), PERIODS)
async def test_a_period_cuts_the_rows_and_stands_in_every_formula(
    imported: Imported, brief: Brief, period: str, first: str, last: str
) -> None:
    await imported(campaigns=CAMPAIGNS)
    rows = rows_of("CMP-FIRSTHOME", first=first, last=last)

    packet = (await brief(campaign_id="CMP-FIRSTHOME", period=period))["packet"]

    wanted = expected(rows, spec("date") if len(rows) > 1 else spec())
    assert differences(packet["metrics"], wanted) == []
    assert all(m["formula"].endswith(f" for date in {first}/{last}") for m in packet["metrics"])


async def test_a_period_outside_the_data_gives_no_number_and_says_what_there_is(
    imported: Imported, brief: Brief
) -> None:
    await imported(campaigns=CAMPAIGNS)

    packet = (await brief(campaign_id="CMP-PORTAL", period="2031"))["packet"]

    assert packet["metrics"] == packet["claims"] == []
    said = " ".join(packet["findings"])
    assert (
        "0 of 5 rows of CMP-PORTAL fall in 2031-01-01 to 2031-12-31 (date runs from 2026-10-01 to 2026-10-29)" in said
    )
    assert packet["next_steps"] == ["Choose a table or a period that has rows: there is nothing to compute from."]


REFUSED = [
    ({}, "missing_input"),
    ({"campaign_id": "a", "dataset": "b"}, "missing_input"),
    ({"dataset": "a", "period": "last month"}, "wrong_input"),
    ({"dataset": "a", "period": "2026-13"}, "wrong_input"),
    ({"dataset": "a", "period": "2026-02-30"}, "wrong_input"),
    ({"dataset": "a", "period": "2026-10-31/2026-10-01"}, "wrong_input"),
    ({"dataset": "a", "period": 2026}, "wrong_input"),
    ({"dataset": ["a"]}, "wrong_input"),
    ({"dataset": "a", "lead_id": "L-1"}, "unknown_input"),
]


async def test_inputs_that_make_no_sense_are_refused_at_submission(service: Service) -> None:
    for inputs, code in REFUSED:
        body = {"mission_type": "catalyst_strategy_brief", "user_goal": "Brief me", "inputs": inputs}
        answer = await service.client.post("/api/colony/missions", json=body)
        assert answer.status_code in {400, 422}, answer.text
        assert answer.json()["code"] == code, inputs


@pytest.mark.parametrize("inputs", [{"campaign_id": "CMP-NONE"}, {"dataset": "nothing.csv"}, {"dataset": "../x/y.csv"}])
async def test_a_table_that_is_not_there_is_named_in_the_failure(service: Service, inputs: dict[str, str]) -> None:
    mission_id = await service.submit("catalyst_strategy_brief", user_goal="Brief me", inputs=inputs)
    mission = await service.settled(mission_id)
    assert mission["status"] == "failed"
    assert mission["failure"]["code"] in {"campaign_not_found", "dataset_not_found"}, pretty(mission["failure"])
    assert mission["packet"] is None
