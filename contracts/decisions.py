"""Policy questions and decisions, and a person's answer at the release gate. A decision is a value; silence denies."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar, Literal

from pydantic import Field

from contracts.base import ActorId, Contract, DecisionId, InterruptId, MissionId, ProposalId, Value
from contracts.canonical import digest
from contracts.evidence import WritebackProposal
from contracts.stateflow import Layer


class Outcome(StrEnum):
    """What a policy said. Deny beats escalate beats allow."""

    ALLOW = "allow"
    ESCALATE = "escalate"
    DENY = "deny"


class PolicyQuestion(Value):
    """One question to one layer: may this principal do this to that, in these circumstances?

    ``principal`` and ``resource`` are ``{type, id, attrs}``; ``context`` holds plain JSON of the layer's Cedar schema.
    """

    layer: Layer
    action: str
    principal: dict[str, Any]
    resource: dict[str, Any]
    context: dict[str, Any]

    def sha256(self) -> str:
        """Return the hash of what was asked."""
        return digest(self.model_dump(mode="json"))


class PolicyDecision(Contract):
    """The answer, with the rules that determined it and everything needed to ask again.

    Attributes:
        constitution_sha256: the constitution that was in force; empty in decisions from before there was one.
    """

    added: ClassVar[frozenset[str]] = frozenset({"constitution_sha256"})

    layer: Layer
    outcome: Outcome
    rules: tuple[str, ...]
    reasons: tuple[str, ...]
    question: PolicyQuestion
    question_sha256: str
    rules_sha256: str
    constitution_sha256: str = ""

    @property
    def decision_id(self) -> DecisionId:
        """The decision's own name, made from its content."""
        return DecisionId("pd_" + self.sha256()[:32])


class Verdict(StrEnum):
    """A person's answer to one proposal."""

    APPROVE = "approve"
    REJECT = "reject"
    EDIT = "edit"


class ProposalAnswer(Value):
    """The answer to one proposal, bound to the exact payload the person saw."""

    proposal_id: ProposalId
    payload_sha256: str
    verdict: Verdict
    after: dict[str, Any] | None = None
    reason: str | None = Field(default=None, max_length=2_000)


class Ground(Value):
    """Why a person is asked about one payload, and how many people must agree to exactly that."""

    proposal_id: ProposalId
    payload_sha256: str
    people: int = Field(default=1, ge=1)
    rules: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


class ApprovalRequest(Contract):
    """What the release gate asks.

    Attributes:
        required: how many people the most demanding proposal needs.
        grounds: one for each proposal; a proposal without one needs one person.
    """

    added: ClassVar[frozenset[str]] = frozenset({"grounds"})

    proposals: tuple[WritebackProposal, ...]
    reasons: tuple[str, ...]
    required: int = 1
    review_only: bool = False
    grounds: tuple[Ground, ...] = ()


class GivenAnswer(Contract):
    """One person's answer to an approval, stored once.

    Attributes:
        number: its place among the answers to this approval, from 1.
        on_behalf_of: who delegated the right to answer; both count as having answered.
        answers: each bound to the payload that was pending when it was given.
        grounds: for each payload that an edit made, how many people it needs; and for one that needs more people by
            then than when it was asked about.
    """

    mission_id: MissionId
    interrupt_id: InterruptId
    number: int
    actor_id: ActorId
    on_behalf_of: ActorId | None = None
    answers: tuple[ProposalAnswer, ...]
    grounds: tuple[Ground, ...] = ()
    reason: str | None = None


class Given(Value):
    """Who gave an answer that a decision was made of, and the answer's hash."""

    actor_id: ActorId
    on_behalf_of: ActorId | None = None
    sha256: str


class ApprovalDecision(Contract):
    """What came of the answers; stored once, used once.

    Attributes:
        actor_id: who gave the last answer.
        answers: what came of each proposal, bound to the payload that was proposed.
        given: the answers that it was made of, in order; empty in decisions from before there could be several.
    """

    added: ClassVar[frozenset[str]] = frozenset({"given"})

    mission_id: MissionId
    interrupt_id: InterruptId
    actor_id: ActorId
    verdict: Literal["approved", "rejected"]
    answers: tuple[ProposalAnswer, ...]
    granted: tuple[WritebackProposal, ...]
    reason: str | None = None
    given: tuple[Given, ...] = ()
