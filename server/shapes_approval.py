"""The shapes of approvals that wait for people, closed as all answers of the API are."""

from __future__ import annotations

from typing import Any, Literal

from contracts.decisions import Verdict
from contracts.evidence import Trust, WritebackProposal
from contracts.mission import Level, MissionClass
from server.shape import Shape


class CitedSource(Shape):
    """Where a cited piece of evidence comes from, and whose text it is."""

    artifact_id: str
    kind: str
    trust: Trust
    system: str
    entity: str
    id: str
    title: str


class ProposalStanding(Shape):
    """How one pending proposal stands.

    ``required`` people must agree to exactly its payload, ``given_by`` have; ``proposed`` is what an edit replaced.
    """

    proposal_id: str
    payload_sha256: str
    standing: Literal["open", "agreed", "turned_down"]
    required: int
    given: int
    given_by: list[str]
    edited_by: str | None
    turned_down_by: str | None
    proposed: dict[str, Any] | None
    rules: list[str]
    reasons: list[str]
    sources: list[CitedSource]


class PersonsAnswer(Shape):
    """An answer that somebody gave while others are still needed."""

    actor_id: str
    on_behalf_of: str | None
    at: str
    verdicts: dict[str, Verdict]
    reason: str | None


class Consequences(Shape):
    """What happens on approval, on rejection and when nobody answers in time."""

    approve: str
    reject: str
    expire: str


class Approval(Shape):
    """A question that waits for people; ``required`` must agree, ``given`` have, on what is still open.

    ``proposals`` are as they were edited last, ``standings`` says of each who has agreed to what, and why they must.
    """

    mission_id: str
    mission_type: MissionClass
    interrupt_id: str
    requested_by: str
    risk_level: Level | None
    proposals: list[WritebackProposal]
    standings: list[ProposalStanding]
    reasons: list[str]
    required: int
    given: int
    answers: list[PersonsAnswer]
    consequences: Consequences
    escalates_at: str | None
    escalated_at: str | None
    expires_at: str
    age_ms: int


class Approvals(Shape):
    """The queue of pending approvals, oldest first."""

    items: list[Approval]


class Delegation(Shape):
    """One person's right to answer approvals, lent for a time to a person or to whoever holds a role."""

    delegation_id: str
    actor_id: str
    to_actor: str | None
    to_role: str | None
    reason: str
    created_at: str
    expires_at: str
    revoked_at: str | None
    revoked_by: str | None


class Delegations(Shape):
    """Delegations, newest first."""

    items: list[Delegation]
