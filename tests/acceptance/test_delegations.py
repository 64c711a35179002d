"""Who may answer besides those whose right it is: delegates for a time, and others once a question is escalated."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest_asyncio

from policies.engine import PolicyEngine
from policies.rulefiles import RULES_DIRECTORY
from server.verify import verify_bytes
from tests.people import Company, open_company
from tests.support import GOAL

DEPUTY: dict[str, Any] = {"capabilities": ["mission:read"], "roles": ["deputy"]}
LEADS_ONLY = """
@id("release.leads-first")
@reason("a sales lead decides, or anybody once the question is escalated")
forbid (principal, action == Action::"approve", resource)
unless { principal.roles.contains("sales-lead") || context.answer.escalated };
"""


@pytest_asyncio.fixture
async def company(database: str, tmp_path: Path) -> AsyncIterator[Company]:
    async with open_company(database, tmp_path, APPROVAL_ESCALATE_AFTER_MS="1") as opened:
        yield opened


async def test_a_delegates_answer_is_the_delegators_too(company: Company) -> None:
    mission_id = await company.asks()
    assert (await company.answers(mission_id, "eve", **DEPUTY)).status_code == 403
    lent = await company.post("/delegations", "bob", {"to_role": "deputy", "reason": "on leave"})
    assert lent.status_code == 201, lent.text
    assert (await company.answers(mission_id, "eve", **DEPUTY)).json()["status"] == "awaiting_approval"
    (given,) = (await company.mission(mission_id))["pending_approval"]["answers"]
    assert (given["actor_id"], given["on_behalf_of"]) == ("eve", "bob")

    for who, claims in (("bob", {}), ("eve", DEPUTY), ("eve", {}), ("max", DEPUTY)):
        refused = await company.answers(mission_id, who, **claims)
        assert (refused.status_code, refused.json()["code"]) == (403, "policy_denied"), (who, refused.text)
    assert (await company.answers(mission_id, "cyd")).json()["status"] == "running"
    assert (await company.runs(mission_id))["status"] == "completed"
    decided = company.lab.db.rows("select decision -> 'given' as given from colony_approvals")[0]["given"]
    assert [(g["actor_id"], g["on_behalf_of"]) for g in decided] == [("eve", "bob"), ("cyd", None)]
    bundle = await company.lab.service.client.get(
        f"/api/colony/missions/{mission_id}/bundle", headers=company.token("ada")
    )
    assert verify_bytes(bundle.content).ok


async def test_what_the_requester_lends_is_the_requesters_answer_and_what_has_ended_lends_nothing(
    company: Company,
) -> None:
    mission_id = await company.asks(GOAL)
    lent = await company.post("/delegations", "ada", {"to_actor": "eve", "duration_ms": 60_000})
    refused = await company.answers(mission_id, "eve", **DEPUTY)
    assert refused.json()["code"] == "policy_denied"
    assert (await company.events(mission_id, "approval.refused"))[-1]["payload"]["rules"] == ["release.own-request"]

    on = await company.post("/delegations", "eve", {"to_actor": "max"}, **DEPUTY)
    assert (on.status_code, on.json()["code"]) == (403, "capability_missing")
    path = f"/api/colony/delegations/{lent.json()['delegation_id']}"
    client = company.lab.service.client
    stranger = await client.delete(path, headers=company.token("dan", capabilities=["mission:approve"]))
    assert stranger.status_code == 404
    assert (await client.delete(path, headers=company.token("ada"))).json()["revoked_by"] == "ada"
    assert (await company.answers(mission_id, "eve", **DEPUTY)).json()["code"] == "capability_missing"

    await company.post("/delegations", "bob", {"to_actor": "eve"})
    company.lab.db.run("update colony_delegations set expires_at = created_at + interval '1 microsecond'")
    assert (await company.answers(mission_id, "eve", **DEPUTY)).json()["code"] == "capability_missing"
    other = await company.get("/delegations", tenant="umbrella")
    assert other["items"] == []
    assert len((await company.get("/delegations"))["items"]) == 2


async def test_what_a_key_lent_ends_with_the_key(company: Company) -> None:
    mission_id = await company.asks(GOAL)
    made = await company.post("/keys", "bob", {"name": "stolen", "capabilities": ["mission:approve", "mission:read"]})
    key = made.json()
    client, by_key = company.lab.service.client, {"Authorization": f"Bearer {key['key']}"}
    for _ in range(2):
        lent = await client.post("/api/colony/delegations", json={"to_actor": "eve"}, headers=by_key)
        assert lent.status_code == 201, lent.text
    gone = await client.delete(f"/api/colony/keys/{key['key_id']}", headers=company.token("ada"))
    assert gone.status_code == 204
    refused = await company.answers(mission_id, "eve", **DEPUTY)
    assert (refused.status_code, refused.json()["code"]) == (403, "capability_missing")
    assert {d["revoked_by"] for d in (await company.get("/delegations"))["items"]} == {"ada"}
    company.lab.db.run(
        "update colony_delegations set made_with = null "
        "where delegation_id = (select min(delegation_id) from colony_delegations)"
    )
    assert (await company.answers(mission_id, "eve", **DEPUTY)).status_code == 202


async def test_a_question_is_escalated_once_and_the_rules_may_then_let_others_answer(
    company: Company, tmp_path: Path
) -> None:
    rules = tmp_path / "rules"
    shutil.copytree(RULES_DIRECTORY, rules)
    (rules / "release.acme.cedar").write_text(LEADS_ONLY)
    service = company.lab.colony.service
    engine = PolicyEngine.load(rules)
    object.__setattr__(service, "governance", replace(service.governance, engine=engine))
    mission_id = await company.asks(GOAL)
    assert (await company.answers(mission_id, "bob")).status_code == 403
    assert (await company.mission(mission_id))["pending_approval"]["escalated_at"] is None

    worker = company.lab.colony.worker
    await asyncio.gather(*(worker.sweep_once() for _ in range(3)))
    await worker.sweep_once()

    (event,) = await company.events(mission_id, "approval.escalated")
    assert event["payload"]["expires_at"]
    assert (await company.mission(mission_id))["pending_approval"]["escalated_at"]
    assert (await company.answers(mission_id, "bob")).json()["status"] == "running"


async def test_after_the_deadline_nobody_answers(company: Company) -> None:
    mission_id = await company.asks(GOAL)
    company.lab.db.run(
        "select set_config('colony.epoch', epoch::text, false) from colony_missions; "
        "update colony_approvals set expires_at = clock_timestamp() - interval '1 second'"
    )
    late = await company.answers(mission_id, "bob")
    assert (late.status_code, late.json()["code"]) == (409, "approval_expired")
    await company.lab.colony.worker.sweep_once()
    assert (await company.mission(mission_id))["status"] == "expired"
    assert not await company.events(mission_id, "approval.escalated")
    assert len(await company.events(mission_id, "approval.refused")) == 1
