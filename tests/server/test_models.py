"""Whole missions over both providers' real clients, against recorded answers: how they end, and what they cost."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from server.verify import render, verify_bytes
from tests.adapters.models.wire import Reply, Wire, replaying
from tests.support import Service, pretty

Serve = Callable[..., Awaitable[Service]]
LOCAL, CLOUD = "tier_local_private", "tier_cloud_standard"
QUESTION = {"question": "Which flats have a garden?"}
DOCUMENT = {
    "document_id": "D-1",
    "title": "Flats",
    "source": "flats.txt",
    "text": "Ground floor flats have a garden.\nUpper floor flats have a balcony.",
    "media_type": "text/plain",
}
# What is Colony's own is the same over either wire; `make test-long` runs the other, too.
ONE_WIRE = pytest.mark.parametrize("wire", ["openai", pytest.param("anthropic", marks=pytest.mark.long)], indirect=True)


@pytest_asyncio.fixture(params=["openai", "anthropic"])
async def wire(request: pytest.FixtureRequest) -> AsyncIterator[Wire]:
    async with replaying(request.param) as served:
        yield served


@pytest_asyncio.fixture
async def cloud() -> AsyncIterator[Wire]:
    """A provider at an address that is not known to be the operator's own."""
    async with replaying("openai", host="0.0.0.0") as served:  # noqa: S104
        yield served


@pytest.fixture
def routed(serve: Serve, tmp_path: Path) -> Callable[..., Awaitable[Service]]:
    """Serve with a routes file: ``await routed(tier_local_private={…}, default="tier_…")``."""

    async def start(default: str = LOCAL, **tiers: Any) -> Service:
        path = tmp_path / "routes.json"
        path.write_text(json.dumps(tiers), encoding="utf-8")
        return await serve(MODEL_ROUTES_FILE=str(path), DEFAULT_MODEL_ROUTE=default)

    return start


async def asked(service: Service, **body: Any) -> dict[str, Any]:
    """Run a mission on a lead until it rests."""
    await service.seed_lead()
    return await service.settled(await service.submit(**body))


async def answered(service: Service) -> dict[str, Any]:
    """Run a question on a document until it rests; it is internal, not personal."""
    await service._put("documents", [DOCUMENT])
    return await service.settled(await service.submit("oracle_advisory", inputs=QUESTION))


