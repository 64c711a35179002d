"""What the review makes of a brief, who may see which table, and what a third party can verify of it."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.tables import DuckTables
from contracts.errors import BadInput
from contracts.mission import MissionClass
from contracts.packets import AggregationPacket, Metric
from contracts.tables import Aggregate, Formula, Frame, shown, written
from contracts.tasks import TaskPlan
from nodes.aggregator import merged
from nodes.planner import TEMPLATES, selected
from nodes.reviewer import coverage, verdict
from server.verify import render, verify_bytes
from tests.catalyst.conftest import Brief
from tests.policies.build import CATALYST, envelope
from tests.support import Service

Imported = Callable[..., Awaitable[None]]
CAMPAIGNS = Path(__file__).parents[2] / "samples" / "agency" / "campaigns.csv"
PLAN = TaskPlan(tasks=TEMPLATES[MissionClass.CATALYST_STRATEGY_BRIEF], rationale="all")


@pytest.mark.parametrize("revision", [1, 2])
def test_a_metric_that_does_not_recompute_lets_nothing_out(revision: int) -> None:
    review = verdict([], (), (), plan=PLAN, revision=revision, wrong=("cpc: it comes out differently",))
    assert review.verdict == "refuse"
    assert review.reasons == ("1 metrics do not recompute: cpc: it comes out differently",)


def test_an_empty_brief_covers_only_what_it_says_something_on() -> None:
    empty: AggregationPacket = merged([])
    assert coverage(empty, PLAN) == ("risks",)


@pytest.mark.parametrize(
    ("inputs", "needs"),
    [({"campaign_id": "c"}, ("campaign",)), ({"dataset": "d"}, ("dataset",))],
    ids=["campaign", "dataset"],
)
def test_a_plan_needs_the_one_source_that_the_inputs_name(inputs: dict[str, str], needs: tuple[str, ...]) -> None:
    asked = envelope(mission_type=CATALYST, inputs=inputs, requested_outputs=("metrics", "risks"))
    tasks = {t.task_key: t for t in selected(TEMPLATES[CATALYST], asked)}
    assert set(tasks) == {"compute_metrics", "assess_risks"}
    assert tasks["compute_metrics"].needs == needs


async def test_a_brief_verifies_offline(service: Service, imported: Imported, brief: Brief) -> None:
    await imported(campaigns=CAMPAIGNS)
    mission = await brief(campaign_id="CMP-PORTAL")
    bundle = await service.client.get(f"/api/colony/missions/{mission['mission_id']}/bundle")
    report = verify_bytes(bundle.content)
    assert report.ok, render(report)


async def test_the_pass_names_the_table_and_the_record_what_was_read(
    service: Service, imported: Imported, brief: Brief
) -> None:
    await imported(campaigns=CAMPAIGNS)
    mission = await brief(campaign_id="CMP-PORTAL")
    passes = await service.artifacts(mission["mission_id"], "librarian_pass")
    grants = [g for p in passes for g in p["payload"]["grants"]]
    assert [(g["tool"], g["arguments"]) for g in grants] == [("root.get_campaign", {"campaign_id": "CMP-PORTAL"})]
    evidence = await service.artifacts(mission["mission_id"], "research_artifact")
    assert [e["payload"]["source"]["id"] for e in evidence] == ["CMP-PORTAL"]


async def test_the_engine_adds_decimals_and_refuses_what_it_could_only_round() -> None:
    frame = Frame(3, {"g": ["a", "a", None]}, {"n": ["0.1", "0.2", None]})
    total, count = Aggregate("sum", "n"), Aggregate("count", "n")
    [[every], [group]] = await DuckTables().totals(frame, [total, count], [None, "g"])
    assert (every.group, every.rows, every.values) == (None, 3, (Decimal("0.3"), Decimal(2)))
    assert (group.group, group.rows, group.values) == ("a", 2, (Decimal("0.3"), Decimal(2)))
    huge = Frame(20, {}, {"n": ["9" * 37] * 20})
    with pytest.raises(BadInput, match="too large"):
        await DuckTables().totals(huge, [total], [None])


async def test_no_cell_and_no_name_is_part_of_a_statement() -> None:
    evil = "x'); ATTACH '/etc/passwd'; --"
    frame = Frame(1, {evil: [evil]}, {evil: ["1"]})
    [[group]] = await DuckTables().totals(frame, [Aggregate("sum", evil, (evil, evil))], [evil])
    assert (group.group, group.values) == (evil, (Decimal(1),))


FORMULAS = [
    pytest.param(Formula((Aggregate("sum", "spend"),), (Aggregate("count"),)), "sum(spend) / count(rows)", id="plain"),
    pytest.param(Formula((Aggregate("sum", "rows"),)), 'sum("rows")', id="column-called-rows"),
    pytest.param(
        Formula((Aggregate("sum", 'a "b" / c'),), scale=1000), '1000 * sum("a \\"b\\" / c")', id="column-like-a-formula"
    ),
    pytest.param(
        Formula((Aggregate("count", where=(written("y"), 'yes"')),)), 'count(rows where y = "yes\\"")', id="condition"
    ),
]


@pytest.mark.parametrize(("formula", "text"), FORMULAS)
def test_a_formula_is_written_so_that_it_can_be_read_again(formula: Formula, text: str) -> None:
    assert str(formula) == text


SHOWN = [
    pytest.param("12225.75", 12225.75, id="a-number-when-a-double-has-it"),
    pytest.param("100.00", 100, id="whole"),
    pytest.param("1763461078.5000002783963", "1763461078.5000002783963", id="text-when-a-double-has-it-not"),
    pytest.param("0.00001", "0.00001", id="no-exponents"),
    pytest.param("12345678901234567890.5", "12345678901234567890.5", id="large"),
    pytest.param("12345678901234567890123456789012345", "12345678901234567890123456789012345", id="large-and-whole"),
]


@pytest.mark.parametrize(("exact", "value"), SHOWN)
def test_a_value_is_shown_with_all_its_digits(exact: str, value: object) -> None:
    assert shown(Decimal(exact)) == value
    assert type(shown(Decimal(exact))) is type(value)
    metric = Metric(name="n", value=shown(Decimal(exact)), unit="u", formula="sum(n)", rows=1)
    assert Decimal(str(Metric.model_validate_json(metric.model_dump_json()).value)) == Decimal(exact)
