"""The release layer judges what the review proved, and does not take its word for it."""

from dataclasses import replace

import pytest

from contracts.decisions import Outcome
from contracts.evidence import Claim
from contracts.packets import AggregationPacket
from graph import gates
from graph.context import Record
from graph.gates import ReleaseResult
from graph.inforce import Asking
from tests.graph.test_inforce import Rules
from tests.nodes.bench import governance
from tests.policies.build import CITATION, envelope, proposal


def packet(status: str) -> AggregationPacket:
    claim = Claim(
        claim_id="cl_1",
        text="They want three bedrooms",
        subject="lead",
        attribute="bedrooms",
        value="3",
        citations=(CITATION,),
        confidence=1,
        status=status,
    )
    parts = ("facts", "metrics", "findings", "next_steps", "drafts", "contradictions", "open_questions")
    return AggregationPacket(
        summary="",
        claims=(claim,),
        answer=None,
        writebacks=(proposal(),),
        evidence_matrix=(),
        **dict.fromkeys(parts, ()),
    )


async def released(status: str) -> ReleaseResult:
    gov = replace(governance(), kept=set())
    ask = await Asking(gov, Rules(), Record(envelope=envelope()), "demo").renewed()
    return gates.release(packet(status), envelope(), gov, ask)


async def test_what_rests_on_verified_claims_goes_on() -> None:
    assert [p.proposal_id for p in (await released("verified")).allowed] == [proposal().proposal_id]


@pytest.mark.parametrize("status", ["proposed", "rejected"])
async def test_what_rests_on_another_claim_does_not_whatever_let_it_through(status: str) -> None:
    found = await released(status)
    assert found.allowed == ()
    assert [(d.outcome, d.rules) for d in found.gate.decisions] == [(Outcome.DENY, ("release.unproven",))]
