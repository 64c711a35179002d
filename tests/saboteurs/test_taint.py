"""Taint and hostile proposals in whole missions: a worker that says nothing of taint, and one that wants it all."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

import graph.artifacts
import graph.steps
from contracts.base import ProposalId
from contracts.events import NewEvent
from contracts.evidence import ResearchArtifact, Target, WorkerResult, WritebackProposal, payload_sha256
from contracts.ports import LedgerPort, Ports, ResultPort
from graph.context import Record
from tests.graph.lab import Lab, Swaps

THROUGH = "got through"
OTHER = "L-2"
Alter = Callable[[WorkerResult], WorkerResult]


class Altering:
    """The results of a worker that somebody else speaks through."""

    def __init__(self, inner: ResultPort, alter: Alter) -> None:
        self._inner = inner
        self._alter = alter

    async def done(self, revision: int) -> dict[str, WorkerResult]:
        return await self._inner.done(revision)

    async def save(
        self,
        revision: int,
        result: WorkerResult,
        events: Sequence[NewEvent],
        fetched: Sequence[ResearchArtifact] = (),
    ) -> WorkerResult:
        altered = self._alter(result) if result.proposals else result
        return await self._inner.save(revision, altered, graph.artifacts.renamed(events, result, altered), fetched)

    async def note(self, events: Sequence[NewEvent]) -> None:
        await self._inner.note(events)


async def proposing(lab: Lab, alter: Alter) -> dict[str, Any]:
    """Run a mission to its approval with a worker that alters its proposals."""

    def rewire(ports: Ports, ledger: LedgerPort, record: Record) -> Ports:
        return replace(ports, results=Altering(ports.results, alter))

    await lab.service.seed_lead(budget_max=300_000)
    await lab.service.seed_lead(OTHER)
    mission = await lab.mission(Swaps(rewire=rewire))
    assert mission["status"] == "awaiting_approval"
    return mission


def silent(result: WorkerResult) -> WorkerResult:
    return result.model_copy(
        update={"taint": (), "proposals": tuple(p.model_copy(update={"taint": ()}) for p in result.proposals)}
    )


async def what_the_chat_said_is_shown_as_such(lab: Lab) -> None:
    """The check: what the conversation had a part in is tainted by it, before the approver and in the packet."""
    mission = await proposing(lab, silent)
    artifacts = await lab.service.artifacts(mission["mission_id"], "research_artifact")
    [chat] = [a["artifact_id"] for a in artifacts if a["payload"]["kind"] == "chat"]
    for proposal in mission["pending_approval"]["proposals"]:
        tainted = {t["field"]: (t["trust"], t["artifact_ids"]) for t in proposal["taint"]}
        assert tainted == dict.fromkeys(proposal["after"], ("customer", [chat])), THROUGH
    parts = {t["field"]: t["artifact_ids"] for t in mission["packet"].get("taint", [])}
    facts = {f"facts.{f['key']}" for f in mission["packet"]["facts"]}
    assert {"findings", "drafts", "next_steps", "summary", *facts} <= parts.keys(), THROUGH
    assert {tuple(ids) for ids in parts.values()} == {(chat,)}


async def test_a_worker_that_omits_taint_does_not_lose_it(lab: Lab) -> None:
    await what_the_chat_said_is_shown_as_such(lab)


async def test_without_the_graphs_own_taint_a_worker_that_omits_it_loses_it(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph.artifacts, "labelled", lambda result, *_: result)
    monkeypatch.setattr(graph.steps, "packet_labelled", lambda packet, _: packet)
    with pytest.raises(AssertionError, match=THROUGH):
        await what_the_chat_said_is_shown_as_such(lab)


def lead(name: str) -> dict[str, Any]:
    return {"target": Target(system="root", entity="lead", id=name)}


def sets(**after: Any) -> dict[str, Any]:
    return {"after": after}


def note(**after: Any) -> dict[str, Any]:
    return {"operation": "note", "after": after}


HOSTILE: dict[str, tuple[dict[str, Any], str]] = {
    "another-lead": (lead(OTHER), "foreign-target"),
    "another-tenants-lead": (lead("other/L-1"), "foreign-target"),
    "a-look-alike-lead": (lead("L-\uff11"), "foreign-target"),
    "an-invisible-character": (lead("L-1\u200b"), "foreign-target"),
    "a-space": (lead("L-1 "), "foreign-target"),
    "every-lead": (lead("*"), "foreign-target"),
    "another-system": ({"target": Target(system="bank", entity="lead", id="L-1")}, "foreign-target"),
    "a-page": ({"target": Target(system="root", entity="page", id="L-1")}, "foreign-target"),
    "a-user": ({"target": Target(system="root", entity="user", id="L-1")}, "operation"),
    "an-owner": (sets(owner="mallory"), "never-fields"),
    "an-address": (sets(email="mallory@evil.example"), "never-fields"),
    "a-nested-owner": (sets(attributes={"owner": "mallory"}), "never-fields"),
    "deep-down": (sets(attributes={"stage": [{"x": {"ownerId": "mallory"}}]}), "never-fields"),
    "a-path": (sets(**{"contact.email": "mallory@evil.example"}), "never-fields"),
    "a-field-nobody-listed": (sets(credit_limit=1_000_000), "lead-fields"),
    "a-cyrillic-stage": (sets(stаge="won"), "lead-fields"),
    "an-invisible-owner": (sets(**{"own\u200ber": "mallory"}), "lead-fields"),
    "an-unknown-container": (sets(admin={"stage": "won"}), "lead-fields"),
    "nothing": (sets(), "empty"),
    "no-version": ({"precondition": None}, "blind-patch"),
    "another-hash": ({"payload_sha256": "0" * 64}, "hash-broken"),
    "a-notes-recipient": (note(text="x", to="mallory@evil.example"), "never-fields"),
    "a-notes-link": (note(text="Pay at http://evil.example/pay"), "tainted-channel"),
    "a-notes-hidden-link": (note(text="Pay at evil\u3002com\uff0fpay"), "tainted-channel"),
    "a-messages-channel": ({"operation": "message", "after": {"text": "x", "channel": "sms"}}, "tainted-channel"),
    "a-messages-link": ({"operation": "message", "after": {"body": {"text": "www.evil.example"}}}, "tainted-channel"),
}


def hostile(result: WorkerResult) -> WorkerResult:
    """Beside its own proposals a worker makes every hostile one, each with a quote that holds."""
    [base] = [p for p in result.proposals if p.operation == "patch" and "stage" in p.after]
    made = [_made(base, name, changes) for name, (changes, _) in HOSTILE.items()]
    return result.model_copy(update={"proposals": (*result.proposals, *made)})


def _made(base: WritebackProposal, name: str, changes: dict[str, Any]) -> WritebackProposal:
    one = base.model_copy(update={"proposal_id": ProposalId(f"wp_{name}"), "taint": (), **changes})
    sha = payload_sha256(one.target, one.operation, one.precondition, one.before, one.after)
    return one.model_copy(update={"payload_sha256": changes.get("payload_sha256", sha)})


async def test_no_hostile_proposal_comes_before_a_person(lab: Lab) -> None:
    mission = await proposing(lab, hostile)
    shown = {p["proposal_id"] for p in mission["pending_approval"]["proposals"]}
    assert len(shown) >= 3, "the mission's own are"
    assert [name for name in HOSTILE if f"wp_{name}" in shown] == []
    events = await lab.service.events(mission["mission_id"])
    gates = {e["payload"]["subject"]: e["payload"] for e in events if e["event_type"] == "gate.release"}
    said = {name: gates[f"wp_{name}"] for name in HOSTILE}
    assert {name for name, gate in said.items() if gate["outcome"] != "blocked"} == set()
    assert {n: g["rules"] for n, g in said.items() if f"release.{HOSTILE[n][1]}" not in g["rules"]} == {}
