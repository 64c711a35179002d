"""The bundle of an honest mission verifies, whatever course it took."""

from collections import Counter
from typing import Any

import pytest

from adapters.models.extractive_chat import ExtractiveChatModel
from server.verify import render, verify_bytes
from tests.graph.lab import Lab, Swaps
from tests.saboteurs.test_proof import LyingModel
from tests.support import sampled


async def revised(lab: Lab) -> dict[str, Any]:
    """A model that lies: its task is run once more, and asked the same again."""
    await lab.service.seed_lead()
    mission = await lab.mission(Swaps(model=LyingModel()))
    assert [e["event_type"] for e in await lab.service.events(mission["mission_id"])].count("review.revised") == 1
    return await lab.approved(mission["mission_id"])


async def retried(lab: Lab) -> dict[str, Any]:
    """A lead that is not there at first: what was read before is read again, and says something else by then."""
    mission = await lab.mission()
    assert mission["failure"]["code"] == "lead_not_found"
    await lab.service.seed_lead()
    await lab.service.post(mission["mission_id"], "retry")
    return await lab.approved((await lab.run(mission["mission_id"]))["mission_id"])


async def read_again(lab: Lab) -> dict[str, Any]:
    """A root that goes away in the middle of the reading, and a record that has changed when it is back."""
    await lab.service.seed_lead()
    lab.db.run("alter table root.chats rename to chats_away")
    mission = await lab.mission()
    assert mission["status"] == "failed"
    lab.db.run("alter table root.chats_away rename to chats")
    await lab.service.seed_lead(notes="changed in between")
    await lab.service.post(mission["mission_id"], "retry")
    return await lab.approved((await lab.run(mission["mission_id"]))["mission_id"])


async def straight(lab: Lab) -> dict[str, Any]:
    await lab.service.seed_lead()
    return await lab.approved((await lab.mission(Swaps(model=ExtractiveChatModel())))["mission_id"])


@pytest.mark.parametrize("course", sampled([retried, straight, revised, read_again], 2))
async def test_the_bundle_of_an_honest_mission_verifies(lab: Lab, course: Any) -> None:
    mission = await course(lab)
    assert mission["status"] == "completed"
    bundle = await lab.service.client.get(f"/api/colony/missions/{mission['mission_id']}/bundle")
    report = verify_bytes(bundle.content)
    assert report.ok, render(report)
    made = Counter(e["event_type"] for e in await lab.service.events(mission["mission_id"]))
    assert made["model.called"] == len(lab.db.rows("select from colony_model_calls"))
    assert made["tool.called"] + made["tool.denied"] == len(lab.db.rows("select from colony_tool_calls"))
