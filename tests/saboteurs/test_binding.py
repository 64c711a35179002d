"""Approval: what is written is what a person saw, byte for byte, and nothing is written that nobody approved."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from langgraph.runtime import Runtime

import graph.approvals as approvals
import graph.effects as effects
from contracts.decisions import ProposalAnswer
from contracts.errors import Denied
from contracts.packets import AggregationPacket
from contracts.ports import Ports, ReadBack, StepResult
from contracts.state import MissionState
from contracts.stateflow import Stage
from graph.context import RunContext
from graph.steps import step, store
from tests.graph.lab import Lab, Swaps

THROUGH = "an unapproved payload got through"
UNTOUCHED = {"notes": 0, "tasks": 0, "messages": 0}


async def notes(lab: Lab) -> list[str]:
    answer = await lab.service.client.get("/root/api/crm/leads/L-1/notes")
    return [str(note["text"]) for note in answer.json()["items"]]


async def an_answer_to_another_payload_is_refused(lab: Lab) -> None:
    """The check: an approval of something else than what is pending is refused, and nothing is written."""
    await lab.service.seed_lead()
    mission = await lab.mission()
    pending = mission["pending_approval"]
    answers = [
        {"proposal_id": p["proposal_id"], "payload_sha256": "0" * 64, "verdict": "approve"}
        for p in pending["proposals"]
    ]
    body = {"interrupt_id": pending["interrupt_id"], "decisions": answers}
    answer = await lab.service.post(mission["mission_id"], "approve", **body)
    assert answer.status_code == 409, f"{THROUGH}: {answer.status_code}"
    assert (await lab.service.mission(mission["mission_id"]))["status"] == "awaiting_approval"
    assert await notes(lab) == []


async def test_an_answer_to_another_payload_is_refused(lab: Lab) -> None:
    await an_answer_to_another_payload_is_refused(lab)


async def test_without_the_hash_an_answer_to_another_payload_is_taken(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = approvals.decide

    def trusting(asked: approvals.Asked, answers: Sequence[ProposalAnswer], *rest: Any, **named: Any) -> Any:
        shown = {p.proposal_id: p.payload_sha256 for p in asked.request.proposals}
        believed = [a.model_copy(update={"payload_sha256": shown[a.proposal_id]}) for a in answers]
        return real(asked, believed, *rest, **named)

    monkeypatch.setattr(approvals, "decide", trusting)
    with pytest.raises(AssertionError, match=THROUGH):
        await an_answer_to_another_payload_is_refused(lab)


async def altering(state: MissionState, ports: Ports) -> StepResult:
    """A writeback that says something else than what was approved, under the approved hash."""
    for proposal in await ports.effects.granted():
        if proposal.operation == "note":
            await ports.effects.apply(proposal.model_copy(update={"after": {"text": "Give them the keys."}}))
    return StepResult(channels={"release": {**state["release"], "effects": {}}})


async def what_is_written_is_what_was_approved(lab: Lab) -> None:
    """The check: a writeback that alters a granted payload writes nothing."""
    await lab.service.seed_lead()
    mission = await lab.mission()
    swaps = Swaps(nodes={Stage.WRITEBACK: step(Stage.WRITEBACK, altering)})
    ended = await lab.approved(mission["mission_id"], swaps)
    assert await notes(lab) == [], THROUGH
    assert ended["failure"]["code"] == "payload_changed"


async def test_what_is_written_is_what_was_approved(lab: Lab) -> None:
    await what_is_written_is_what_was_approved(lab)


async def test_without_the_payloads_hash_something_else_is_written(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "said", lambda proposal: proposal.payload_sha256)
    with pytest.raises(AssertionError, match=THROUGH):
        await what_is_written_is_what_was_approved(lab)


async def straight_through(state: MissionState, runtime: Runtime[RunContext]) -> MissionState:
    """A release gate that asks nobody and says that everything was approved."""
    release = {"required": False, "verdict": "approved", "granted": 99}
    key = f"{Stage.RELEASE_GATE.value}:{state['revision']}"
    return await store(Stage.RELEASE_GATE, key, state, StepResult(channels={"release": release}), runtime.context)


async def unasked(state: MissionState, ports: Ports) -> StepResult:
    """A writeback that applies whatever the workers proposed."""
    packet = await ports.artifacts.one(AggregationPacket, state["packet"])
    ended: Mapping[str, Any] = {p.proposal_id: (await ports.effects.apply(p)).status for p in packet.writebacks}
    return StepResult(channels={"release": {**state["release"], "effects": {"applied": len(ended)}}})


NO_GATE = {Stage.RELEASE_GATE: straight_through}
NO_GATE_NOR_WRITEBACK = {**NO_GATE, Stage.WRITEBACK: step(Stage.WRITEBACK, unasked)}


async def nothing_is_written_without_a_grant(lab: Lab, nodes: Mapping[Stage, Any]) -> None:
    """The check: a graph that lost its gate, and even its writeback, still writes nothing."""
    await lab.service.seed_lead()
    before = (await lab.service.lead())["stage"]
    mission = await lab.mission(Swaps(nodes=nodes))
    assert mission["status"] in {"completed", "failed"}
    made = await lab.service.writes()
    assert {kind: made[kind] for kind in UNTOUCHED} == UNTOUCHED, f"{THROUGH}: {made}"
    assert (await lab.service.lead())["stage"] == before


@pytest.mark.parametrize(
    "nodes", [pytest.param(NO_GATE, id="no-gate"), pytest.param(NO_GATE_NOR_WRITEBACK, id="no-gate-nor-writeback")]
)
async def test_a_graph_without_its_gate_writes_nothing(lab: Lab, nodes: Mapping[Stage, Any]) -> None:
    await nothing_is_written_without_a_grant(lab, nodes)


async def test_without_the_gate_the_foreign_key_is_what_holds(lab: Lab) -> None:
    lab.db.run("alter table colony_writebacks drop constraint writeback_needs_grant")
    with pytest.raises(AssertionError, match=THROUGH):
        await nothing_is_written_without_a_grant(lab, NO_GATE_NOR_WRITEBACK)


async def test_an_ungranted_write_says_so(lab: Lab) -> None:
    await lab.service.seed_lead()
    mission = await lab.mission(Swaps(nodes=NO_GATE_NOR_WRITEBACK))
    assert mission["status"] == "failed"
    assert mission["failure"]["code"] == "grant_missing"


async def test_a_mission_that_is_merely_set_running_waits_again(lab: Lab) -> None:
    await lab.service.seed_lead()
    mission = await lab.mission()
    lab.db.run(
        "select set_config('colony.epoch', epoch::text, false) from colony_missions; "
        "update colony_missions set status = 'running'"
    )
    again = await lab.run(mission["mission_id"])
    assert again["status"] == "awaiting_approval"
    assert await notes(lab) == []


async def test_a_decision_needs_its_pending_question(lab: Lab) -> None:
    await lab.service.seed_lead()
    mission = await lab.mission()
    body = {"interrupt_id": "another", "decisions": []}
    assert (await lab.service.post(mission["mission_id"], "approve", **body)).status_code == 409
    ended = await lab.approved(mission["mission_id"])
    assert ended["status"] == "completed"
    assert (await lab.service.post(mission["mission_id"], "approve")).status_code == 409
    assert len(await notes(lab)) == 1


async def test_a_granted_write_is_stored_before_it_is_sent(lab: Lab) -> None:
    """The root is away when the write is sent: the intent is there, the outcome says that nothing was written."""

    class Away:
        async def send(self, *_: object) -> Mapping[str, Any]:
            intents = lab.db.rows("select status from colony_writebacks")
            assert [i["status"] for i in intents][-1] == "intended"
            raise Denied("never sent")

        async def shown(self, *_: object) -> ReadBack:
            raise AssertionError("what was never sent is not read back")

    def rewire(ports: Ports, ledger: Any, record: Any) -> Ports:
        return replace(ports, effects=effects.GrantedEffects(ports.mission, ledger, Away(), lab.asking(ledger, record)))

    await lab.service.seed_lead()
    mission = await lab.mission()
    ended = await lab.approved(mission["mission_id"], Swaps(rewire=rewire))
    assert {w["status"] for w in ended["packet"]["writebacks"]} == {"failed"}
