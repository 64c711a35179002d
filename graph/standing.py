"""How an approval stands after the answers so far: what each proposal says by now, and who has agreed to that."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from contracts.base import ActorId, ProposalId
from contracts.decisions import ApprovalRequest, GivenAnswer, Ground, ProposalAnswer, Verdict
from contracts.evidence import WritebackProposal, payload_sha256


@dataclass(frozen=True)
class Standing:
    """One proposal as it stands.

    Attributes:
        proposal: as it was proposed, or as it was edited last.
        ground: how many people must agree to exactly this, and why.
        agreed: whose agreement was given, once for each answer: a delegate's is the delegator's, too.
        refused_by: whoever turned it down, by an answer or by leaving it out of one.
        answer: what was said about it last.
    """

    proposed: WritebackProposal
    proposal: WritebackProposal
    ground: Ground
    agreed: tuple[frozenset[ActorId], ...] = ()
    agreed_by: tuple[ActorId, ...] = ()
    edited_by: ActorId | None = None
    refused_by: ActorId | None = None
    answer: ProposalAnswer | None = None

    @property
    def granted(self) -> bool:
        """Whether as many different people agreed to exactly this as must."""
        return self.refused_by is None and len(self.agreed) >= self.ground.people

    @property
    def settled(self) -> bool:
        """Whether nobody has to be asked any more."""
        return self.refused_by is not None or self.granted


def standings(request: ApprovalRequest, given: Iterable[GivenAnswer]) -> dict[ProposalId, Standing]:
    """Put the answers, in their order, to the request."""
    grounds = {g.proposal_id: g for g in request.grounds}
    found = {p.proposal_id: Standing(p, p, grounds.get(p.proposal_id) or ground_of(p)) for p in request.proposals}
    for one in given:
        said = {a.proposal_id: a for a in one.answers}
        made = {g.proposal_id: g for g in one.grounds}
        found = {name: _after(was, one, said.get(name), made.get(name)) for name, was in found.items()}
    return found


def _after(was: Standing, one: GivenAnswer, answer: ProposalAnswer | None, made: Ground | None) -> Standing:
    if was.refused_by is not None:
        return was
    if answer is None:
        # Silence denies: what an answer leaves out, it does not let through.
        return was if was.settled else replace(was, refused_by=one.actor_id)
    if answer.verdict is Verdict.REJECT:
        return replace(was, refused_by=one.actor_id, answer=answer)
    people = frozenset({one.actor_id, *([one.on_behalf_of] if one.on_behalf_of else [])})
    if answer.verdict is Verdict.EDIT:
        proposal = edited(was.proposal, answer.after or {})
        if proposal.payload_sha256 != was.proposal.payload_sha256:
            # Another payload: nobody but the one who made it has agreed to it.
            return Standing(
                was.proposed,
                proposal,
                made or ground_of(proposal),
                (people,),
                (one.actor_id,),
                one.actor_id,
                None,
                answer,
            )
    if made is not None and made.payload_sha256 == was.proposal.payload_sha256 and made.people > was.ground.people:
        was = replace(was, ground=made)
    if has_agreed(people, was.agreed):
        return was
    agreed_by = (*was.agreed_by, one.actor_id)
    return replace(was, agreed=(*was.agreed, people), agreed_by=agreed_by, answer=answer)


def has_agreed(people: frozenset[ActorId], agreed: Iterable[frozenset[ActorId]]) -> bool:
    """Tell whether one of these people is among those who have agreed: nobody counts twice."""
    return any(people & others for others in agreed)


def ground_of(proposal: WritebackProposal) -> Ground:
    """Return the ground of a proposal of which no policy says more: one person decides."""
    return Ground(proposal_id=proposal.proposal_id, payload_sha256=proposal.payload_sha256)


def edited(proposal: WritebackProposal, after: dict[str, Any]) -> WritebackProposal:
    """Return the proposal with another ``after``, and with the hash of what it now says."""
    sha = payload_sha256(proposal.target, proposal.operation, proposal.precondition, proposal.before, after)
    return proposal.model_copy(update={"after": after, "payload_sha256": sha})
