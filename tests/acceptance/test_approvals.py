"""A person's answer at the release gate: what is written is what was approved, once, and nothing else."""

import asyncio
from typing import Any

import pytest

from tests.acceptance.checks import (
    NOTHING_WRITTEN,
    answer,
    answers,
    assert_one_effect_each,
    assert_whole,
    outcomes,
    proposals_of,
    waiting_mission,
)
from tests.support import Service


async def test_approving_everything_writes_everything_once(service: Service, database: str) -> None:
    waiting = await waiting_mission(service, budget_max=400_000)
    mission_id = waiting["mission_id"]
    shown = proposals_of(waiting)
    given = [answer(p, "approve") for p in shown.values()]

    accepted = await service.post(mission_id, "approve", **answers(waiting, *given))

    assert accepted.status_code == 202
    ended = await service.settled(mission_id)
    assert ended["status"] == "completed"
    assert outcomes(ended) == {"applied": len(shown)}
    await assert_one_effect_each(service, database, mission_id)
    lead = await service.lead()
    assert lead["stage"] == shown["stage"]["after"]["stage"]
    assert lead["budget_max"] == shown["budget_max"]["after"]["budget_max"]


async def test_a_rejected_mission_ends_as_rejected_and_writes_nothing(service: Service) -> None:
    waiting = await waiting_mission(service)

    accepted = await service.post(waiting["mission_id"], "reject", reason="the lead asked us to wait")

    assert accepted.status_code == 202
    ended = await service.settled(waiting["mission_id"])
    assert ended["status"] == "rejected"
    assert await service.writes() == NOTHING_WRITTEN
    events = await service.events(waiting["mission_id"])
    assert_whole(events)
    assert events[-1]["event_type"] == "mission.rejected"


async def test_turning_down_every_proposal_one_by_one_is_a_rejection_too(service: Service) -> None:
    waiting = await waiting_mission(service)
    given = [answer(p, "reject", reason="no") for p in proposals_of(waiting).values()]

    assert (await service.post(waiting["mission_id"], "approve", **answers(waiting, *given))).status_code == 202

    assert (await service.settled(waiting["mission_id"]))["status"] == "rejected"
    assert await service.writes() == NOTHING_WRITTEN


async def test_an_edited_value_is_what_the_root_has_and_what_was_not_approved_is_not_there(service: Service) -> None:
    waiting = await waiting_mission(service)
    shown = proposals_of(waiting)
    given = [
        answer(shown["note"], "edit", after={"text": "Wants a viewing on Friday."}),
        answer(shown["stage"], "reject"),
    ]  # the task is not answered at all

    assert (await service.post(waiting["mission_id"], "approve", **answers(waiting, *given))).status_code == 202

    ended = await service.settled(waiting["mission_id"])
    assert ended["status"] == "completed"
    assert await service.writes() == NOTHING_WRITTEN | {"notes": 1}
    notes = (await service.client.get("/root/api/crm/leads/L-1/notes")).json()["items"]
    assert [n["text"] for n in notes] == ["Wants a viewing on Friday."]
    assert (await service.lead())["stage"] == "contacted"
    statuses = {w["operation"]: w["status"] for w in ended["packet"]["writebacks"]}
    assert statuses == {"note": "applied", "patch": "rejected", "task": "proposed"}


async def test_a_second_answer_to_the_same_question_is_refused(service: Service) -> None:
    waiting = await waiting_mission(service)
    body = answers(waiting, *(answer(p, "approve") for p in proposals_of(waiting).values()))
    assert (await service.post(waiting["mission_id"], "approve", **body)).status_code == 202

    at_once = await service.post(waiting["mission_id"], "approve", **body)
    await service.settled(waiting["mission_id"])
    afterwards = await service.post(waiting["mission_id"], "approve", **body)

    assert (at_once.status_code, afterwards.status_code) == (409, 409)
    assert afterwards.headers["content-type"] == "application/problem+json"
    assert (await service.writes())["notes"] == 1


def _of_another_payload(waiting: dict[str, Any]) -> dict[str, Any]:
    note = proposals_of(waiting)["note"]
    return answers(waiting, answer(note | {"payload_sha256": "0" * 64}, "approve"))


