"""Two different people where the rule says so, the requester not among them, and every refused answer on record."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from contracts.mission import AutonomyTier
from policies.constitution import SHIPPED
from server.answering import MOST_REFUSALS
from server.verify import verify_bytes
from tests.acceptance.checks import assert_whole
from tests.constitution import SIGNER, activate, next_version
from tests.people import Company, body_of, open_company
from tests.support import GOAL


@pytest_asyncio.fixture
async def company(database: str, tmp_path: Path) -> AsyncIterator[Company]:
    async with open_company(database, tmp_path) as opened:
        yield opened


RULE = '@id("release.our-x") @reason("since then")'


async def in_force(company: Company, rule: str) -> None:
    made = await company.post("/policies", "ada", {"files": {"release.x.cedar": rule}})
    answer = await company.post(f"/policies/{made.json()['version']}/activate", "ada", {})
    assert answer.status_code == 200, answer.text


async def refusals(company: Company, mission_id: str) -> list[tuple[str, str, list[str]]]:
    found = await company.events(mission_id, "approval.refused")
    return [(e["actor"], e["payload"]["code"], e["payload"]["rules"]) for e in found]


def standing(pending: dict[str, Any], operation: str) -> dict[str, Any]:
    name = next(p["proposal_id"] for p in pending["proposals"] if p["operation"] == operation)
    return next(s for s in pending["standings"] if s["proposal_id"] == name)


def left(pending: dict[str, Any]) -> dict[str, Any]:
    """Return what of an approval is open still."""
    names = {s["proposal_id"] for s in pending["standings"] if s["standing"] == "open"}
    return {**pending, "proposals": [p for p in pending["proposals"] if p["proposal_id"] in names]}


async def verified(company: Company, mission_id: str) -> None:
    """Check the mission's bundle offline and its chain by the definition alone."""
    path = f"/api/colony/missions/{mission_id}/bundle"
    answer = await company.lab.service.client.get(path, headers=company.token("ada"))
    report = verify_bytes(answer.content)
    assert report.ok, report.first_failure
    assert_whole(await company.events(mission_id))


async def test_what_is_of_high_risk_needs_two_people_and_nothing_is_written_before_the_second(company: Company) -> None:
    mission_id = await company.asks()
    pending = (await company.mission(mission_id))["pending_approval"]
    assert (pending["required"], pending["given"], pending["requested_by"]) == (2, 0, "ada")
    assert {s["required"] for s in pending["standings"]} == {2}
    assert all("release.two-people" in s["rules"] and s["sources"] for s in pending["standings"])

    first = await company.answers(mission_id, "bob")
    assert (first.status_code, first.json()["status"]) == (202, "awaiting_approval")
    assert (await company.runs(mission_id))["status"] == "awaiting_approval"
    assert await company.notes() == []
    pending = (await company.mission(mission_id))["pending_approval"]
    assert (pending["required"], pending["given"]) == (2, 1)
    assert [a["actor_id"] for a in pending["answers"]] == ["bob"]
    assert {tuple(s["given_by"]) for s in pending["standings"]} == {("bob",)}

    second = await company.answers(mission_id, "cyd")
    assert (second.status_code, second.json()["status"]) == (202, "running")
    ended = await company.runs(mission_id)
    assert ended["status"] == "completed"
    assert {w["status"] for w in ended["packet"]["writebacks"]} == {"applied"}
    assert len(await company.notes()) == 1
    kinds = [e["event_type"] for e in await company.events(mission_id, "approval.")]
    assert kinds == ["approval.requested", "approval.given", "approval.decided"]
    await verified(company, mission_id)


async def test_the_same_person_twice_is_refused(company: Company) -> None:
    mission_id = await company.asks()
    await company.answers(mission_id, "bob")
    again = await company.answers(mission_id, "bob")
    assert (again.status_code, again.json()["code"]) == (403, "policy_denied")
    assert (await company.mission(mission_id))["status"] == "awaiting_approval"
    assert await refusals(company, mission_id) == [("bob", "policy_denied", ["release.second-person"])]
    pending = (await company.mission(mission_id))["pending_approval"]
    (event,) = await company.events(mission_id, "approval.refused")
    assert event["payload"]["interrupt_id"] == pending["interrupt_id"]
    edit = await company.answers(mission_id, "bob", changes={"note": {"verdict": "edit", "after": {"text": "Mine."}}})
    assert edit.status_code == 403
    assert len(await refusals(company, mission_id)) == 1  # the same refusal is recorded once
    await verified(company, mission_id)


