"""Whatever course a mission took, its replay comes to the same: revised, retried, killed half way, or failed."""

from typing import Any

import pytest

from contracts.stateflow import Stage
from tests.graph.lab import Lab, Swaps
from tests.graph.test_record import read_again, retried, revised
from tests.graph.test_resume import Counted
from tests.replay.again import Mute, artifacts_of, offline, replayed


async def died(lab: Lab) -> dict[str, Any]:
    """A process that dies between a step's commit and its checkpoint."""
    await lab.service.seed_lead()
    swaps = Counted(Stage.WORKERS).swaps()
    mission_id = await lab.service.submit()
    await lab.run(mission_id, swaps)
    lab.forget_leases()
    await lab.run(mission_id, swaps)
    return await lab.approved(mission_id, swaps)


async def failed(lab: Lab) -> dict[str, Any]:
    """A lead that is not there."""
    return await lab.mission()


async def waits(lab: Lab) -> dict[str, Any]:
    """A question that nobody has answered yet."""
    await lab.service.seed_lead()
    return await lab.mission()


_LONG = [pytest.param(course, marks=pytest.mark.long) for course in (revised, read_again, retried, failed, waits)]


@pytest.mark.parametrize("course", [died, *_LONG], ids=lambda c: c.__name__)
async def test_a_replay_comes_to_the_same_whatever_course_its_original_took(lab: Lab, course: Any) -> None:
    mission = await course(lab)
    await offline(lab)
    report = await replayed(lab, mission["mission_id"], Swaps(model=Mute()))
    assert report["identical"], report
    if course in {revised, died, waits}:
        assert artifacts_of(lab, report["mission_id"]) == artifacts_of(lab, mission["mission_id"])
