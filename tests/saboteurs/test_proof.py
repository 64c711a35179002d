"""Proof: nothing is released but what stands in the stored evidence, word for word, and carries its value."""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from langchain_core.outputs import ChatResult

import adapters.postgres.ledger as ledger
import nodes.reviewer as review
from adapters.models.extractive_chat import ExtractiveChatModel
from contracts.base import Contract, TaskKey
from contracts.errors import BadInput
from contracts.evidence import Citation, Claim, ResearchArtifact
from contracts.packets import AggregationPacket, ClaimCheck
from contracts.ports import Ports, StepResult
from contracts.registry import SPECS, Kind
from contracts.state import MissionState
from contracts.stateflow import Stage
from graph.artifacts import StoredArtifacts
from graph.steps import step
from nodes.aggregator import aggregator
from nodes.researcher import researcher
from server.verify import render, verify_bytes
from tests.graph.lab import Lab, Swaps
from tests.support import sampled

FORGED = "a forged claim was released"
Forge = Callable[[Claim], Claim]


def reworded(claim: Claim) -> Claim:
    """Say something else in the quote's place, of the same length."""
    return _cited(claim, lambda c: c.model_copy(update={"quote": "x" * len(c.quote)}))


def moved(claim: Claim) -> Claim:
    """Quote what is there, but say that it stands one character further."""
    return _cited(claim, lambda c: c.model_copy(update={"start": c.start + 1, "end": c.end + 1}))


def one_letter(claim: Claim) -> Claim:
    """Change the case of one letter of the quote."""
    return _cited(claim, lambda c: c.model_copy(update={"quote": c.quote[:-2] + c.quote[-2:].swapcase() + "!"}))


def from_nowhere(claim: Claim) -> Claim:
    """Cite evidence that was never gathered."""
    return _cited(claim, lambda c: c.model_copy(update={"artifact_id": "ra_" + "0" * 32}))


def uncited(claim: Claim) -> Claim:
    """Show nothing at all, by an empty quote: it stands everywhere."""
    return _cited(claim, lambda c: c.model_copy(update={"quote": "", "end": c.start}))


def _cited(claim: Claim, change: Callable[[Citation], Citation]) -> Claim:
    return claim.model_copy(update={"citations": tuple(change(c) for c in claim.citations)})


FORGED_IN = {1: "budget", 2: "area"}
"""Which attribute is forged in which revision: what a review rejected is not claimed again, so another one is."""


def forging(forge: Forge) -> Swaps:
    """An aggregator that forges the claims on one attribute."""

    async def forger(state: MissionState, ports: Ports) -> StepResult:
        made = await aggregator(state, ports)
        packet = next(a for a in made.artifacts if isinstance(a, AggregationPacket))
        attribute = FORGED_IN[state["revision"]]
        claims = tuple(forge(c) if c.attribute == attribute else c for c in packet.claims)
        return replace(made, artifacts=(packet.model_copy(update={"claims": claims}),))

    return Swaps(nodes={Stage.AGGREGATOR: step(Stage.AGGREGATOR, forger)})


async def every_released_quote_is_verbatim(lab: Lab, swaps: Swaps) -> dict[str, Any]:
    """The check: each quote of the packet stands, character for character, at its place in the stored evidence."""
    await lab.service.seed_lead()
    mission = await lab.mission(swaps)
    stored = await lab.service.artifacts(mission["mission_id"], "research_artifact")
    texts = {artifact["artifact_id"]: artifact["payload"]["text"] for artifact in stored}
    for claim in mission["packet"]["claims"] if mission["packet"] else []:
        for c in claim["citations"]:
            there = texts.get(c["artifact_id"], "")[c["start"] : c["end"]]
            assert there, f"{FORGED}: {claim}"
            assert there == c["quote"], f"{FORGED}: {claim}"
    return mission


FORGERIES = [reworded, moved, one_letter, from_nowhere, uncited]


@pytest.mark.parametrize("forge", FORGERIES, ids=lambda f: f.__name__)
async def test_a_forged_quote_is_not_released(lab: Lab, forge: Forge) -> None:
    mission = await every_released_quote_is_verbatim(lab, forging(forge))
    assert mission["status"] == "awaiting_approval"
    assert mission["packet"]["review"]["withheld"]
    assert {"budget", "area"}.isdisjoint(f["key"] for f in mission["packet"]["facts"])


async def test_what_is_yet_to_be_revised_is_not_shown(lab: Lab) -> None:
    async def researching_once(state: MissionState, ports: Ports) -> StepResult:
        if state["revision"] == 2:
            raise BadInput("stop here")
        return await researcher(state, ports)

    await lab.service.seed_lead()
    swaps = forging(reworded)
    nodes = {**swaps.nodes, Stage.RESEARCHER: step(Stage.RESEARCHER, researching_once)}
    mission = await lab.mission(replace(swaps, nodes=nodes))
    assert mission["status"] == "failed"
    assert [r["payload"]["verdict"] for r in await lab.service.artifacts(mission["mission_id"], "review_packet")] == [
        "revise"
    ]
    assert mission["packet"] is None


