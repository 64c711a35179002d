"""Whole missions of every class over both providers' clients against aimock."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from server.verify import render, verify_bytes
from tests.adapters.models.wire import Wire
from tests.support import CHAT, Service, pretty

LOCAL = "tier_local_private"
DOCUMENT = {
    "document_id": "D-1",
    "title": "Flats",
    "source": "flats.txt",
    "text": "Ground floor flats have a garden.\nUpper floor flats have a balcony.",
    "media_type": "text/plain",
}
TABLE = {
    "document_id": "T-1",
    "title": "Spring",
    "source": "spring.csv",
    "text": "channel,spend,clicks,conversions\nmail,100.10,50,5\nsearch,200.20,40,0\n",
    "media_type": "text/csv",
}
Routed = Callable[[str], Awaitable[Service]]


@pytest.fixture
def routed(serve: Callable[..., Awaitable[Service]], wire: Wire, tmp_path: Path) -> Routed:
    """Serve with one of aimock's models as the private tier, and something to work on."""

    async def start(model: str) -> Service:
        path = tmp_path / "routes.json"
        path.write_text(json.dumps({LOCAL: wire.route(model=model)}), encoding="utf-8")
        service = await serve(MODEL_ROUTES_FILE=str(path))
        await service.seed_lead()
        await service._put("documents", [DOCUMENT, TABLE])
        return service

    return start


async def finished(service: Service, mission_type: str, **inputs: str) -> dict[str, Any]:
    """Run a mission to its end, approve what it proposes, and check its bundle."""
    mission = await service.settled(await service.submit(mission_type, inputs=inputs))
    if mission["status"] == "awaiting_approval":
        await service.post(mission["mission_id"], "approve")
        mission = await service.settled(mission["mission_id"])
    bundle = await service.client.get(f"/api/colony/missions/{mission['mission_id']}/bundle")
    report = verify_bytes(bundle.content)
    assert report.ok, render(report)
    return mission


async def test_a_mission_of_every_class_is_completed(routed: Routed) -> None:
    service = await routed("steady")
    lead = await finished(service, "crm_lead_intelligence", lead_id="L-1")
    assert lead["status"] == "completed", pretty(lead["failure"])
    assert {f["key"]: f["value"] for f in lead["packet"]["facts"]}["area"] == "Northgate"
    assert lead["usage"]["model_calls"] == 2
    answer = await finished(service, "oracle_advisory", question="Which flats have a garden?")
    assert answer["status"] == "completed", pretty(answer["failure"])
    assert answer["packet"]["answer"]["text"] == "Ground floor flats have a garden."
    brief = await finished(service, "catalyst_strategy_brief", dataset="spring.csv")
    assert brief["status"] == "completed", pretty(brief["failure"])
    assert brief["usage"]["model_calls"] == 0


@pytest.mark.parametrize("model", ["rambling", "garbled"])
async def test_an_answer_out_of_form_does(routed: Routed, model: str) -> None:
    lead = await finished(await routed(model), "crm_lead_intelligence", lead_id="L-1")
    assert lead["status"] == "completed", pretty(lead["failure"])
    assert {f["key"]: f["value"] for f in lead["packet"]["facts"]}["area"] == "Northgate"


@pytest.mark.parametrize(
    ("model", "code"),
    [
        pytest.param("limited", "model_rate_limited", id="rate-limit"),
        pytest.param("far", "model_rate_limited", id="rate-limit-of-an-hour"),
        pytest.param("silent", "model_unavailable", id="no-capacity"),
        pytest.param("cut", "model_stream_truncated", id="truncated"),
        pytest.param("hopeless", "model_answer_invalid", id="never-fits"),
    ],
)
async def test_a_model_that_fails_ends_the_mission_with_the_reason(routed: Routed, model: str, code: str) -> None:
    failed = await finished(await routed(model), "crm_lead_intelligence", lead_id="L-1")
    assert (failed["status"], failed["failure"]["code"]) == ("failed", code)
    assert failed["usage"]["model_calls"] > 0


async def called(service: Service, mission: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a mission's calls of models and tools, as its events tell them."""
    events = await service.events(mission["mission_id"])
    return [e["payload"] for e in events if e["event_type"] in {"model.called", "tool.called"}]


async def test_a_tool_that_a_model_asks_for_is_read_and_answered(routed: Routed) -> None:
    service = await routed("curious")
    lead = await finished(service, "crm_lead_intelligence", lead_id="L-1")
    assert lead["status"] == "completed", pretty(lead["failure"])
    calls = await called(service, lead)
    assert [c["tool"] for c in calls if "tool" in c].count("root.get_lead") == 2, "by the researcher, and by the model"
    assert [c["status"] for c in calls if c.get("task_key") == "extract_facts" and "model" in c] == ["tools", "ok"]
    assert lead["usage"]["tokens_in"] == sum(c["tokens_in"] for c in calls if "model" in c) >= 3 * 321


async def test_a_rate_limit_is_waited_out_within_the_mission(routed: Routed, wire: Wire) -> None:
    service = await routed(f"busy_{wire.provider}_mission")
    lead = await finished(service, "crm_lead_intelligence", lead_id="L-1")
    assert lead["status"] == "completed", pretty(lead["failure"])
    assert "model_rate_limited" in [c.get("reason") for c in await called(service, lead)]


async def test_a_mission_is_charged_for_answers_that_say_no_usage(routed: Routed) -> None:
    service = await routed("mute")
    lead = await finished(service, "crm_lead_intelligence", lead_id="L-1")
    assert lead["status"] == "completed", pretty(lead["failure"])
    calls = [c for c in await called(service, lead) if "model" in c]
    assert {c["usage_source"] for c in calls} == {"counted"}
    assert lead["usage"]["tokens_in"] == sum(c["tokens_in"] for c in calls) > 100
    assert lead["usage"]["tokens_out"] == sum(c["tokens_out"] for c in calls) > 30


@pytest.mark.parametrize("model", ["steady", "mute", "garbled"])
async def test_a_mission_ends_when_its_tokens_are_used_up(routed: Routed, model: str) -> None:
    service = await routed(model)
    said = [{"author": author, "text": text} for author, text in CHAT]
    chats = [{"conversation_id": f"C-{n}", "lead_id": "L-1", "channel": "mail", "messages": said} for n in range(12)]
    await service._put("chats", chats)
    ended = await service.settled(await service.submit(inputs={"lead_id": "L-1"}, token_budget=3_000))
    assert (ended["status"], ended["failure"]["code"]) == ("failed", "token_budget_exceeded")
    used = ended["usage"]["tokens_in"] + ended["usage"]["tokens_out"]
    assert 0 < used <= 3_000 + 408
    assert "budget.exceeded" in [e["event_type"] for e in await service.events(ended["mission_id"])]
