"""What a person edits for a fork stays in its bounds: nothing unproven, nothing less risky, nothing more granted."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from contracts.errors import Conflict
from tests.graph.lab import Lab
from tests.replay.again import done
from tests.replay.test_fork import checkpoints, forked

Row = dict[str, Any]
Edit = Callable[[Row], None]


async def made(lab: Lab, mission_id: str) -> dict[str, Any]:
    """Return what a mission made as an edit takes it: by channel, and by task within it."""
    kinds = {"results": "worker_result", "packages": "prompt_package"}
    found: dict[str, Any] = {
        channel: {row["task_key"]: row["payload"] for row in await lab.service.artifacts(mission_id, kind)}
        for channel, kind in kinds.items()
    }
    found["packet"] = (await lab.service.artifacts(mission_id, "aggregation_packet"))[0]["payload"]
    found["evidence"] = [row["payload"] for row in await lab.service.artifacts(mission_id, "research_artifact")]
    plans = lab.db.rows("select payload from colony_plans where mission_id = %s", mission_id)
    return found | {"plan": plans[0]["payload"]}


def set_in(path: str, value: Any) -> Edit:
    """Return an edit of one value, by its path."""
    *way, last = (int(part) if part.isdigit() else part for part in path.split("."))

    def edit(row: Row) -> None:
        at: Any = row
        for part in way:
            at = at[part]
        at[last] = value

    return edit


REFUSED: list[tuple[str, str | None, Edit]] = [
    ("packet", None, set_in("claims.0.value", "900k")),
    ("packet", None, set_in("facts.0.value", "900k")),
    ("packet", None, set_in("answer", {"text": "Yes.", "status": "supported", "claim_ids": []})),
    ("packet", None, set_in("writebacks.0.after", {"stage": "won"})),
    ("packet", None, set_in("writebacks.0.risk_level", "low")),
    ("packet", None, set_in("writebacks.0.citations", [])),
    ("packages", "extract_facts", set_in("timeout_ms", 10**12)),
    ("packages", "extract_facts", set_in("max_output_tokens", -(10**9))),
    ("packages", "extract_facts", set_in("allowed_tools", ["root.patch_lead"])),
    ("packages", "extract_facts", set_in("data_scope", ["board", "chat", "lead"])),
    ("results", "extract_facts", set_in("outputs", {"facts": "none"})),
    ("results", "extract_facts", set_in("fetched", [{"id": "ra_" + "0" * 32, "sha256": "0" * 64}])),
    ("plan", None, set_in("tasks.0.depends_on", ["propose_writebacks"])),
]


async def test_what_stands_on_proof_or_was_granted_is_not_edited(lab: Lab) -> None:
    mission_id = await done(lab)
    there, last = await made(lab, mission_id), checkpoints(lab, mission_id)[-1]
    for channel, task, edit in REFUSED:
        given = deepcopy(there[channel][task] if task else there[channel])
        edit(given)
        with pytest.raises(Conflict):
            await forked(lab, mission_id, last, {channel: [given] if task else given})
    chat = next(one for one in there["evidence"] if one["kind"] == "chat")
    with pytest.raises(Conflict, match="several pieces"):
        await forked(lab, mission_id, last, {"evidence": [chat, chat]})
    assert len(lab.db.rows("select from colony_missions")) == 1


async def test_an_edited_proposal_is_neither_less_risky_nor_less_tainted_and_its_tokens_are_counted(lab: Lab) -> None:
    mission_id = await done(lab)
    there, last = await made(lab, mission_id), checkpoints(lab, mission_id)[-1]
    result = there["results"]["propose_writebacks"]
    for proposal in result["proposals"]:
        proposal |= {"risk_level": "low", "taint": []}
    mission = await lab.run(await forked(lab, mission_id, last, {"results": [{**result, "taint": []}]}))
    asked = mission["pending_approval"]["proposals"]
    assert {p["operation"]: p["risk_level"] for p in asked} == {"patch": "medium", "note": "low", "task": "low"}
    assert all(p["taint"] for p in asked)
    package = there["packages"]["extract_facts"] | {"instructions": "Say more. " * 50, "token_count": 1}
    fork = await forked(lab, mission_id, last, {"packages": [package]})
    stored = {r["task_key"]: r["payload"] for r in await lab.service.artifacts(fork, "prompt_package")}
    assert stored["extract_facts"]["token_count"] > 100


@pytest.mark.long
async def test_a_plan_s_tasks_may_be_given_in_any_order(lab: Lab) -> None:
    mission_id = await done(lab)
    plan = (await made(lab, mission_id))["plan"]
    plan["tasks"].reverse()
    mission = await lab.run(await forked(lab, mission_id, checkpoints(lab, mission_id)[-1], {"plan": plan}))
    assert mission["status"] == "awaiting_approval", mission["failure"]
