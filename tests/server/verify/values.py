"""The contract values that the story of a mission is made of."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from contracts.base import ActorId, ArtifactId, MissionId, ProposalId, TaskKey, TenantId
from contracts.canonical import digest
from contracts.evidence import (
    Citation,
    Claim,
    ResearchArtifact,
    Source,
    Target,
    Trust,
    WritebackProposal,
    claim_id,
    payload_sha256,
)
from contracts.mission import (
    AutonomyTier,
    Level,
    MissionClass,
    MissionEnvelope,
    MissionRequest,
    ReviewLevel,
    Sensitivity,
)
from contracts.packets import (
    AggregationPacket,
    Answer,
    ClaimCheck,
    Contradiction,
    ContradictionValue,
    EvidenceRow,
    Fact,
    ReviewPacket,
)

MISSION, TENANT, ACTOR, TRACE, INTERRUPT = "msn_1", "acme", "ann", "t" * 32, "int_1"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TEXT = "lead: My budget is 450k 😀.\nlead: I want 3 bedrooms in Northgate.\nlead: The dog stays with my sister.\n"
TASK = "extract_facts"

REQUEST = MissionRequest(
    mission_type=MissionClass.CRM_LEAD_INTELLIGENCE, user_goal="Understand the lead", inputs={"lead_id": "L-1"}
)
ENVELOPE = MissionEnvelope(
    mission_id=MissionId(MISSION),
    mission_type=REQUEST.mission_type,
    origin_surface="api",
    user_goal=REQUEST.user_goal,
    normalized_goal=REQUEST.user_goal,
    tenant_id=TenantId(TENANT),
    actor_id=ActorId(ACTOR),
    risk_level=Level.MEDIUM,
    sensitivity_class=Sensitivity.PERSONAL,
    autonomy_tier=AutonomyTier.ASSISTED,
    review_level=ReviewLevel.STANDARD,
    time_budget_ms=600_000,
    token_budget=100_000,
    requested_outputs=("facts",),
    inputs=REQUEST.inputs,
    metadata={},
    trace_id=TRACE,
)


def evidence(text: str = TEXT) -> ResearchArtifact:
    source = Source(system="root", entity="chat", id="C-1", title="whatsapp")
    return ResearchArtifact(need="chat", kind="chat", source=source, text=text, trust=Trust.CUSTOMER)


def claim(found: ResearchArtifact, attribute: str, value: str, quote: str) -> Claim:
    start = found.text.index(quote)
    cited = (Citation(artifact_id=found.artifact_id, quote=quote, start=start, end=start + len(quote)),)
    name = claim_id(TASK, attribute, value, cited)
    text = f"{attribute}: {value}"
    return Claim(
        claim_id=name, text=text, subject="L-1", attribute=attribute, value=value, citations=cited, confidence=0.9
    )


def proposal(ground: Claim, operation: Any, before: dict[str, Any], after: dict[str, Any]) -> WritebackProposal:
    target = Target(system="root", entity="lead", id="L-1")
    sha = payload_sha256(target, operation, '"7"', before, after)
    return WritebackProposal(
        proposal_id=ProposalId("wp_" + digest([TASK, sha])[:24]),
        target=target,
        operation=operation,
        precondition='"7"',
        before=before,
        after=after,
        rationale="the lead said so",
        citations=ground.citations,
        taint=(),
        risk_level=Level.MEDIUM,
        payload_sha256=sha,
    )


def aggregated(claims: list[Claim], writebacks: list[WritebackProposal]) -> AggregationPacket:
    sides = [ContradictionValue(value=str(c.value), claim_id=c.claim_id) for c in claims]
    return AggregationPacket(
        summary="What we know.",
        claims=tuple(claims),
        facts=tuple(Fact(key=c.attribute, value=str(c.value), claim_id=c.claim_id) for c in claims),
        answer=Answer(text="450k", status="supported", claim_ids=(claims[0].claim_id,)),
        metrics=(),
        findings=("engaged",),
        next_steps=("call",),
        drafts=({"text": "Hello", "claim_ids": [claims[-1].claim_id]}, {"text": "Hi"}),
        contradictions=tuple(
            Contradiction(subject="L-1", attribute="x", values=pair, resolution="open")
            for pair in ((sides[0], sides[len(sides) // 2]), (sides[0], sides[-1]))
        ),
        open_questions=(),
        writebacks=tuple(writebacks),
        evidence_matrix=tuple(
            EvidenceRow(artifact_id=ArtifactId(a), claim_ids=ids)
            for a, ids in ((evidence().artifact_id, tuple(c.claim_id for c in claims)), ("ra_x", (sides[-1].claim_id,)))
        ),
    )


def reviewed(claims: list[Claim], verdict: Any, withheld: list[Claim]) -> ReviewPacket:
    failed = {c.claim_id for c in withheld}
    checks = (
        ClaimCheck(
            claim_id=c.claim_id,
            task_key=TaskKey(TASK),
            quote_verbatim=True,
            value_supported=c.claim_id not in failed,
            reason="",
        )
        for c in claims
    )
    return ReviewPacket(
        verdict=verdict,
        reasons=("checked",),
        checks=tuple(checks),
        covered=("facts",),
        missing=(),
        withheld=tuple(sorted(failed)) if verdict == "release" else (),
    )


def claims_of(found: ResearchArtifact) -> list[Claim]:
    return [
        claim(found, "budget", "450k", "budget is 450k 😀"),
        claim(found, "bedrooms", "3", "3 bedrooms"),
        claim(found, "pets", "true", "The dog stays with my sister"),
    ]


def changes_of(claims: list[Claim]) -> list[WritebackProposal]:
    return [
        proposal(claims[0], "patch", {"budget_max": 400_000}, {"budget_max": 450_000}),
        proposal(claims[1], "note", {}, {"text": "Wants 3 bedrooms"}),
        proposal(claims[1], "task", {}, {"title": "Call"}),
        proposal(claims[2], "patch", {"pets": False}, {"pets": True}),
    ]


def edited(one: WritebackProposal, after: dict[str, Any]) -> WritebackProposal:
    sha = payload_sha256(one.target, one.operation, one.precondition, one.before, after)
    return one.model_copy(update={"after": after, "payload_sha256": sha})
