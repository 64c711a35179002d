"""Whatever course a mission took, its replay comes to the same: revised, retried, killed half way, or failed."""

from typing import Any

import pytest

from contracts.errors import BadInput
from contracts.ports import Ports, StepResult
from contracts.state import MissionState
from contracts.stateflow import Stage
from graph.failures import outcome_of
from graph.past import CutOff
from graph.steps import step
from nodes.fact_schema import asked_schema as real
from tests.graph.lab import Lab, Swaps
from tests.graph.test_record import read_again, retried, revised
from tests.graph.test_resume import Counted
from tests.replay.again import Mute, artifacts_of, offline, replayed
from tests.replay.courses import (
    SLOW,
    broke,
    broke_beside,
    cancelled_midway,
    not_written,
    out_of_time,
    retried_midway,
    taken_over_midway,
    task_too_slow,
)


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


_LONG = [
    pytest.param(course, marks=pytest.mark.long)
    for course in (
        revised,
        read_again,
        retried,
        retried_midway,
        not_written,
        failed,
        broke,
        broke_beside,
        waits,
        task_too_slow,
        out_of_time,
    )
]


@pytest.mark.parametrize("course", [died, taken_over_midway, cancelled_midway, *_LONG], ids=lambda c: c.__name__)
async def test_a_replay_comes_to_the_same_whatever_course_its_original_took(lab: Lab, course: Any) -> None:
    mission = await course(lab)
    await offline(lab)
    swaps = Swaps(model=Mute(), environment=SLOW if course is task_too_slow else {})
    report = await replayed(lab, mission["mission_id"], swaps)
    assert report["identical"], report
    assert report["stopped"] is (course in {cancelled_midway, out_of_time, waits})
    if not report["stopped"]:
        failure = mission["failure"] or {"code": None}
        assert (report["failure"] or {"code": None})["code"] == failure["code"], report
    if course in {revised, died, waits, task_too_slow}:
        assert artifacts_of(lab, report["mission_id"]) == artifacts_of(lab, mission["mission_id"])


async def test_a_stopped_mission_hides_no_change_of_what_it_did_before(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    mission = await cancelled_midway(lab)
    monkeypatch.setattr("nodes.work.facts.asked_schema", lambda envelope: real(envelope)[1:])
    report = await replayed(lab, mission["mission_id"], Swaps(model=Mute()))
    assert not report["identical"]
    assert report["first_call"]["task_key"] == "extract_facts"
    assert report["first_call"]["diff"]


def test_an_answer_that_there_was_no_time_for_ends_its_stage_as_it_did() -> None:
    assert outcome_of("researcher", CutOff())["code"] == "stage_timeout"


@pytest.mark.long
async def test_a_replay_that_ends_otherwise_is_told_of(lab: Lab) -> None:
    await lab.service.seed_lead()
    mission = await lab.mission()
    await lab.approved(mission["mission_id"], raising(ValueError("broken")))
    report = await replayed(lab, mission["mission_id"], raising(BadInput("refused", code="refused")))
    assert not report["identical"]
    first = report["first_divergence"]
    assert (first["call"], first["stage"]) == ("the mission's end", "writeback")
    assert (first["expected"]["code"], first["found"]["code"]) == ("internal_error", "refused")
    mended = await replayed(lab, mission["mission_id"])
    assert not mended["identical"]
    assert mended["status"] == {"original": "failed", "replay": "completed"}
    assert mended["first_divergence"]["stage"] == "writeback"


def raising(error: Exception) -> Swaps:
    """A defect in a role that makes nothing."""

    async def breaks(state: MissionState, ports: Ports) -> StepResult:
        raise error

    return Swaps(nodes={Stage.WRITEBACK: step(Stage.WRITEBACK, breaks)})
