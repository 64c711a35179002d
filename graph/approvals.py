"""A person's answer at the release gate: from what they sent to what it means for each proposal, byte for byte."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.base import InterruptId, ProposalId
from contracts.constitution import HardLimits
from contracts.decisions import (
    ApprovalDecision,
    ApprovalRequest,
    Given,
    GivenAnswer,
    Ground,
    Outcome,
    PolicyDecision,
    PolicyQuestion,
    ProposalAnswer,
    Verdict,
)
from contracts.errors import BadInput, Conflict, Denied
from contracts.evidence import WritebackProposal
from contracts.mission import MissionEnvelope
from graph.context import Governance
from graph.inforce import Remembering
from graph.standing import Standing, edited, standings
from policies.constitution import people_for
from policies.questions import (
    Approver,
    accept_question,
    alone_question,
    approve_question,
    edit_question,
    release_question,
)

MOST_ANSWERS = 20
"""Two people who edit each other's edits for ever don't grow a mission for ever."""
TWO_PEOPLE = 2


@dataclass(frozen=True)
class Asked:
    """The approval that waits: what was asked, what was answered so far, and in which circumstances."""

    interrupt_id: InterruptId
    request: ApprovalRequest
    given: tuple[GivenAnswer, ...]
    envelope: MissionEnvelope
    escalated: bool = False


@dataclass(frozen=True)
class Answered:
    """The answer to store, the policy decisions it was taken under and, when nobody else has to answer, the end."""

    answer: GivenAnswer
    policy: tuple[PolicyDecision, ...]
    decision: ApprovalDecision | None


class Refused(Denied):
    """Policy does not let this person answer so; it carries the decision, to store."""

    def __init__(self, decision: PolicyDecision) -> None:
        self.decision = decision
        hint = f"Rules: {', '.join(decision.rules) or 'none allows it'}."
        super().__init__("; ".join(decision.reasons), hint=hint)


def everything(asked: Asked, verdict: Verdict) -> tuple[ProposalAnswer, ...]:
    """Answer alike whatever is still open; a rejection takes back what others have agreed to, too."""
    return tuple(
        ProposalAnswer(proposal_id=name, payload_sha256=s.proposal.payload_sha256, verdict=verdict)
        for name, s in standings(asked.request, asked.given).items()
        if s.refused_by is None and (verdict is Verdict.REJECT or not s.settled)
    )


def decide(
    asked: Asked,
    answers: Sequence[ProposalAnswer],
    person: Approver,
    gov: Governance,
    ask: Remembering,
    *,
    reason: str | None,
    turned_down: bool = False,
) -> Answered:
    """Take a person's answers.

    A proposal that is open and not answered is not granted. The mission counts as rejected when proposals were asked
    about and every one was turned down, or when the person turned the whole down.

    Raises:
        BadInput: an answer is for no proposal of this request, or one is answered twice.
        Conflict: an answer is bound to another payload than the pending one, or the proposal was turned down before.
        Refused: policy does not let this person approve or edit this.
    """
    if len({a.proposal_id for a in answers}) < len(answers):
        raise BadInput("a proposal is answered twice", code="answered_twice")
    if len(asked.given) >= MOST_ANSWERS:
        raise Conflict("this approval has had too many answers", code="too_many_answers", hint="Reject it.")
    before = standings(asked.request, asked.given)
    court = _Court(asked, person, gov, ask)
    grounds = [made for a in answers if (made := _heard(before, a, court)) is not None]
    if not before and not turned_down:
        court.ask(
            accept_question(person, asked.envelope, deployment_mode=gov.deployment_mode, escalated=asked.escalated)
        )
    answer = GivenAnswer(
        mission_id=asked.envelope.mission_id,
        interrupt_id=asked.interrupt_id,
        number=len(asked.given) + 1,
        actor_id=person.actor_id,
        on_behalf_of=person.on_behalf_of,
        answers=tuple(answers),
        grounds=tuple(grounds),
        reason=reason,
    )
    policy = tuple({d.decision_id: d for d in court.decisions}.values())
    return Answered(answer, policy, _decision(asked, answer, turned_down=turned_down))


class _Court:
    """Asks the release layer about one person's answer, and keeps what it said."""

    def __init__(self, asked: Asked, person: Approver, gov: Governance, ask: Remembering) -> None:
        self.person = person
        self.envelope = asked.envelope
        self.decisions: list[PolicyDecision] = []
        self._asked = asked
        self._gov = gov
        self._ask = ask
        self._circumstances: dict[str, Any] = {
            "deployment_mode": gov.deployment_mode,
            "autonomy_tier": gov.autonomy_tier,
            "claims_verified": True,
        }

    def ask(self, question: PolicyQuestion) -> PolicyDecision:
        decision = self._ask(question)
        if decision.outcome is Outcome.DENY:
            raise Refused(decision)
        self.decisions.append(decision)
        return decision

    def may_edit(self, proposal: WritebackProposal, final: WritebackProposal) -> Ground:
        self.ask(edit_question(self.person, self.envelope, proposal, final, **self._circumstances))
        released = self.ask(release_question(self.envelope, final, **self._circumstances))
        alone = self._ask(alone_question(self.envelope, final, **self._circumstances))
        self.decisions.append(alone)
        return ground(final, released, alone, self._ask.limits)

    def still(self, standing: Standing) -> Ground | None:
        """Ask once more what the gate has asked: rules and constitution may be others by now.

        Returns the ground if more people must agree than were asked for; fewer never need to.
        """
        released = self._ask(release_question(self.envelope, standing.proposal, **self._circumstances))
        if released.outcome is Outcome.DENY:
            raise Refused(released)
        alone = self._ask(alone_question(self.envelope, standing.proposal, **self._circumstances))
        now = ground(standing.proposal, released, alone, self._ask.limits)
        if now.people <= standing.ground.people:
            return None
        self.decisions += [released, alone]
        return now

    def may_approve(self, standing: Standing, final: WritebackProposal, people: int) -> None:
        unchanged = final.payload_sha256 == standing.proposal.payload_sha256
        self.ask(
            approve_question(
                self.person,
                self.envelope,
                final,
                deployment_mode=self._gov.deployment_mode,
                people=people,
                agreed=standing.agreed if unchanged else (),
                escalated=self._asked.escalated,
            )
        )


