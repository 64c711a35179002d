"""A tenant's own rules: they tighten and never loosen, a broken set denies, and what is activated holds at once."""

import asyncio
import json
from hashlib import sha256
from typing import Any

from adapters.postgres.rulesets import RuleSetStore
from server.cli.checks_work import own_rules
from tests.adapters.postgres.backdoor import outcome, stamp
from tests.graph.lab import Lab, open_lab
from tests.support import Service

API = "/api/colony/policies"
NO_NOTES = """
@id("release.our-no-notes")
@reason("we write no notes")
forbid (principal, action in [Action::"release", Action::"edit", Action::"approve"], resource)
when { resource.operation == "note" };
"""
AFTER = """
@id("scope.our-order")
@reason("{earlier} comes first")
forbid (principal, action == Action::"call", resource == Tool::"{later}")
unless {{ context.done_in_mission.contains("{earlier}") }};
"""
STOP = '@id("admission.our-stop") @reason("we pause") forbid (principal, action == Action::"admit", resource);'
ANYTHING = '@id("release.our-all") @reason("all") permit (principal, action, resource);'
GARBAGE = "permit (principal, action, resource) when { resource.colour == 1 };"


async def put(service: Service, **files: str) -> dict[str, Any]:
    named = {name.replace("_", ".") + ".cedar": text for name, text in files.items()}
    answer = await service.client.post(API, json={"files": named, "note": "a test's"})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def activate(service: Service, version: int) -> Any:
    return await service.client.post(f"{API}/{version}/activate", json={"reason": "a test"})


async def in_force(service: Service, **files: str) -> dict[str, Any]:
    made = await put(service, **files)
    answer = await activate(service, made["version"])
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def force(lab: Lab, content: bytes, digest: str | None = None, number: int = 99) -> None:
    """Put a set in force by SQL, as an administrator who goes around the service could."""
    with lab.db.connect() as conn, conn.transaction():
        stamp(conn, "demo")
        conn.execute(
            "insert into colony_rule_sets (version, sha256, content, actor_id) values (%s, %s, %s, 'eve')",
            [number, digest or sha256(content).hexdigest(), content],
        )
        conn.execute(
            "insert into colony_rule_activations (number, version, rules_sha256, actor_id) values (%s, %s, 'x', 'eve')",
            [number, number],
        )


def operations(mission: dict[str, Any]) -> set[str]:
    return {p["operation"] for p in (mission["pending_approval"] or {"proposals": []})["proposals"]}


async def test_what_a_tenants_rules_forbid_is_not_proposed_and_the_decision_names_the_rules(lab: Lab) -> None:
    await lab.service.seed_lead()
    assert "note" in operations(await lab.mission())
    active = await in_force(lab.service, release_notes=NO_NOTES)
    waiting = await lab.mission()
    assert operations(waiting) and "note" not in operations(waiting)  # noqa: PT018
    decided = [d["payload"] for d in await lab.service.artifacts(waiting["mission_id"], "policy_decision")]
    assert {d["rules_sha256"] for d in decided} == {active["rules_sha256"]}
    denied = [d for d in decided if d["outcome"] == "deny"]
    assert [d["rules"] for d in denied] == [["release.our-no-notes"]]
    text = await RuleSetStore(lab.pool).kept("demo", active["rules_sha256"])
    assert sha256(text).hexdigest() == active["rules_sha256"]
    assert json.loads(text)["tenant/release.notes.cedar"] == NO_NOTES
    assert (await activate(lab.service, 0)).json()["version"] == 0
    assert "note" in operations(await lab.mission())


async def test_a_rule_about_the_order_of_calls_is_held_at_the_tool(lab: Lab) -> None:
    await lab.service.seed_lead()
    first = await lab.mission()
    events = await lab.service.events(first["mission_id"])
    tools = [e["payload"]["tool"] for e in events if e["event_type"] == "tool.called"]
    assert {e["payload"].get("decision_id", "")[:3] for e in events if e["event_type"] == "tool.called"} == {"pd_"}
    await in_force(lab.service, scope_order=AFTER.format(later=tools[1], earlier=tools[0]))
    assert (await lab.mission())["status"] == "awaiting_approval"
    await in_force(lab.service, scope_order=AFTER.format(later=tools[0], earlier=tools[1]))
    ended = await lab.mission()
    assert (ended["status"], ended["failure"]["code"], ended["failure"]["stage"]) == (
        "failed", "call_forbidden", "researcher",
    )  # fmt: skip
    events = await lab.service.events(ended["mission_id"])
    assert [e["payload"]["tool"] for e in events if e["event_type"] == "tool.denied"] == [tools[0]]
    assert not [e for e in events if e["event_type"] == "tool.called"]


