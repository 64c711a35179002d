"""A fork goes on from any checkpoint as a mission of its own; the original stays as it is, and no gate is skipped."""

import asyncio
import hashlib
from typing import Any

import pytest

from contracts.errors import BadInput, Conflict
from server.verify import render, verify_bytes
from tests.adapters.postgres.backdoor import tables_with
from tests.graph.lab import Lab
from tests.replay.again import ANN, TRACE, done, replayed


def rows_of(lab: Lab, mission_id: str) -> str:
    """Hash every row of every table that is about a mission."""
    seen = hashlib.sha256()
    with lab.db.connect() as conn:
        for column in ("mission_id", "thread_id"):
            for table in tables_with(conn, column):
                if not table.startswith("queue."):
                    rows = conn.execute(
                        f"select t::text as row from {table} t where {column} = %s order by 1", [mission_id]
                    ).fetchall()
                    seen.update(repr((table, [row["row"] for row in rows])).encode())
    return seen.hexdigest()


async def forked(lab: Lab, mission_id: str, checkpoint_id: str, updates: dict[str, Any] | None = None) -> str:
    return await lab.colony.service.lineages.fork(ANN, mission_id, checkpoint_id, updates or {}, "to see", TRACE)


def checkpoints(lab: Lab, mission_id: str) -> list[str]:
    found = lab.db.rows("select checkpoint_id from checkpoints where thread_id = %s order by 1", mission_id)
    return [row["checkpoint_id"] for row in found]


@pytest.mark.parametrize("apart", [4, pytest.param(1, marks=pytest.mark.long)])
async def test_forks_from_every_checkpoint_run_to_their_end_and_none_skips_the_gate(lab: Lab, apart: int) -> None:
    mission_id = await done(lab)
    before, written = rows_of(lab, mission_id), await lab.service.writes()
    found = checkpoints(lab, mission_id)
    assert len(found) > 10
    for n, checkpoint_id in enumerate(found[::-apart][::-1]):
        fork = await forked(lab, mission_id, checkpoint_id)
        mission = await lab.run(fork)
        assert mission["status"] == "awaiting_approval", (n, mission["failure"])
        assert mission["lineage"]["kind"] == "fork"
        if n % 3 == 1:
            bundle = await lab.service.client.get(f"/api/colony/missions/{fork}/bundle")
            report = verify_bytes(bundle.content)
            assert report.ok, (n, render(report))
        assert rows_of(lab, mission_id) == before
        assert await lab.service.writes() == written
    ended = await lab.approved(fork)
    assert ended["status"] == "completed"
    # The original has changed the lead since: what the fork would write on it is stale, and nothing was written.
    assert {w["status"] for w in ended["packet"]["writebacks"]} == {"conflicted"}
    assert await lab.service.writes() == written
    assert rows_of(lab, mission_id) == before


