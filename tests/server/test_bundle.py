"""Bundles of real missions: made by the service over Postgres, verified by what shares no code with it."""

import psycopg
import pytest

from contracts.errors import NotFound
from contracts.topics import Topic, topics_of
from server.bundle import make_bundle
from server.verify import render, verify_bytes
from tests.support import AT_WORK, sampled


async def bundle_of(service, mission_id):
    answer = await service.client.get(f"/api/colony/missions/{mission_id}/bundle")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    return answer.content


async def verified(service, mission_id):
    report = verify_bytes(await bundle_of(service, mission_id))
    assert report.ok, render(report)
    assert report.mission_id == mission_id
    return {check.name: check.detail for check in report.checks}


async def waiting(service):
    await service.seed_lead()
    mission = await service.settled(await service.submit())
    assert mission["status"] == "awaiting_approval", mission
    return mission["mission_id"], mission["pending_approval"]


async def ended(service, mission_id, status):
    mission = await service.settled(mission_id)
    assert mission["status"] == status, mission


async def test_an_approved_mission_verifies_and_gives_the_same_bytes_again(service):
    mission_id, _ = await waiting(service)
    assert (await service.post(mission_id, "approve")).status_code == 202
    await ended(service, mission_id, "completed")
    details = await verified(service, mission_id)
    assert "completed" in details["ending"]
    assert details["writebacks"].startswith("3 writes")
    assert await bundle_of(service, mission_id) == await bundle_of(service, mission_id)


async def test_a_mission_with_one_proposal_edited_and_one_turned_down_verifies(service):
    mission_id, pending = await waiting(service)
    by_operation = {p["operation"]: p for p in pending["proposals"]}
    verdicts = {"note": "edit", "task": "reject"}
    decisions = [
        {
            "proposal_id": proposal["proposal_id"],
            "payload_sha256": proposal["payload_sha256"],
            "verdict": verdicts.get(operation, "approve"),
            "after": {"text": "Asked for a viewing."} if operation == "note" else None,
        }
        for operation, proposal in by_operation.items()
    ]
    answer = {"interrupt_id": pending["interrupt_id"], "decisions": decisions}
    assert (await service.post(mission_id, "approve", **answer)).status_code == 202
    await ended(service, mission_id, "completed")
    assert (await verified(service, mission_id))["grants"].startswith("2 grants")


async def test_a_mission_that_waits_verifies_as_it_is(service):
    mission_id, _ = await waiting(service)
    assert "still awaiting_approval" in (await verified(service, mission_id))["ending"]


@pytest.mark.parametrize(("command", "status"), [("reject", "rejected"), ("cancel", "cancelled"), ("fail", "failed")])
async def test_a_mission_that_ended_without_a_write_verifies(service, command, status):
    mission_id, _ = await waiting(service)
    assert (await service.post(mission_id, command, reason="not now")).status_code == 202
    await ended(service, mission_id, status)
    assert (await verified(service, mission_id))["writebacks"].startswith("0 writes")


async def test_a_mission_that_policy_blocked_verifies(service):
    mission_id = await service.submit(token_budget=10)
    await ended(service, mission_id, "blocked")
    details = await verified(service, mission_id)
    assert details["gates"].startswith("0 steps of work")
    assert details["packet"].startswith("nothing was released")


async def test_a_mission_that_failed_for_want_of_its_lead_verifies(service):
    mission_id = await service.submit(inputs={"lead_id": "nobody"})
    await ended(service, mission_id, "failed")
    await verified(service, mission_id)


async def test_a_mission_that_was_retried_after_its_failure_verifies(service):
    mission_id = await service.submit()
    await ended(service, mission_id, "failed")
    await service.seed_lead()
    assert (await service.post(mission_id, "retry")).status_code == 202
    await ended(service, mission_id, "awaiting_approval")
    assert (await service.post(mission_id, "approve")).status_code == 202
    await ended(service, mission_id, "completed")
    assert "completed" in (await verified(service, mission_id))["ending"]


