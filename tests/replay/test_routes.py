"""What another tier would have made of a mission: told where the tape ends, asked where that is wanted, or refused."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.adapters.models.wire import Wire, replaying
from tests.support import Service, pretty

CLOUD = "tier_cloud_standard"
DOCUMENT = {
    "document_id": "D-1",
    "title": "Flats",
    "source": "flats.txt",
    "text": "Ground floor flats have a garden.\nUpper floor flats have a balcony.",
    "media_type": "text/plain",
}


@pytest_asyncio.fixture
async def cloud() -> AsyncIterator[Wire]:
    """A provider at an address that is not known to be the operator's own."""
    async with replaying("openai", host="0.0.0.0") as served:  # noqa: S104
        yield served


@pytest_asyncio.fixture
async def service(cloud: Wire, serve: Callable[..., Awaitable[Service]], tmp_path: Path) -> Service:
    path = tmp_path / "routes.json"
    path.write_text(json.dumps({CLOUD: cloud.route(price_in=3.0, price_out=15.0)}), encoding="utf-8")
    return await serve(MODEL_ROUTES_FILE=str(path))


async def reported(service: Service, mission_id: str, **asked: Any) -> dict[str, Any]:
    answer = await service.post(mission_id, "replay", **asked)
    assert answer.status_code == 202, answer.text
    await service.settled(answer.json()["mission_id"])
    return dict((await service.client.get(f"/api/colony/missions/{answer.json()['mission_id']}/report")).json())


async def test_another_tier_is_told_of_or_asked(service: Service, cloud: Wire) -> None:
    await service._put("documents", [DOCUMENT])
    question = {"question": "Which flats have a garden?"}
    mission = await service.settled(await service.submit("oracle_advisory", inputs=question))
    assert mission["status"] == "completed", pretty(mission["failure"])
    override = {"overrides": {"route": CLOUD}}

    told = await reported(service, mission["mission_id"], **override)
    assert (told["identical"], told["overrides"], told["failure"]["code"]) == (False, ["route"], "recording_missing")
    assert (told["first_divergence"]["stage"], told["first_divergence"]["task_key"]) == (
        "prompt_master",
        "answer_question",
    )
    call = told["first_call"]
    assert (call["task_key"], call["call"]) == ("answer_question", "model: fill CitedAnswer")
    assert any(CLOUD in line for line in call["diff"]), call
    assert not cloud.journal

    asked = await reported(service, mission["mission_id"], **override, on_missing="live")
    assert asked["failure"] is None
    assert [entry["tool"] for entry in cloud.journal] == ["CitedAnswer"]
    routed = {(d["change"], d["resource"], d["to"]) for d in asked["changes"]["decisions"] if d["layer"] == "routing"}
    assert routed == {("asked", CLOUD, "allow"), ("not asked", "tier_local_private", None)}
    because = {one["task_key"]: one["because"] for one in asked["changes"]["why"]}
    assert "its prompt is another" in because["answer_question"]
    assert asked["changes"]["claims"]


@pytest.mark.long
async def test_a_tier_that_policy_forbids_is_not_asked_whatever_the_replay_wants(service: Service, cloud: Wire) -> None:
    await service.seed_lead()
    mission = await service.settled(await service.submit())
    report = await reported(service, mission["mission_id"], overrides={"route": CLOUD}, on_missing="live")
    assert report["status"]["replay"] == "blocked"
    denied = [d for d in report["changes"]["decisions"] if d["to"] == "deny"]
    assert {(d["layer"], d["resource"]) for d in denied} == {("routing", CLOUD)}
    assert not cloud.journal
    for route, *said in (("tier_high_reasoning", 409, "tier_unavailable"), ("the best", 422, "invalid_input")):
        refused = await service.post(mission["mission_id"], "replay", overrides={"route": route})
        assert [refused.status_code, refused.json()["code"]] == said