async def test_without_its_place_before_the_gate_a_fork_ends_and_nobody_was_asked(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    mission_id = await done(lab)
    written = await lab.service.writes()
    monkeypatch.setattr("graph.forking._BEHIND", frozenset({"blocked", "failed"}))
    behind = [c for c in checkpoints(lab, mission_id) if await following(lab, mission_id, c) == ["writeback"]]
    mission = await lab.run(await forked(lab, mission_id, behind[0]))
    assert mission["status"] == "completed", "the saboteur: it goes on behind the gate, and nobody is asked"
    # Even then: what was granted was granted to the original.
    assert await lab.service.writes() == written


async def following(lab: Lab, mission_id: str, checkpoint_id: str) -> list[str]:
    answer = await lab.service.client.get(f"/api/colony/missions/{mission_id}/checkpoints/{checkpoint_id}")
    return list(answer.json()["next"])


async def test_a_fork_s_effects_are_its_own(lab: Lab) -> None:
    await lab.service.seed_lead()
    waiting = (await lab.mission())["mission_id"]
    before = rows_of(lab, waiting)
    fork = await forked(lab, waiting, checkpoints(lab, waiting)[-1])
    await lab.run(fork)
    assert (await lab.service.writes())["notes"] == 0
    ended = await lab.approved(fork)
    assert {w["status"] for w in ended["packet"]["writebacks"]} == {"applied"}
    assert (await lab.service.writes())["notes"] == 1
    assert rows_of(lab, waiting) == before
    bundle = await lab.service.client.get(f"/api/colony/missions/{fork}/bundle")
    assert verify_bytes(bundle.content).ok


async def test_a_fork_of_an_answered_question_asks_another_one(lab: Lab) -> None:
    mission_id = await done(lab)
    was = lab.db.rows("select interrupt_id from colony_approvals")[0]["interrupt_id"]
    fork = await forked(lab, mission_id, checkpoints(lab, mission_id)[-1])
    mission = await lab.run(fork)
    assert mission["pending_approval"]["interrupt_id"] != was
    answer = await lab.service.client.post(
        f"/api/colony/missions/{fork}/approve", json={"interrupt_id": was, "decisions": []}
    )
    assert answer.status_code == 409
    rejected = await lab.service.post(fork, "reject", reason="decided otherwise")
    assert rejected.status_code == 202
    assert (await lab.run(fork))["status"] == "rejected"


async def test_an_edited_result_is_reviewed_again_and_a_person_is_told(lab: Lab) -> None:
    mission_id = await done(lab)
    results = {r["task_key"]: r["payload"] for r in await lab.service.artifacts(mission_id, "worker_result")}
    result = results["extract_facts"]
    quote = result["claims"][0]["citations"][0]
    result["claims"][0]["citations"][0] = {**quote, "quote": "never said", "end": quote["start"] + 10}
    fork = await forked(lab, mission_id, checkpoints(lab, mission_id)[-1], {"results": [result]})
    mission = await lab.run(fork)
    assert mission["status"] == "awaiting_approval", mission["failure"]
    assert any("results was edited by ann" in reason for reason in mission["pending_approval"]["reasons"])
    said = {c["claim_id"] for c in mission["packet"]["claims"]}
    assert result["claims"][0]["claim_id"] not in said, "a claim without its quote was released"


async def test_a_key_makes_one_however_many_ask_at_once_and_a_halted_tenant_none(lab: Lab) -> None:
    await lab.service.seed_lead()
    mission_id = (await lab.mission())["mission_id"]
    fork = {"checkpoint_id": checkpoints(lab, mission_id)[-1], "reason": "again"}
    client, at = lab.service.client, f"/api/colony/missions/{mission_id}"
    for command, body in (("fork", fork), ("replay", {})):
        key = {"Idempotency-Key": f"one {command}"}
        answers = await asyncio.gather(*(client.post(f"{at}/{command}", json=body, headers=key) for _ in range(4)))
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.json()["mission_id"] for answer in answers}) == 1
        other = await client.post(f"{at}/replay", json={"on_missing": "live"}, headers=key)
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert (await client.post("/api/colony/halt", json={"reason": "stop"})).status_code == 201
    for command, body in (("fork", fork), ("replay", {})):
        refused = await client.post(f"{at}/{command}", json=body)
        assert (refused.status_code, refused.json()["code"]) == (409, "halted")
    assert len(lab.db.rows("select from colony_missions")) == 3


async def test_what_the_gates_say_is_not_edited(lab: Lab) -> None:
    mission_id = await lab.service.submit()
    for channel in ("passes", "review", "release", "verdict", "outcome", "mission_id", "looks", "x"):
        with pytest.raises(BadInput):
            await forked(lab, mission_id, "any", {channel: {}})


async def test_a_plan_that_policy_does_not_allow_begins_no_fork(lab: Lab) -> None:
    mission_id = await done(lab)
    plans = lab.db.rows("select payload from colony_plans where mission_id = %s", mission_id)
    plan = plans[0]["payload"]
    plan["tasks"][0]["needs"] = ["campaign"]
    with pytest.raises(Exception, match="do not let the fork begin"):
        await forked(lab, mission_id, checkpoints(lab, mission_id)[-1], {"plan": plan})


async def test_replays_from_a_checkpoint_and_of_a_fork_are_identical(lab: Lab) -> None:
    mission_id = await done(lab)
    found = checkpoints(lab, mission_id)
    for checkpoint_id in found[2::4]:
        report = await replayed(lab, mission_id, checkpoint_id=checkpoint_id)
        assert report["identical"], report
    fork = await forked(lab, mission_id, found[7])
    await lab.run(fork)
    report = await replayed(lab, fork)
    assert report["identical"], report
    with pytest.raises(Conflict):
        await forked(lab, report["mission_id"], "any")