@pytest.mark.parametrize("goal", [GOAL, f"{GOAL} Then send them an offer of 340000 USD."], ids=["one", "two"])
async def test_the_requester_may_not_approve_in_production(company: Company, goal: str) -> None:
    mission_id = await company.asks(goal)
    own = await company.answers(mission_id, "ada")
    assert (own.status_code, own.json()["code"]) == (403, "policy_denied")
    assert await refusals(company, mission_id) == [("ada", "policy_denied", ["release.own-request"])]
    body = body_of((await company.mission(mission_id))["pending_approval"], "approve", {})
    assert (await company.answers(mission_id, "bob")).status_code == 202
    again = await company.post(f"/missions/{mission_id}/approve", "ada", body)
    assert again.status_code == (409 if goal == GOAL else 403)
    assert await company.notes() == []


async def test_an_edit_is_another_payload_and_goes_to_the_other_person(company: Company) -> None:
    mission_id = await company.asks()
    mine = {"note": {"verdict": "edit", "after": {"text": "Wants a viewing on Friday."}}}
    seen = (await company.mission(mission_id))["pending_approval"]
    assert (await company.answers(mission_id, "bob", changes=mine)).status_code == 202

    pending = (await company.mission(mission_id))["pending_approval"]
    note = next(p for p in pending["proposals"] if p["operation"] == "note")
    before = next(p for p in seen["proposals"] if p["operation"] == "note")
    assert note["after"] == {"text": "Wants a viewing on Friday."}
    how = standing(pending, "note")
    assert (how["edited_by"], how["given_by"], how["proposed"]) == ("bob", ["bob"], before["after"])
    assert note["payload_sha256"] != before["payload_sha256"]

    stale = await company.post(f"/missions/{mission_id}/approve", "cyd", body_of(seen, "approve", {}))
    assert (stale.status_code, stale.json()["code"]) == (409, "payload_changed")
    assert (await company.answers(mission_id, "cyd")).json()["status"] == "running"
    assert (await company.runs(mission_id))["status"] == "completed"
    assert await company.notes() == ["Wants a viewing on Friday."]
    assert ("cyd", "payload_changed", []) in await refusals(company, mission_id)
    await verified(company, mission_id)


async def test_an_edit_of_the_second_person_goes_back_to_the_first(company: Company) -> None:
    mission_id = await company.asks()
    await company.answers(mission_id, "bob")
    hers = {"note": {"verdict": "edit", "after": {"text": "Hers."}}}
    edited = await company.answers(mission_id, "cyd", changes=hers)
    assert edited.json()["status"] == "awaiting_approval"
    pending = (await company.mission(mission_id))["pending_approval"]
    assert standing(pending, "note")["standing"] == "open"
    back = await company.post(f"/missions/{mission_id}/approve", "bob", body_of(left(pending), "approve", {}))
    assert back.json()["status"] == "running", back.text
    await company.runs(mission_id)
    assert await company.notes() == ["Hers."]
    await verified(company, mission_id)


async def test_an_edit_to_what_is_never_written_is_refused(company: Company) -> None:
    mission_id = await company.asks()
    foul = {"note": {"verdict": "edit", "after": {"text": "x", "email": "eve@example.com"}}}
    assert (await company.answers(mission_id, "bob", changes=foul)).status_code == 403
    assert ["release.never-fields", "release.note-fields"] in [
        rules for *_, rules in await refusals(company, mission_id)
    ]
    assert (await company.mission(mission_id))["pending_approval"]["given"] == 0