async def test_an_answer_is_held_against_what_is_in_force_when_it_is_given(lab: Lab) -> None:
    await lab.service.seed_lead()
    waiting = await lab.mission()
    await in_force(lab.service, release_notes=NO_NOTES)
    refused = await lab.service.post(waiting["mission_id"], "approve")
    assert (refused.status_code, refused.json()["detail"]) == (403, "we write no notes")
    await activate(lab.service, 0)
    assert (await lab.approved(waiting["mission_id"]))["status"] == "completed"


async def test_an_activation_holds_in_every_process_from_its_answer_on(lab: Lab, database: str, tmp_path: Any) -> None:
    await lab.service.seed_lead()
    async with open_lab(database, tmp_path) as other:
        for _ in range(3):
            await in_force(lab.service, admission_stop=STOP)
            assert (await other.mission())["failure"]["reason"] == "we pause"
            await activate(other.service, 0)
            assert (await lab.mission())["status"] == "awaiting_approval"
    answers = await asyncio.gather(*(activate(lab.service, n % 2) for n in range(6)))
    won = [answer.json()["number"] for answer in answers if answer.status_code == 200]
    assert {answer.status_code for answer in answers} <= {200, 409}
    state = (await lab.service.client.get(API)).json()
    assert state["activations"][0]["number"] == max(won) == 6 + len(won)


BROKEN: dict[str, dict[str, str]] = {
    "an unknown attribute": {"release_x": GARBAGE},
    "no Cedar": {"release_x": "permit ("},
    "no layer": {"nonsense_x": NO_NOTES},
    "a shipped rule's name": {"release_x": NO_NOTES.replace("our-", "")},
    "permits what others don't": {"release_x": ANYTHING},
    "twice": {"release_x": NO_NOTES, "release_y": NO_NOTES},
    "invisible characters": {"release_x": NO_NOTES + "// \u202e"},
}


async def test_a_broken_set_can_be_stored_and_not_activated(lab: Lab) -> None:
    for name, files in BROKEN.items():
        made = await put(lab.service, **files)
        assert made["problems"], name
        refused = await activate(lab.service, made["version"])
        assert (refused.status_code, refused.json()["code"]) == (409, "policy_invalid"), name
    assert (await lab.service.client.get(API)).json()["active_version"] == 0


FORCED = {
    "no JSON": b"\xff",
    "no files": b"[]",
    "an unknown attribute": json.dumps({"release.x.cedar": GARBAGE}).encode(),
    "over a shipped file": json.dumps({"../schema.cedarschema": ""}).encode(),
}


async def test_a_broken_set_that_is_forced_denies_everything(lab: Lab) -> None:
    await lab.service.seed_lead()
    waiting = await lab.mission()
    for number, (name, content) in enumerate(FORCED.items(), 90):
        force(lab, content, number=number)
        ended = await lab.mission()
        assert (ended["status"], ended["failure"]["stage"]) == ("blocked", "admission"), name
        assert "can't be used" in ended["failure"]["reason"]
        assert (await lab.service.post(waiting["mission_id"], "approve")).status_code == 403
        assert (await lab.service.client.get(API)).json()["usable"] is False
        told = await asyncio.to_thread(own_rules, lab.colony.settings)
        assert (told.state, told.what.startswith("the rules of demo don't fit")) == ("fail", True), name
    assert (await lab.service.writes())["notes"] == 0


async def test_a_set_that_is_not_its_hash_stops_the_mission(lab: Lab) -> None:
    await lab.service.seed_lead()
    lab.db.run("alter table colony_rule_sets drop constraint rule_set_is_its_hash")
    force(lab, b"{}", "0" * 64)
    ended = await lab.mission()
    assert (ended["status"], ended["failure"]["code"]) == ("failed", "integrity_broken")


def test_the_audit_tables_only_grow(finished: Any) -> None:
    with finished.db.undone() as conn:
        for table in ("colony_rule_sets", "colony_rule_activations", "colony_rule_texts"):
            for what in (f"update {table} set tenant_id = tenant_id", f"delete from {table}", f"truncate {table}"):
                assert outcome(conn, f"set local role colony_app; {what}") == "42501", what
