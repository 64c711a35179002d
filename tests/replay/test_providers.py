"""What a hosted model said is played back: tool rounds, repairs, refusals and retries; its provider hears nothing."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from adapters.models.asking import Patience
from tests.adapters.models.wire import Reply, Wire, replaying
from tests.support import Service, pretty

LOCAL = "tier_local_private"
LEAD = ("root__get_lead", {"lead_id": "L-1"})
OUTSIDE = ("root__get_lead", {"lead_id": "L-2"})


@pytest_asyncio.fixture(params=["openai", pytest.param("anthropic", marks=pytest.mark.long)])
async def wire(request: pytest.FixtureRequest) -> AsyncIterator[Wire]:
    async with replaying(request.param) as served:
        yield served


async def test_a_provider_is_not_asked_again(
    wire: Wire, serve: Callable[..., Awaitable[Service]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Patience, "backoff_s", 0.001)
    path = tmp_path / "routes.json"
    path.write_text(json.dumps({LOCAL: wire.route(price_in=3.0, price_out=15.0)}), encoding="utf-8")
    service = await serve(MODEL_ROUTES_FILE=str(path), DEFAULT_MODEL_ROUTE=LOCAL)
    wire.script("FactSheet", Reply(calls=(LEAD, OUTSIDE)), Reply("misfit"), Reply("facts"))
    wire.script("Engagement", Reply("limited", {"retry-after": "0.01"}), Reply("engagement"))
    await service.seed_lead()
    mission = await service.settled(await service.submit())
    assert mission["status"] == "awaiting_approval", pretty(mission["failure"])
    heard = len(wire.journal)
    events = [e["payload"] for e in await service.events(mission["mission_id"]) if e["event_type"] == "model.called"]
    assert {"tools", "invalid", "failed", "ok"} == {event["status"] for event in events}
    made = (await service.post(mission["mission_id"], "replay")).json()["mission_id"]
    await service.settled(made)
    report = (await service.client.get(f"/api/colony/missions/{made}/report")).json()
    assert report["identical"], pretty(report)
    assert len(wire.journal) == heard
    again = await service.mission(made)
    assert again["usage"]["cost_usd"] == 0 < mission["usage"]["cost_usd"]
    assert again["usage"]["model_calls"] == mission["usage"]["model_calls"]