async def test_a_rejection_by_anyone_rejects(company: Company) -> None:
    mission_id = await company.asks()
    await company.answers(mission_id, "bob")
    told = await company.post(f"/missions/{mission_id}/reject", "cyd", {"reason": "not now"})
    assert told.json()["status"] == "running"
    assert (await company.runs(mission_id))["status"] == "rejected"
    late = await company.post(f"/missions/{mission_id}/approve", "dan", {"interrupt_id": "x", "decisions": []})
    assert (late.status_code, late.json()["code"]) == (409, "not_pending")
    assert await refusals(company, mission_id) == [("dan", "not_pending", [])]
    assert await company.notes() == []
    await verified(company, mission_id)


async def test_mixed_answers_of_two_people_grant_what_both_agreed_to(company: Company) -> None:
    mission_id = await company.asks()
    await company.answers(mission_id, "bob", changes={"task": {"verdict": "reject", "reason": "too early"}})
    pending = (await company.mission(mission_id))["pending_approval"]
    assert standing(pending, "task")["standing"] == "turned_down"
    body = body_of(left(pending), "approve", {"patch": {"verdict": "reject"}})
    assert (await company.post(f"/missions/{mission_id}/approve", "cyd", body)).json()["status"] == "running"
    ended = await company.runs(mission_id)
    statuses = {w["operation"]: w["status"] for w in ended["packet"]["writebacks"]}
    assert {k: statuses[k] for k in ("note", "task")} == {"note": "applied", "task": "rejected"}
    assert statuses.get("patch", "rejected") == "rejected"
    await verified(company, mission_id)


async def test_of_concurrent_answers_each_person_has_one_and_the_third_comes_too_late(company: Company) -> None:
    mission_id = await company.asks()
    pending = (await company.mission(mission_id))["pending_approval"]
    body = body_of(pending, "approve", {})
    people = ["bob", "cyd", "dan", "bob", "cyd", "dan"]
    answers = await asyncio.gather(*(company.post(f"/missions/{mission_id}/approve", who, body) for who in people))
    taken = [who for who, answer in zip(people, answers, strict=True) if answer.status_code == 202]
    assert len(taken) == len(set(taken)) == 2
    assert {a.status_code for a in answers} <= {202, 403, 409}
    assert len(await company.events(mission_id, "approval.decided")) == 1
    refused = await refusals(company, mission_id)
    assert refused
    assert {who for who, *_ in refused} <= set(people)
    assert (await company.runs(mission_id))["status"] == "completed"
    assert len(await company.notes()) == 1
    await verified(company, mission_id)


async def test_an_approval_is_used_once_and_a_flood_of_replays_leaves_few_events(company: Company) -> None:
    mission_id = await company.asks(GOAL)
    pending = (await company.mission(mission_id))["pending_approval"]
    body = body_of(pending, "approve", {})
    path = f"/missions/{mission_id}/approve"
    assert (await company.post(path, "bob", body)).json()["status"] == "running"
    assert (await company.runs(mission_id))["status"] == "completed"
    replays = await asyncio.gather(*(company.post(path, f"p{n % 30}", body) for n in range(60)))
    assert {(a.status_code, a.json()["code"]) for a in replays} == {(409, "not_pending")}
    assert len(await refusals(company, mission_id)) == MOST_REFUSALS
    assert len(await company.notes()) == 1
    await verified(company, mission_id)


async def test_a_reader_may_not_answer_and_nothing_is_said_to_them(company: Company) -> None:
    mission_id = await company.asks()
    answer = await company.answers(mission_id, "eve", capabilities=["mission:read"])
    assert (answer.status_code, answer.json()["code"]) == (403, "capability_missing")
    assert await refusals(company, mission_id) == [("eve", "capability_missing", [])]
    other = await company.answers(mission_id, "eve", tenant="umbrella")
    assert other.status_code == 404


async def test_the_queue_says_what_a_person_must_know(company: Company) -> None:
    mission_id = await company.asks()
    item = (await company.get("/approvals"))["items"][0]
    assert item["mission_id"] == mission_id
    note = next(p for p in item["proposals"] if p["operation"] == "note")
    assert note["citations"][0]["quote"] in "My budget is 350k. Can I see Harbour View on Friday at 10:00?"
    how = standing(item, "note")
    assert {s["trust"] for s in how["sources"]} == {"customer"}
    assert note["taint"]
    assert how["reasons"]
    assert set(item["consequences"]) == {"approve", "reject", "expire"}
    assert item["escalates_at"] < item["expires_at"]
    assert json.dumps(item)