async def test_a_question_that_a_retry_asks_again_is_announced_and_can_be_answered_at_once(service):
    mission_id, _ = await waiting(service)
    assert (await service.post(mission_id, "fail", reason="not now")).status_code == 202
    assert (await service.post(mission_id, "retry")).status_code == 202
    asked = [e for e in await service.events(mission_id) if e["event_type"] == "approval.requested"]
    mission = await service.mission(mission_id)
    assert mission["status"] == "awaiting_approval"
    assert [e["payload"]["interrupt_id"] for e in asked] == [mission["pending_approval"]["interrupt_id"]] * 2
    assert asked[1]["payload"]["expires_at"] == mission["pending_approval"]["expires_at"]
    assert asked[1]["payload"]["expires_at"] > asked[0]["payload"]["expires_at"]
    assert Topic.NOTIFICATIONS in topics_of(asked[1])
    assert (await service.post(mission_id, "approve")).status_code == 202
    await ended(service, mission_id, "completed")
    await verified(service, mission_id)


async def test_an_advisory_mission_verifies(service):
    document = {"document_id": "D-1", "title": "Viewings", "source": "viewings.md", "text": "Viewings last one hour."}
    await service._put("documents", [document | {"media_type": "text/markdown"}])
    mission_id = await service.submit("oracle_advisory", inputs={"question": "How long do viewings last?"})
    mission = await service.settled(mission_id)
    assert mission["status"] == "completed", mission
    assert (await verified(service, mission_id))["evidence"].startswith("1 quote")


async def test_a_bundle_taken_while_the_mission_runs_is_of_one_moment(service):
    await service.seed_lead()
    mission_id = await service.submit()
    seen = set()
    while (status := (await service.mission(mission_id))["status"]) in AT_WORK:
        seen.add((await verified(service, mission_id))["chain"])
        seen.add(status)
    assert seen & AT_WORK


async def test_another_tenants_mission_has_no_bundle(service):
    mission_id = await service.submit()
    with pytest.raises(NotFound):
        await make_bundle(service.colony.reader, "somebody-else", mission_id)


def rewritten(table, was, now):
    return f"update {table} set content = convert_to(replace(convert_from(content, 'UTF8'), '{was}', '{now}'), 'UTF8')"


CHANGES = {
    "evidence": (rewritten("colony_research_artifacts", "350", "530"), "artifacts", "the evidence"),
    "decision": (
        rewritten("colony_policy_decisions", '"outcome":"allow"', '"outcome":"deny"'),
        "artifacts",
        "the policy decision",
    ),
    "event": (rewritten("colony_events", "passed", "blocked"), "chain", "was changed after it was recorded"),
    "event-removed": ("delete from colony_events where seq = 9", "chain", "event 9 is missing"),
    "review-unreadable": ("update colony_review_packets set content = '\\xff00'", "form", "can't be read as JSON"),
    "request": (rewritten("colony_approvals", "350", "530"), "requests", "was changed afterwards"),
    "grant": (rewritten("colony_approval_grants", "350", "530"), "grants", "changed after the person approved it"),
    "writeback": ("update colony_writebacks set status = 'failed'", "writebacks", "its status is failed"),
    "risk": (
        "update colony_missions set payload = jsonb_set(payload, '{envelope,risk_level}', '\"low\"')",
        "references",
        "refers to artifacts that are not in the bundle as they were then",
    ),
    "goal": (
        "update colony_missions set payload = jsonb_set(payload, '{request,user_goal}', '\"Sell it\"')",
        "mission",
        "the request was changed",
    ),
}


@pytest.mark.parametrize(("change", "check", "sentence"), sampled(CHANGES, 3))
async def test_what_an_administrator_changed_in_the_database_shows(service, database, change, check, sentence):
    mission_id, _ = await waiting(service)
    assert (await service.post(mission_id, "approve")).status_code == 202
    await ended(service, mission_id, "completed")
    with psycopg.connect(database) as admin:
        admin.execute("set session_replication_role = replica")
        assert admin.execute(change).rowcount > 0
    report = verify_bytes(await bundle_of(service, mission_id))
    assert not report.ok
    assert report.first_failure.name == check, render(report)
    assert sentence in report.first_failure.detail
