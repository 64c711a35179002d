"""Missions through the command: submitted, followed, answered, operated."""

import json

import pytest

from tests.server.cli.conftest import Ran, Run
from tests.support import GOAL, Service

KEYS = [{"key": "area"}, {"key": "budget"}, {"key": "pets"}]
SUBMIT = ("missions", "submit", "crm_lead_intelligence", "--goal", GOAL, "--input", "lead_id=L-1")


async def submitted(colony: Run, *more: str) -> str:
    """Submit, wait for the approval, and return the mission's id."""
    ran = await colony(*SUBMIT, *more, "--watch", "--json")
    assert ran.code == 4, ran.err
    return str(ran.lines[-1]["mission_id"])


async def pending(colony: Run, mission_id: str) -> dict[str, dict[str, object]]:
    ran = await colony("missions", "show", mission_id, "--json")
    return {p["operation"]: p for p in ran.document["pending_approval"]["proposals"]}


def written(ran: Ran) -> dict[str, str]:
    return {w["operation"]: w["status"] for w in ran.lines[-1]["packet"]["writebacks"]}


async def test_a_submitted_mission_is_followed_to_its_approval_with_everything_shown(colony: Run):
    ran = await colony(*SUBMIT, "--watch")
    assert ran.code == 4, ran.err
    for stage in ("admission", "planner", "prompt_master", "librarian", "researcher", "workers", "release_gate"):
        assert f"stage  {stage}\n" in ran.out
    assert "task   extract_facts done: " in ran.out
    assert '"Hi, I am looking for a 3 bedroom flat in Northgate, my budget is 350k."' in ran.out
    assert "contacted" in ran.out
    assert "from customer text" in ran.out
    assert "risk medium" in ran.out
    assert "colony missions approve msn_" in ran.out
    assert "\x1b" not in ran.out


async def test_a_mission_that_is_only_submitted_is_accepted_and_listed(colony: Run):
    accepted = await colony(*SUBMIT, "--json")
    assert accepted.code == 0
    assert accepted.document["status"] == "received"
    listed = await colony("missions", "list", "--json", "--type", "crm_lead_intelligence")
    assert [m["mission_id"] for m in listed.document["items"]] == [accepted.document["mission_id"]]
    assert accepted.document["mission_id"] in (await colony("missions", "list")).out
    none = await colony("missions", "list", "--status", "failed")
    assert none.out == "There is no such mission.\n"


async def test_the_same_idempotency_key_submits_once(colony: Run):
    first = await colony(*SUBMIT, "--json", "--idempotency-key", "k-1")
    again = await colony(*SUBMIT, "--json", "--idempotency-key", "k-1")
    assert first.document["mission_id"] == again.document["mission_id"]


async def test_watching_for_programs_gives_an_event_a_line_and_then_the_mission(colony: Run):
    mission_id = await submitted(colony)
    ran = await colony("missions", "watch", mission_id, "--json")
    assert ran.code == 4
    *events, mission = ran.lines
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["event_type"] == "approval.requested"
    assert mission["status"] == "awaiting_approval"


async def test_approving_shows_what_is_approved_and_follows_it_to_its_end(colony: Run, service: Service):
    mission_id = await submitted(colony)
    ran = await colony("missions", "approve", mission_id, "--reason", "looks right", "--watch")
    assert ran.code == 0, ran.err
    shown, _, rest = ran.out.partition("approve wp_")
    assert "contacted" in shown
    assert "writeback.applied patch" in rest
    assert f"{mission_id} is completed\n" in rest
    assert (await service.lead())["stage"] != "contacted"
    assert (await colony("missions", "watch")).code == 0


async def test_only_the_named_proposal_is_approved(colony: Run, service: Service):
    mission_id = await submitted(colony)
    note = (await pending(colony, mission_id))["note"]["proposal_id"]
    ran = await colony("missions", "approve", mission_id, "--proposal", str(note), "--watch", "--json")
    assert ran.code == 0, ran.err
    assert written(ran)["note"] == "applied"
    assert (await service.writes())["tasks"] == 0
    assert (await service.lead())["stage"] == "contacted"


async def test_an_edited_proposal_is_written_as_edited(colony: Run, service: Service):
    mission_id = await submitted(colony)
    note = (await pending(colony, mission_id))["note"]["proposal_id"]
    edit = f"{note}=" + json.dumps({"text": "Wants Northgate."})
    ran = await colony("missions", "approve", mission_id, "--edit", edit, "--watch", "--json")
    assert ran.code == 0, ran.err
    notes = (await service.client.get("/root/api/crm/leads/L-1/notes")).json()["items"]
    assert [n["text"] for n in notes] == ["Wants Northgate."]


