"""One whole mission on each real data set: every metric it releases is the one that plain fractions give."""

from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.catalyst.conftest import Brief
from tests.catalyst.oracle import Row, Spec, differences, expected, read
from tests.support import Service, pretty

Imported = Callable[..., Awaitable[None]]
CHANNELS = [f"Channel{n}" for n in range(5)]
SPENDS, IMPRESSIONS = ([f"{c}_{what}" for c in CHANNELS] for what in ("spend", "impression"))
ORGANIC = "Organic_channel0_impression"


def column(name: str) -> Callable[[Row], str | None]:
    return lambda row: row[name] or None


def start(name: str, length: int) -> Callable[[Row], str | None]:
    return lambda row: row[name][:length] or None


def meridian(numbers: list[str], groups: dict[str, Any], *, conversions: bool) -> Spec:
    rates = {"cpm": (SPENDS, IMPRESSIONS, 1000)}
    if conversions:
        rates |= {
            "cost_per_conversion": (SPENDS, ["conversions"], 1),
            "conversions_per_impression": (["conversions"], IMPRESSIONS, 1),
        }
    return Spec(
        numbers=numbers,
        measures=[*(["conversions"] if conversions else []), *SPENDS, *IMPRESSIONS, ORGANIC],
        groups=groups,
        sums={"spend_total": SPENDS, "impressions_total": IMPRESSIONS},
        rates=rates,
        spend=SPENDS,
    )


def by_channel(rows: list[Row]) -> dict[Any, Any]:
    found = {}
    for channel in CHANNELS:
        spec = Spec((), sums={}, rates={"cpm": ([f"{channel}_spend"], [f"{channel}_impression"], 1000)})
        of_rates = expected(rows, spec)
        found["cpm", channel] = of_rates["cpm", None]
        share = Spec((), rates={"spend_share": ([f"{channel}_spend"], SPENDS, 1)})
        found["spend_share", channel] = expected(rows, share)["spend_share", None]
        for role, name in (("spend", f"{channel}_spend"), ("impressions", f"{channel}_impression")):
            found[f"{role}_total", channel] = expected(rows, Spec((), [name]))[f"{name}_total", None]
    return found


async def test_every_total_and_rate_of_meridian_is_the_recomputed_one(
    shared_data: Path, imported: Imported, brief: Brief
) -> None:
    folder = shared_data / "marketing_meridian_mmm"
    await imported(campaigns=folder / "national_all_channels.csv")
    rows = read(folder / "national_all_channels.csv")
    spec = meridian([n for n in rows[0] if n != "time"], {"year(time)": start("time", 4)}, conversions=True)

    packet = (await brief(campaign_id="national_all_channels"))["packet"]

    assert differences(packet["metrics"], expected(rows, spec) | by_channel(rows)) == []
    assert any(step.startswith("Move budget from Channel") for step in packet["next_steps"]), pretty(
        packet["next_steps"]
    )


async def test_a_document_in_a_folder_is_a_data_set_too(shared_data: Path, imported: Imported, brief: Brief) -> None:
    folder = shared_data / "marketing_meridian_mmm"
    await imported(documents=folder)
    rows = read(folder / "hypothetical_geo_all_channels.csv")
    numbers = [n for n in rows[0] if n not in {"geo", "time"}]
    groups = {"geo": column("geo"), "month(time)": start("time", 7)}
    spec = meridian(numbers, groups, conversions=False)

    packet = (await brief(dataset="hypothetical_geo_all_channels.csv"))["packet"]

    assert differences(packet["metrics"], expected(rows, spec) | by_channel(rows)) == []
    assert "Channel2_impression is 0 in 888 of 1520 rows" in " ".join(packet["findings"])


BANK_TEXTS = (
    "job",
    "marital",
    "education",
    "default",
    "housing",
    "loan",
    "contact",
    "month",
    "day_of_week",
    "poutcome",
)