def _heard(before: Mapping[ProposalId, Standing], answer: ProposalAnswer, court: _Court) -> Ground | None:
    """Hear one answer; returns the ground of the payload, if it makes one, or if more people must agree to it now."""
    standing = before.get(answer.proposal_id)
    if standing is None:
        raise BadInput("an answer is for a proposal that is not pending", code="unknown_proposal")
    if answer.payload_sha256 != standing.proposal.payload_sha256:
        raise Conflict("the proposal has another payload by now; look at it again", code="payload_changed")
    if answer.verdict is Verdict.REJECT:
        return None
    if standing.refused_by is not None:
        raise Conflict("the proposal was turned down already", code="already_rejected")
    if answer.verdict is Verdict.APPROVE:
        more = court.still(standing)
        court.may_approve(standing, standing.proposal, (more or standing.ground).people)
        return more
    if not answer.after:
        raise BadInput("an edit must say what is to be written instead (after)", code="edit_without_after")
    # Whoever has agreed may turn it down, but not put something else in its place.
    if standing.agreed:
        court.may_approve(standing, standing.proposal, standing.ground.people)
    final = edited(standing.proposal, answer.after)
    made = court.may_edit(standing.proposal, final)
    court.may_approve(standing, final, made.people)
    return made


def ground(proposal: WritebackProposal, released: PolicyDecision, alone: PolicyDecision, limits: HardLimits) -> Ground:
    """Return why people are asked about a payload, and how many: two, unless policy says that one may decide alone.

    The constitution may ask for more.
    """
    asks = [released] if alone.outcome is Outcome.ALLOW else [released, alone]
    return Ground(
        proposal_id=proposal.proposal_id,
        payload_sha256=proposal.payload_sha256,
        people=max(1 if alone.outcome is Outcome.ALLOW else TWO_PEOPLE, people_for(limits, alone.question)),
        rules=tuple(rule for d in asks for rule in d.rules),
        reasons=tuple(reason for d in asks for reason in d.reasons),
    )


def _decision(asked: Asked, answer: GivenAnswer, *, turned_down: bool) -> ApprovalDecision | None:
    given = (*asked.given, answer)
    final = standings(asked.request, given)
    if not all(s.settled for s in final.values()):
        return None
    granted = tuple(s.proposal for s in final.values() if s.granted)
    return ApprovalDecision(
        mission_id=answer.mission_id,
        interrupt_id=answer.interrupt_id,
        actor_id=answer.actor_id,
        verdict="rejected" if turned_down or (final and not granted) else "approved",
        answers=tuple(said for s in final.values() if (said := _outcome(s)) is not None),
        granted=granted,
        reason=answer.reason,
        given=tuple(Given(actor_id=g.actor_id, on_behalf_of=g.on_behalf_of, sha256=g.sha256()) for g in given),
    )


def _outcome(standing: Standing) -> ProposalAnswer | None:
    """Return what came of a proposal, bound to the payload that was proposed; None if nobody ever named it."""
    said, bound = standing.answer, {"payload_sha256": standing.proposed.payload_sha256}
    if standing.refused_by is not None:
        refusal = said if said is not None and said.verdict is Verdict.REJECT else None
        return None if refusal is None else refusal.model_copy(update=bound)
    if said is None:
        return None
    if standing.edited_by is None:
        return said.model_copy(update=bound)
    return said.model_copy(update={**bound, "verdict": Verdict.EDIT, "after": standing.proposal.after})