async def called(service: Service, mission: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return (task, tier, status) of each recorded model call."""
    events = [e["payload"] for e in await service.events(mission["mission_id"]) if e["event_type"] == "model.called"]
    return sorted((p["task_key"], p["tier"], p["status"]) for p in events)


async def fallbacks(service: Service, mission: dict[str, Any]) -> list[tuple[str, str]]:
    events = [e["payload"] for e in await service.events(mission["mission_id"]) if e["event_type"] == "model.fallback"]
    return [(p["to"], p["outcome"]) for p in events]


async def assert_verifies(service: Service, mission: dict[str, Any]) -> None:
    """Check the mission's bundle offline: calls, decisions and chain agree."""
    answer = await service.client.get(f"/api/colony/missions/{mission['mission_id']}/bundle")
    report = verify_bytes(answer.content)
    assert report.ok, render(report)


async def test_a_mission_runs_on_a_local_model_and_is_charged_what_it_said(wire: Wire, routed: Serve) -> None:
    service = await routed(**{LOCAL: wire.route()})
    waiting = await asked(service)
    assert waiting["status"] == "awaiting_approval", pretty(waiting["failure"])
    found = {f["key"]: f["value"] for f in waiting["packet"]["facts"]}
    assert found == {"area": "Northgate", "budget": "350k", "visit_booked": "true"}
    assert waiting["usage"]["model_calls"] == 2
    assert waiting["usage"]["tokens_in"] == 2 * 321
    assert waiting["usage"]["tokens_out"] == 2 * 87
    assert float(waiting["usage"]["cost_usd"]) == pytest.approx(2 * (321 * 3 + 87 * 15) / 1_000_000)
    answer = await service.post(waiting["mission_id"], "approve")
    assert answer.status_code == 202
    assert (await service.settled(waiting["mission_id"]))["status"] == "completed"


async def test_garbage_is_repaired_once_and_both_calls_are_recorded(wire: Wire, routed: Serve) -> None:
    wire.script("FactSheet", Reply("garbled"), Reply("facts"))
    service = await routed(**{LOCAL: wire.route()})
    waiting = await asked(service)
    assert waiting["status"] == "awaiting_approval", pretty(waiting["failure"])
    assert await called(service, waiting) == [
        ("assess_engagement", LOCAL, "ok"),
        ("extract_facts", LOCAL, "invalid"),
        ("extract_facts", LOCAL, "ok"),
    ]
    assert waiting["usage"]["model_calls"] == 3


@ONE_WIRE
async def test_garbage_twice_fails_the_mission_with_the_reason_and_a_retry_goes_on(wire: Wire, routed: Serve) -> None:
    wire.script("FactSheet", Reply("misfit"))
    service = await routed(**{LOCAL: wire.route()})
    failed = await asked(service)
    assert failed["status"] == "failed"
    assert (failed["failure"]["code"], failed["failure"]["stage"]) == ("model_answer_invalid", "workers")
    assert "facts.0.value: Field required" in failed["failure"]["reason"]
    spent = failed["usage"]
    assert spent["model_calls"] >= 2
    assert spent["tokens_in"] > 0

    wire.script("FactSheet", Reply("facts"))
    assert (await service.post(failed["mission_id"], "retry")).status_code == 202
    waiting = await service.settled(failed["mission_id"])
    assert waiting["status"] == "awaiting_approval", pretty(waiting["failure"])
    assert waiting["usage"]["model_calls"] > spent["model_calls"]


async def test_a_question_that_is_not_personal_goes_to_the_preferred_tier(cloud: Wire, routed: Serve) -> None:
    service = await routed(default=CLOUD, **{CLOUD: cloud.route()})
    ended = await answered(service)
    assert ended["status"] == "completed", pretty(ended["failure"])
    assert ended["packet"]["answer"]["text"] == "Ground floor flats have a garden."
    assert await called(service, ended) == [("answer_question", CLOUD, "ok")]


async def test_a_provider_that_is_away_gives_way_to_the_fallback(cloud: Wire, routed: Serve) -> None:
    cloud.script("CitedAnswer", Reply("unavailable"))
    service = await routed(default=CLOUD, **{CLOUD: cloud.route(fallback=LOCAL)})
    ended = await answered(service)
    assert ended["status"] == "completed", pretty(ended["failure"])
    assert ended["packet"]["answer"]["status"] == "supported"
    tries = [("answer_question", CLOUD, "failed")] * 3
    assert await called(service, ended) == [*tries, ("answer_question", LOCAL, "ok")]
    assert await fallbacks(service, ended) == [(LOCAL, "passed")]
    await assert_verifies(service, ended)


async def test_without_a_fallback_the_mission_fails_and_says_why(cloud: Wire, routed: Serve) -> None:
    cloud.script("CitedAnswer", Reply("facts", cut="clean"))
    service = await routed(default=CLOUD, **{CLOUD: cloud.route()})
    failed = await answered(service)
    assert (failed["status"], failed["failure"]["code"]) == ("failed", "model_stream_truncated")
    assert "broke off" in failed["failure"]["reason"]


async def test_personal_data_stays_on_the_private_tier(cloud: Wire, routed: Serve) -> None:
    service = await routed(default=CLOUD, **{CLOUD: cloud.route()})
    waiting = await asked(service)
    assert waiting["status"] == "awaiting_approval", pretty(waiting["failure"])
    assert {tier for _, tier, _ in await called(service, waiting)} == {LOCAL}
    assert cloud.journal == []


@pytest.mark.parametrize("allowed", [False, True], ids=["by-default", "where-the-operator-allows-it"])
async def test_personal_data_falls_back_only_to_where_policy_lets_it(
    wire: Wire, cloud: Wire, routed: Serve, *, allowed: bool
) -> None:
    wire.script("FactSheet", Reply("unavailable", status=400))
    wire.script("Engagement", Reply("unavailable", status=400))
    service = await routed(**{LOCAL: wire.route(fallback=CLOUD), CLOUD: cloud.route(personal_allowed=allowed)})
    mission = await asked(service)
    assert mission["status"] == ("awaiting_approval" if allowed else "failed"), pretty(mission["failure"])
    assert set(await fallbacks(service, mission)) == {(CLOUD, "passed" if allowed else "blocked")}
    assert bool(cloud.journal) is allowed
    await assert_verifies(service, mission)


def said(text: str) -> list[dict[str, str]]:
    return [{"author": "lead", "text": text}]


@ONE_WIRE
async def test_a_mission_ends_when_its_tokens_are_used_up(wire: Wire, routed: Serve) -> None:
    service = await routed(**{LOCAL: wire.route(max_tokens=300)})
    chats = [
        {"conversation_id": f"C-{n}", "lead_id": "L-1", "channel": "mail", "messages": said(str(n))} for n in range(12)
    ]
    await service.seed_lead()
    await service._put("chats", chats)
    failed = await service.settled(await service.submit(token_budget=3_000))
    assert (failed["status"], failed["failure"]["code"]) == ("failed", "token_budget_exceeded")
    used = failed["usage"]["tokens_in"] + failed["usage"]["tokens_out"]
    assert 3_000 - 2 * 1_000 < used <= 3_000 + 408
    events = [e["event_type"] for e in await service.events(failed["mission_id"])]
    assert "budget.exceeded" in events


async def test_a_rate_limit_is_waited_out_within_the_mission(wire: Wire, routed: Serve) -> None:
    wire.script("FactSheet", Reply("limited", {"retry-after": "0.2"}), Reply("facts"))
    service = await routed(**{LOCAL: wire.route()})
    waiting = await asked(service)
    assert waiting["status"] == "awaiting_approval", pretty(waiting["failure"])
    assert ("extract_facts", LOCAL, "failed") in await called(service, waiting)
    assert waiting["usage"]["tokens_in"] == 2 * 321


async def test_what_a_provider_does_not_say_was_used_is_counted_and_charged(wire: Wire, routed: Serve) -> None:
    wire.script("FactSheet", Reply("facts", usage=False))
    wire.script("Engagement", Reply("engagement", usage=False))
    service = await routed(**{LOCAL: wire.route()})
    waiting = await asked(service)
    assert waiting["status"] == "awaiting_approval", pretty(waiting["failure"])
    assert waiting["usage"]["tokens_in"] > 300
    assert waiting["usage"]["tokens_out"] > 60


@ONE_WIRE
@pytest.mark.parametrize(
    ("reply", "changes", "code"),
    [
        pytest.param(Reply("facts", held=True), {"timeout_ms": 300}, "model_timeout", id="hangs"),
        pytest.param(Reply("limited", {"retry-after": "3600"}), {}, "model_rate_limited", id="wants-an-hour"),
        pytest.param(Reply("unavailable", status=500), {}, "model_unavailable", id="500"),
        pytest.param(Reply("facts", cut="abrupt"), {}, "model_stream_truncated", id="breaks-off"),
    ],
)
async def test_a_provider_that_fails_for_good_fails_the_mission_with_the_reason(
    wire: Wire, routed: Serve, reply: Reply, changes: dict[str, Any], code: str
) -> None:
    wire.script("FactSheet", reply)
    service = await routed(**{LOCAL: wire.route(**changes)})
    failed = await asked(service)
    assert (failed["status"], failed["failure"]["code"]) == ("failed", code)
    assert failed["failure"]["stage"] == "workers"
    assert "MODEL_ROUTES_FILE" in failed["failure"]["hint"]


@ONE_WIRE
async def test_a_number_that_a_model_invents_is_withheld(wire: Wire, routed: Serve) -> None:
    wire.reword(r"50k\",", r"99k\",")
    service = await routed(**{LOCAL: wire.route()})
    waiting = await asked(service)
    assert waiting["status"] == "awaiting_approval", pretty(waiting["failure"])
    assert "399k" not in json.dumps([waiting["packet"], waiting["pending_approval"]["proposals"]])
    assert {f["key"] for f in waiting["packet"]["facts"]} == {"area", "visit_booked"}


CAMPAIGN = "channel,spend,clicks,conversions\nmail,100.10,50,5\nsearch,200.20,40,0\n"


@ONE_WIRE
async def test_a_brief_is_computed_whatever_model_there_is(wire: Wire, routed: Serve) -> None:
    service = await routed(**{LOCAL: wire.route()})
    table = {
        "document_id": "T-1",
        "title": "Spring",
        "source": "spring.csv",
        "text": CAMPAIGN,
        "media_type": "text/csv",
    }
    await service._put("documents", [table])
    mission_id = await service.submit("catalyst_strategy_brief", inputs={"dataset": "spring.csv"})
    ended = await service.settled(mission_id)
    assert ended["status"] == "completed", pretty(ended["failure"])
    totals = {m["name"]: m["value"] for m in ended["packet"]["metrics"] if m.get("group") is None}
    assert (float(totals["spend_total"]), float(totals["conversions_total"])) == (300.3, 5)
    assert ended["usage"]["model_calls"] == len(wire.journal) == 0