def _of_another_interrupt(waiting: dict[str, Any]) -> dict[str, Any]:
    note = proposals_of(waiting)["note"]
    return answers(waiting, answer(note, "approve")) | {"interrupt_id": "f" * 32}


def _setting_who_owns_the_lead(waiting: dict[str, Any]) -> dict[str, Any]:
    stage = proposals_of(waiting)["stage"]
    return answers(waiting, answer(stage, "edit", after={"stage": "viewing", "owner": "mallory"}))


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        pytest.param(_of_another_payload, 409, "payload_changed", id="another-payload"),
        pytest.param(_of_another_interrupt, 409, "already_decided", id="another-interrupt"),
        pytest.param(_setting_who_owns_the_lead, 403, "policy_denied", id="edit-to-a-forbidden-field"),
    ],
)
async def test_an_answer_that_does_not_hold_changes_nothing_and_the_mission_still_waits(
    service: Service, body: Any, status: int, code: str
) -> None:
    waiting = await waiting_mission(service)

    refused = await service.post(waiting["mission_id"], "approve", **body(waiting))

    assert refused.status_code == status, refused.text
    assert refused.json()["code"] == code, refused.text
    if status == 403:
        assert "owner" in refused.json()["detail"]
        assert "release.never-fields" in refused.json()["hint"]
    still = await service.mission(waiting["mission_id"])
    assert still["status"] == "awaiting_approval"
    assert still["pending_approval"]["interrupt_id"] == waiting["pending_approval"]["interrupt_id"]
    assert await service.writes() == NOTHING_WRITTEN
    assert_whole(await service.events(waiting["mission_id"]))
    assert (await service.post(waiting["mission_id"], "approve")).status_code == 202
    assert (await service.settled(waiting["mission_id"]))["status"] == "completed"


async def test_a_mission_that_does_not_wait_takes_no_answer(service: Service) -> None:
    await service.seed_lead("L-9", chat=[])
    quiet = await service.submit(inputs={"lead_id": "L-9"})
    assert (await service.settled(quiet))["status"] == "completed"

    answered = await service.post(quiet, "approve", interrupt_id="f" * 32, decisions=[])

    assert (answered.status_code, answered.json()["code"]) == (409, "not_pending")


async def test_a_lead_that_changed_in_the_meantime_is_left_as_it_is(service: Service) -> None:
    waiting = await waiting_mission(service)
    seen = await service.client.get("/root/api/crm/leads/L-1")
    etag = {"If-Match": seen.headers["etag"]}
    changed = await service.client.patch("/root/api/crm/leads/L-1", json={"stage": "offer"}, headers=etag)
    assert changed.status_code == 200

    assert (await service.post(waiting["mission_id"], "approve")).status_code == 202

    ended = await service.settled(waiting["mission_id"])
    assert ended["status"] == "completed"
    assert set(outcomes(ended)) == {"conflicted"}
    assert await service.writes() == NOTHING_WRITTEN | {"version": 2}
    assert (await service.lead())["stage"] == "offer"
    events = await service.events(waiting["mission_id"])
    assert sum(e["event_type"] == "writeback.conflicted" for e in events) == len(ended["packet"]["writebacks"])


async def test_of_five_answers_at_once_one_wins_and_takes_effect_once(service: Service, database: str) -> None:
    waiting = await waiting_mission(service)
    mission_id, shown = waiting["mission_id"], proposals_of(waiting)
    verdicts = ["approve", "reject", "approve", "edit", "reject"]
    edited = {"text": "an edited note"}
    bodies = [
        answers(waiting, answer(shown["note"], v, **({"after": edited} if v == "edit" else {}))) for v in verdicts
    ]

    codes = [r.status_code for r in await asyncio.gather(*(service.post(mission_id, "approve", **b) for b in bodies))]

    assert sorted(codes) == [202, 409, 409, 409, 409]
    winner = verdicts[codes.index(202)]
    ended = await service.settled(mission_id)
    assert ended["status"] == ("rejected" if winner == "reject" else "completed")
    assert (await service.writes())["notes"] == (0 if winner == "reject" else 1)
    events = await service.events(mission_id)
    assert_whole(events)
    assert sum(e["event_type"] == "approval.decided" for e in events) == 1
    if winner != "reject":
        await assert_one_effect_each(service, database, mission_id)