@pytest.mark.parametrize(
    "forge",
    sampled(FORGERIES, 3),
)
async def test_without_the_comparison_a_forged_quote_is_released(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, forge: Forge
) -> None:
    def credulous(
        claim: Claim,
        evidence: Mapping[str, ResearchArtifact],
        made_by: Mapping[str, TaskKey | str],
        counted: Mapping[str, object],
        about: Mapping[str, object],
    ) -> ClaimCheck:
        return ClaimCheck(claim_id=claim.claim_id, task_key="", quote_verbatim=True, value_supported=True, reason="")

    monkeypatch.setattr(review, "checked", credulous)
    with pytest.raises(AssertionError, match=FORGED):
        await every_released_quote_is_verbatim(lab, forging(forge))


LIE = "987654"


class LyingModel(ExtractiveChatModel):
    """The built-in model, but for one number: it quotes what was said and claims another."""

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        result = super()._generate(*args, **kwargs)
        for call in getattr(result.generations[0].message, "tool_calls", []):
            for fact in call["args"].get("facts", []):
                if fact["key"] == "budget":
                    fact["value"] = LIE
        return result


async def no_value_is_released_that_its_quote_does_not_hold(lab: Lab) -> None:
    """The check: a value that no quote carries appears nowhere in the packet or in what would be written."""
    await lab.service.seed_lead(budget_max=300_000)
    mission = await lab.mission(Swaps(model=LyingModel()))
    assert mission["packet"]["review"]["checks"]
    shown = {k: v for k, v in mission["packet"].items() if k != "review"}
    said = json.dumps([shown, mission["pending_approval"]])
    assert LIE not in said, f"{FORGED}: {said}"


async def test_a_value_that_its_quote_does_not_hold_is_not_released(lab: Lab) -> None:
    await no_value_is_released_that_its_quote_does_not_hold(lab)


class StubbornLiar(LyingModel):
    """It makes up another number every time it is asked."""

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        result = super()._generate(*args, **kwargs)
        for call in getattr(result.generations[0].message, "tool_calls", []):
            for fact in call["args"].get("facts", []):
                if fact["value"] == LIE:
                    fact["value"] = f"{LIE}{secrets.randbelow(10**6)}"
        return result


async def test_what_rests_on_other_claims_is_released_beside_a_withheld_one(lab: Lab) -> None:
    await lab.service.seed_lead()
    mission = await lab.mission(Swaps(model=StubbornLiar()))
    packet = mission["packet"]
    assert len(packet["review"]["withheld"]) == 1
    assert LIE not in json.dumps({k: v for k, v in packet.items() if k != "review"})
    assert packet["findings"][0].startswith("Engagement is"), "it rests on what held"
    assert packet["next_steps"][0].startswith("Confirm the visit")
    answer = await lab.service.client.get(f"/api/colony/missions/{mission['mission_id']}/bundle")
    report = verify_bytes(answer.content)
    assert report.ok, render(report)


async def test_without_recomputation_a_value_is_released_that_its_quote_does_not_hold(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(review, "supported", lambda value, ground: (True, "believed"))
    with pytest.raises(AssertionError, match=FORGED):
        await no_value_is_released_that_its_quote_does_not_hold(lab)


async def tampered_evidence_is_noticed(lab: Lab) -> None:
    """The check: evidence that somebody changed in the database is not what a claim may be held against."""
    await lab.service.seed_lead()

    async def tampering(state: MissionState, ports: Ports) -> StepResult:
        lab.db.run(
            "alter table colony_research_artifacts disable trigger fence",
            "update colony_research_artifacts set content = convert_to(replace(convert_from(content, 'utf8'), "
            "'350k', '990k'), 'utf8')",
        )
        return await aggregator(state, ports)

    mission = await lab.mission(Swaps(nodes={Stage.AGGREGATOR: step(Stage.AGGREGATOR, tampering)}))
    # The run that gathered the evidence holds it already; the next one reads it anew.
    if mission["status"] == "awaiting_approval":
        mission = await lab.approved(mission["mission_id"])
    assert (mission["failure"] or {}).get("code") == "integrity_broken", f"{FORGED}: {mission['status']}"


async def test_tampered_evidence_is_noticed(lab: Lab) -> None:
    await tampered_evidence_is_noticed(lab)


async def test_without_the_stored_hash_tampered_evidence_is_not_noticed(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unchecked(kind: Kind, content: bytes, sha256: str) -> Contract:
        return SPECS[kind].readers["v1"].model_validate_json(content)

    async def any_set(self: StoredArtifacts, model: type[Contract], ref: Mapping[str, Any]) -> tuple[Contract, ...]:
        return tuple(await self._ledger.fetch(Kind(ref["kind"]), ref["revision"]))

    monkeypatch.setattr(ledger, "read", unchecked)
    monkeypatch.setattr(StoredArtifacts, "all", any_set)
    with pytest.raises(AssertionError, match=FORGED):
        await tampered_evidence_is_noticed(lab)