async def test_what_is_in_force_when_a_person_answers_counts_and_not_when_they_were_asked(
    company: Company, database: str
) -> None:
    mission_id = await company.asks()
    assert (await company.answers(mission_id, "bob")).json()["status"] == "awaiting_approval"
    await activate(database, next_version(SHIPPED, {"high_risk_people": 3}), SIGNER)
    assert (await company.answers(mission_id, "cyd")).json()["status"] == "awaiting_approval"
    pending = (await company.mission(mission_id))["pending_approval"]
    assert (pending["required"], pending["given"]) == (3, 2)
    assert (await company.runs(mission_id))["status"] == "awaiting_approval"

    await in_force(company, f'{RULE} forbid (principal, action == Action::"release", resource);')
    refused = await company.answers(mission_id, "dan")
    assert (refused.status_code, refused.json()["code"]) == (403, "policy_denied")
    assert ("dan", "policy_denied", ["release.our-x"]) in await refusals(company, mission_id)
    await company.post("/policies/0/activate", "ada", {})
    assert (await company.answers(mission_id, "dan")).json()["status"] == "running"
    assert (await company.runs(mission_id))["status"] == "completed"
    await verified(company, mission_id)


async def test_rules_that_ask_for_two_people_hold_for_questions_that_wait(company: Company) -> None:
    mission_id = await company.asks(GOAL)
    assert (await company.mission(mission_id))["pending_approval"]["required"] == 1
    await in_force(company, f'{RULE} @escalate("two") permit (principal, action == Action::"approve_alone", resource);')
    assert (await company.answers(mission_id, "bob")).json()["status"] == "awaiting_approval"
    assert (await company.answers(mission_id, "cyd")).json()["status"] == "running"
    await company.runs(mission_id)
    assert len(await company.notes()) == 1
    await verified(company, mission_id)


async def test_what_the_constitution_does_not_allow_any_more_is_not_written(company: Company, database: str) -> None:
    mission_id = await company.asks(GOAL)
    assert (await company.answers(mission_id, "bob")).json()["status"] == "running"
    await activate(database, next_version(SHIPPED, {"autonomy_tiers": (AutonomyTier.ADVISE,)}), SIGNER)
    assert (await company.runs(mission_id))["failure"]["code"] == "constitution_forbids"
    assert await company.notes() == []


async def test_while_it_is_halted_nothing_begins_and_a_rejection_counts(company: Company) -> None:
    mission_id = await company.asks(GOAL)
    checkpoint = (await company.get(f"/missions/{mission_id}/checkpoints"))["items"][0]["checkpoint_id"]
    assert (await company.post("/halt", "ada", {"reason": "odd"})).status_code == 201
    for path, body in (("fork", {"checkpoint_id": checkpoint, "reason": "why"}), ("replay", {})):
        begun = await company.post(f"/missions/{mission_id}/{path}", "ada", body)
        assert (begun.status_code, begun.json()["code"]) == (409, "halted"), path
    assert (await company.answers(mission_id, "bob")).json()["code"] == "halted"
    assert (await company.post(f"/missions/{mission_id}/reject", "bob", {})).status_code == 202
    assert (await company.runs(mission_id))["status"] == "running"
    answer = await company.lab.service.client.delete("/api/colony/halt", headers=company.token("ada"))
    assert answer.json()["halted"] is False
    assert (await company.runs(mission_id))["status"] == "rejected"


async def test_an_answer_that_says_two_things_is_none(company: Company) -> None:
    mission_id = await company.asks(GOAL)
    body = json.dumps(body_of((await company.mission(mission_id))["pending_approval"], "reject", {}))
    twice = body.replace('"verdict": "reject"', '"verdict": "reject", "verdict": "approve"')
    headers = company.token("bob") | {"Content-Type": "application/json"}
    answer = await company.lab.service.client.post(
        f"/api/colony/missions/{mission_id}/approve", content=twice, headers=headers
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