async def test_every_total_and_rate_of_the_bank_is_the_recomputed_one(
    shared_data: Path, imported: Imported, brief: Brief
) -> None:
    path = shared_data / "marketing_uci_bank" / "bank-additional.csv"
    await imported(campaigns=path)
    rows = read(path, ";")

    def yes(row: Row) -> bool:
        return row["y"] == "yes"

    spec = Spec(
        numbers=[n for n in rows[0] if n not in {*BANK_TEXTS, "y"}],
        groups={name: column(name) for name in (*BANK_TEXTS, "y")},
        counts={"converted_count": yes},
        shares={"conversion_rate": (yes, lambda _: True)},
        outcome="y",
    )

    packet = (await brief(dataset="bank-additional"))["packet"]

    assert differences(packet["metrics"], expected(rows, spec)) == []
    said = " ".join(packet["findings"])
    assert "Risk: duration is known only after the outcome (y): it leaks the answer" in said
    assert "Risk: pdays is 999 in 3959 of 4119 rows" in said
    assert "education is 'unknown' in 167 of 4119 rows" in said
    assert any("poutcome is success" in step for step in packet["next_steps"]), pretty(packet["next_steps"])


def maven(folder: Path) -> tuple[list[Row], Spec]:
    rows = read(folder / "sales_pipeline.csv")
    looked_up: dict[str, Callable[[Row], str | None]] = {}
    for key, table, others in (
        ("sales_agent", "sales_teams", ("manager", "regional_office")),
        ("product", "products", ("series",)),
        ("account", "accounts", ("sector", "office_location", "subsidiary_of")),
    ):
        known = {row[key]: row for row in read(folder / f"{table}.csv")}
        for other in others:
            looked_up[f"{key}->{other}"] = lambda row, k=key, o=other, t=known: t.get(row[k], {}).get(o) or None  # type: ignore[misc]

    def won(row: Row) -> bool:
        return row["deal_stage"] == "Won"

    def lost(row: Row) -> bool:
        return row["deal_stage"] == "Lost"

    spec = Spec(
        numbers=["close_value"],
        measures=["close_value"],
        groups={
            **{name: column(name) for name in ("sales_agent", "product", "deal_stage")},
            **{f"month({name})": start(name, 7) for name in ("engage_date", "close_date")},
            **looked_up,
        },
        counts={"won_count": won, "lost_count": lost},
        shares={"win_rate": (won, lambda row: won(row) or lost(row)), "won_share": (won, lambda _: True)},
        valued={"won_close_value": ("close_value", won)},
        outcome="deal_stage",
    )
    return rows, spec


@pytest.mark.parametrize(
    ("how", "inputs"),
    [
        pytest.param("documents", {"dataset": "sales_pipeline"}, id="imported-as-documents"),
        pytest.param("campaigns", {"campaign_id": "sales_pipeline"}, id="imported-as-campaigns"),
    ],
)
async def test_every_total_and_rate_of_maven_is_the_recomputed_one_and_missing_joins_are_said(
    shared_data: Path, imported: Imported, brief: Brief, how: str, inputs: dict[str, str]
) -> None:
    folder = shared_data / "crm_maven_opportunities"
    if how == "documents":
        await imported(documents=folder)
    else:
        for path in sorted(folder.glob("*.csv")):
            await imported(campaigns=path)
    rows, spec = maven(folder)

    packet = (await brief(**inputs))["packet"]

    assert differences(packet["metrics"], expected(rows, spec)) == []
    said = " ".join(packet["findings"])
    strangers = Counter(r["product"] for r in rows) - Counter(
        {r["product"]: 9999 for r in read(folder / "products.csv")}
    )
    assert strangers == {"GTXPro": 1480}
    assert "Missing join: product 'GTXPro' is not in products" in said
    assert "(1480 of 8800 rows); it looks like 'GTX Pro'" in said
    assert "Missing join: 1425 of 8800 rows name no account" in said
    assert any("Correct product 'GTXPro' to 'GTX Pro'" in step for step in packet["next_steps"])


async def test_a_brief_is_released_with_claims_that_recompute_and_writes_nothing(
    shared_data: Path, service: Service, imported: Imported, brief: Brief
) -> None:
    path = shared_data / "marketing_uci_bank" / "bank-additional.csv"
    await imported(campaigns=path)

    mission = await brief(campaign_id="bank-additional")

    packet = mission["packet"]
    assert packet["writebacks"] == []
    assert packet["claims"]
    assert {c["status"] for c in packet["claims"]} == {"verified"}
    [evidence] = await service.artifacts(mission["mission_id"], "research_artifact")
    text = evidence["payload"]["text"]
    header = text.split("\n", 1)[0]
    for claim in packet["claims"]:
        [cited] = claim["citations"]
        assert text[cited["start"] : cited["end"]] == cited["quote"] == header
    assert mission["usage"]["model_calls"] == 0
