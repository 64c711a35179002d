"""A counterfactual says what another rule, prompt, tier or artifact would have made of a mission, and why."""

from typing import Any

import pytest

from contracts.errors import ColonyError
from policies.rulefiles import load_rules
from tests.graph.lab import Lab, Swaps
from tests.replay.again import Mute, begun, done, replayed

SIMULATED = "replay.simulated"
NO_STAGE = """
@id("release.our-no-stage")
@reason("The stage is not to be written.")
forbid (principal, action == Action::"release", resource) when { resource.fields.contains("stage") };
"""


async def test_a_rule_that_forbids_a_field_flips_exactly_the_decisions_that_touch_it(lab: Lab) -> None:
    mission_id = await done(lab)
    was = [a["payload"] for a in await lab.service.artifacts(mission_id, "policy_decision")]
    touched = [
        d for d in was
        if d["question"]["action"] == "release" and "stage" in d["question"]["resource"]["attrs"]["fields"]
    ]  # fmt: skip
    assert touched
    rules = {"rules": {"release.no-stage.cedar": NO_STAGE}}
    report = await replayed(lab, mission_id, Swaps(model=Mute()), overrides=rules)
    flipped = [d for d in report["changes"]["decisions"] if d["change"] == "flipped"]
    assert {d["resource"] for d in flipped} == {d["question"]["resource"]["id"] for d in touched}
    assert {d["to"] for d in flipped} == {"deny"}
    assert {r for d in flipped for r in d["rules"]} == {"release.our-no-stage"}
    assert not report["changes"]["claims"]
    assert not report["changes"]["plan"]
    assert report["overrides"] == ["rules"]
    assert (report["first_divergence"]["stage"], report["under_other_rules"] > 5) == ("release_gate", True)
    would_be = [e["payload"] for e in await lab.service.events(report["mission_id"]) if e["event_type"] == SIMULATED]
    assert {e["operation"] for e in would_be} == {"note", "task"}, "what the rule denies would not be written"


async def test_rules_that_decide_the_same_are_told_apart_from_what_they_change(lab: Lab) -> None:
    mission_id = await done(lab)
    never = NO_STAGE.replace('contains("stage")', 'contains("no such field")').replace("no-stage", "nothing")
    report = await replayed(lab, mission_id, overrides={"rules": {"release.nothing.cedar": never}})
    assert not report["identical"]
    assert report["under_other_rules"] == report["artifacts"] - report["artifacts_identical"] > 5
    assert report["first_divergence"]["call"] == "artifact: policy_decision"
    assert not report["changes"]["decisions"]


async def test_a_prompt_that_was_changed_is_asked_live_where_that_is_wanted(lab: Lab) -> None:
    mission_id = await done(lab)
    words = {"templates": {"extract_facts": {"instructions": "Say what the lead wants, as {output}."}}}
    missing = await replayed(lab, mission_id, Swaps(model=Mute()), overrides=words)
    assert missing["first_call"]["task_key"] == "extract_facts"
    assert missing["failure"]["code"] == "recording_missing"
    live = await replayed(lab, mission_id, overrides=words, on_missing="live")
    assert live["failure"] is None
    assert live["first_call"]["task_key"] == "extract_facts"
    assert not live["changes"]["claims"], "the built-in model reads no instructions"


@pytest.mark.long
async def test_an_edited_result_shows_in_what_rests_on_it(lab: Lab) -> None:
    mission_id = await done(lab)
    results = {r["task_key"]: r["payload"] for r in await lab.service.artifacts(mission_id, "worker_result")}
    result = {**results["propose_writebacks"], "proposals": []}
    edit = {"artifacts": {"results": [result]}}
    report = await replayed(lab, mission_id, Swaps(model=Mute()), overrides=edit)
    assert {p["change"] for p in report["changes"]["proposals"]} == {"gone"}
    assert [w["task_key"] for w in report["changes"]["why"]] == ["propose_writebacks"]


@pytest.mark.long
async def test_a_live_replay_asks_again_and_writes_nothing(lab: Lab) -> None:
    mission_id = await done(lab)
    await lab.service.seed_lead(notes="changed since")
    written = await lab.service.writes()
    report = await replayed(lab, mission_id, mode="live")
    assert not report["identical"]
    assert report["failure"] is None
    assert report["first_divergence"]["stage"] == "librarian", "what past missions left is looked up anew"
    assert any("evidence is another" in b for w in report["changes"]["why"] for b in w["because"])
    assert (await lab.service.writes())["notes"] == written["notes"]


async def test_overrides_that_cannot_be_used_make_no_mission(lab: Lab) -> None:
    mission_id = await done(lab)
    unusable: list[dict[str, Any]] = [
        {"rules": {"release.x.cedar": "permit(principal, action, resource)"}},
        {"rules": {"nonsense": "x"}},
        {"templates": {"no_such": {"system": "x"}}},
        {"artifacts": {"passes": []}},
        {"route": "tier_cloud_standard"},
    ]
    for overrides in unusable:
        with pytest.raises(ColonyError):
            await begun(lab, mission_id, overrides=overrides)
    # What is asked live is asked for real, and nobody brings the rules that let it.
    for live in ({"mode": "live"}, {"on_missing": "live"}):
        with pytest.raises(ColonyError, match="on the tape alone"):
            await begun(lab, mission_id, overrides={"rules": {"release.no-stage.cedar": NO_STAGE}}, **live)
    assert len(lab.db.rows("select from colony_missions")) == 1


@pytest.mark.long
async def test_a_whole_set_of_rules_may_stand_in_the_place_of_the_deployment_s(lab: Lab) -> None:
    mission_id = await done(lab)
    whole = load_rules()
    texts = {f.name: f.text for f in whole.files} | {"schema.cedarschema": whole.schema}
    texts["admission.cedar"] = ""
    report = await replayed(lab, mission_id, Swaps(model=Mute()), overrides={"rules": texts})
    assert report["status"]["replay"] == "blocked"
    flipped = [d for d in report["changes"]["decisions"] if d["change"] == "flipped"]
    assert [(d["layer"], d["to"]) for d in flipped] == [("admission", "deny")]
