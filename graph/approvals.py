"""A person's answer at the release gate: from what they sent to what is decided and granted, byte for byte."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.base import InterruptId
from contracts.decisions import (
    ApprovalDecision,
    ApprovalRequest,
    Outcome,
    PolicyDecision,
    ProposalAnswer,
    Verdict,
)
from contracts.errors import BadInput, Conflict, Denied
from contracts.evidence import WritebackProposal, payload_sha256
from contracts.mission import MissionEnvelope
from graph.context import Governance
from policies.questions import Approver, approve_question, edit_question, release_question


@dataclass(frozen=True)
class Answered:
    """The decision to store, and the policy decisions it was made under."""

    decision: ApprovalDecision
    policy: tuple[PolicyDecision, ...]


def everything(request: ApprovalRequest, verdict: Verdict) -> tuple[ProposalAnswer, ...]:
    """Answer every proposal of a request alike."""
    return tuple(
        ProposalAnswer(proposal_id=p.proposal_id, payload_sha256=p.payload_sha256, verdict=verdict)
        for p in request.proposals
    )


def decide(
    request: ApprovalRequest,
    interrupt_id: InterruptId,
    answers: Sequence[ProposalAnswer],
    person: Approver,
    envelope: MissionEnvelope,
    gov: Governance,
    *,
    reason: str | None,
) -> Answered:
    """Turn a person's answers into a decision.

    A proposal that is not answered is not granted. The mission counts as rejected when proposals were asked about and
    every one was turned down.

    Raises:
        BadInput: an answer is for no proposal of this request, or one is answered twice.
        Conflict: an answer is bound to another payload than the pending one.
        Denied: policy does not let this person approve or edit this.
    """
    proposals = {p.proposal_id: p for p in request.proposals}
    if len({a.proposal_id for a in answers}) < len(answers):
        raise BadInput("a proposal is answered twice", code="answered_twice")
    granted: list[WritebackProposal] = []
    policy: list[PolicyDecision] = []
    for answer in answers:
        proposal = proposals.get(answer.proposal_id)
        if proposal is None:
            raise BadInput("an answer is for a proposal that is not pending", code="unknown_proposal")
        if answer.payload_sha256 != proposal.payload_sha256:
            raise Conflict("the proposal has another payload by now; look at it again", code="payload_changed")
        if answer.verdict is Verdict.REJECT:
            continue
        final, asked = _granted(proposal, answer, person, envelope, gov)
        granted.append(final)
        policy += asked
    rejected = bool(proposals) and not granted
    decision = ApprovalDecision(
        mission_id=envelope.mission_id,
        interrupt_id=interrupt_id,
        actor_id=person.actor_id,
        verdict="rejected" if rejected else "approved",
        answers=tuple(answers),
        granted=tuple(granted),
        reason=reason,
    )
    return Answered(decision, tuple({d.decision_id: d for d in policy}.values()))


def _granted(
    proposal: WritebackProposal,
    answer: ProposalAnswer,
    person: Approver,
    envelope: MissionEnvelope,
    gov: Governance,
) -> tuple[WritebackProposal, list[PolicyDecision]]:
    """Return what this answer lets through, checked by policy again if it was edited."""
    final, questions = proposal, []
    circumstances = {"deployment_mode": gov.deployment_mode, "autonomy_tier": gov.autonomy_tier}
    if answer.verdict is Verdict.EDIT:
        if not answer.after:
            raise BadInput("an edit must say what is to be written instead (after)", code="edit_without_after")
        final = edited(proposal, answer.after)
        questions += [
            edit_question(person, envelope, proposal, final, **circumstances, claims_verified=True),  # type: ignore[arg-type]
            release_question(envelope, final, **circumstances, claims_verified=True),  # type: ignore[arg-type]
        ]
    questions.append(approve_question(person, envelope, final))
    decisions = [gov.engine.ask(q) for q in questions]
    for decision in decisions:
        if decision.outcome is Outcome.DENY:
            raise Denied("; ".join(decision.reasons), hint=f"Rules: {', '.join(decision.rules) or 'none allows it'}.")
    return final, decisions


def edited(proposal: WritebackProposal, after: dict[str, object]) -> WritebackProposal:
    """Return the proposal with another ``after``, and with the hash of what it now says."""
    sha = payload_sha256(proposal.target, proposal.operation, proposal.precondition, proposal.before, after)
    return proposal.model_copy(update={"after": after, "payload_sha256": sha})