async def test_a_rejected_mission_writes_nothing_and_fails_the_command_that_follows_it(colony: Run, service: Service):
    mission_id = await submitted(colony)
    ran = await colony("missions", "reject", mission_id, "--reason", "no", "--watch", "--json")
    assert ran.code == 1
    assert ran.lines[-1]["status"] == "rejected"
    assert (await service.writes())["notes"] == 0


async def test_what_was_answered_can_not_be_answered_again(colony: Run):
    mission_id = await submitted(colony)
    assert (await colony("missions", "approve", mission_id, "--watch")).code == 0
    ran = await colony("missions", "approve", mission_id)
    assert ran.code == 1
    assert "it is completed" in ran.error("not_pending")


async def test_a_mission_that_policy_blocks_exits_with_three(colony: Run):
    ran = await colony(*SUBMIT, "--token-budget", "10", "--watch")
    assert ran.code == 3
    assert "Why it ended\npolicy_denied at " in ran.out
    shown = await colony("missions", "show")
    assert shown.code == 0
    assert "blocked" in shown.out


async def test_an_input_is_text_unless_it_is_json_and_can_come_from_a_file(colony: Run, tmp_path):
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps(KEYS))
    mission_id = await submitted(colony, "--input", f"fact_schema=@{schema}")
    mission = (await colony("missions", "show", mission_id, "--json")).document
    assert mission["envelope"]["inputs"] == {"lead_id": "L-1", "fact_schema": KEYS}
    assert {fact["key"] for fact in mission["packet"]["facts"]} == {"area", "budget"}


async def test_a_cancelled_mission_is_over_and_can_not_be_failed(colony: Run):
    mission_id = await submitted(colony)
    cancelled = await colony("missions", "cancel", mission_id, "--reason", "changed our mind", "--json")
    assert cancelled.document["status"] == "cancelled"
    refused = await colony("missions", "fail", mission_id)
    assert refused.code == 1
    refused.error("already_ended")


async def test_a_failed_mission_goes_on_after_a_retry(colony: Run):
    mission_id = await submitted(colony)
    assert (await colony("missions", "fail", mission_id, "--reason", "stuck")).out.endswith("it is failed.\n")
    ran = await colony("missions", "retry", mission_id, "--watch", "--json")
    assert ran.code == 4, ran.err
    assert ran.lines[-1]["status"] == "awaiting_approval"


async def test_gates_lists_every_decision_with_its_rules(colony: Run):
    mission_id = await submitted(colony)
    found = (await colony("gates", "--json")).document
    assert found["mission_id"] == mission_id
    assert found["items"][0]["layer"] == "admission"
    assert {item["layer"] for item in found["items"]} == {"admission", "scope", "routing", "release"}
    release = [item for item in found["items"] if item["layer"] == "release"]
    assert {item["outcome"] for item in release} == {"escalated"}
    table = (await colony("gates", mission_id)).out
    assert all(rule in table for item in found["items"] for rule in item["rules"])


async def test_a_fetched_bundle_verifies_without_any_service(colony: Run, alone: Run, tmp_path):
    mission_id = await submitted(colony)
    bundle = tmp_path / "out" / "mission.zip"
    fetched = await colony("missions", "bundle", mission_id, "--out", str(bundle), "--json")
    assert fetched.document["size"] == bundle.stat().st_size
    checked = await alone("verify", str(bundle))
    assert checked.code == 0, checked.out
    assert "verified" in checked.out
    assert (await alone("verify", str(bundle), "--json")).document["mission_id"] == mission_id
    content = bytearray(bundle.read_bytes())
    content[content.index(b"Northgate")] ^= 1
    bundle.write_bytes(content)
    broken = await alone("verify", str(bundle))
    assert broken.code == 1
    assert "NOT VERIFIED" in broken.out


@pytest.mark.parametrize(
    "command",
    [
        ("checkpoints",),
        ("replay",),
        ("fork", "--checkpoint", "c", "--reason", "r"),
        ("diff", "--from", "a", "--to", "b"),
    ],
    ids=lambda command: command[0],
)
async def test_history_of_a_mission_that_is_not_there_is_the_services_error(colony: Run, command):
    ran = await colony("missions", command[0], "msn_0", *command[1:])
    assert ran.code == 1
    ran.error("mission_not_found")
