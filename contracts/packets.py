"""The merged result and what the review made of it."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from contracts.base import ArtifactId, Contract, TaskKey, Value
from contracts.evidence import Claim, Grounds, Taint, WritebackProposal


class Fact(Value):
    """A claim's value under the key that was asked for."""

    key: str
    value: str
    claim_id: str


class Answer(Value):
    """The answer to an advisory question, or that the evidence does not support one."""

    text: str
    status: Literal["supported", "partial", "unsupported"]
    claim_ids: tuple[str, ...]


class Metric(Value):
    """A number computed by code, with the formula and how many rows went in."""

    name: str
    value: float | int | str | None
    unit: str
    formula: str
    rows: int
    group: str | None = None


class ContradictionValue(Value):
    """One side of a contradiction."""

    value: str
    claim_id: str


class Contradiction(Value):
    """The same attribute of the same subject with different values, and what was made of it."""

    subject: str
    attribute: str
    values: tuple[ContradictionValue, ...]
    resolution: str


class EvidenceRow(Value):
    """One line of the evidence matrix: which claims an artifact carries."""

    artifact_id: ArtifactId
    claim_ids: tuple[str, ...]


class AggregationPacket(Contract):
    """All results merged; what the reviewer checks and a person reads.

    ``grounds`` says for each finding and next step which claims it rests on; ``taint`` from which untrusted evidence a
    part was made: ``claims.ID``, ``facts.KEY``, ``findings``, ``next_steps``, ``answer``, ``metrics``, ``drafts``,
    ``drafts.url`` and ``summary``.
    """

    added: ClassVar[frozenset[str]] = frozenset({"grounds", "taint"})

    summary: str
    claims: tuple[Claim, ...]
    facts: tuple[Fact, ...]
    answer: Answer | None
    metrics: tuple[Metric, ...]
    findings: tuple[str, ...]
    next_steps: tuple[str, ...]
    drafts: tuple[dict[str, Any], ...]
    contradictions: tuple[Contradiction, ...]
    open_questions: tuple[str, ...]
    writebacks: tuple[WritebackProposal, ...]
    evidence_matrix: tuple[EvidenceRow, ...]
    grounds: Grounds = Field(default_factory=dict)
    taint: tuple[Taint, ...] = ()


class ClaimCheck(Value):
    """What the review found for one claim."""

    claim_id: str
    task_key: TaskKey
    quote_verbatim: bool
    value_supported: bool
    reason: str


class ReviewPacket(Contract):
    """The verdict, its reasons, and one check per claim.

    ``revise_tasks`` are re-run when the verdict is ``revise``. ``withheld`` are claims that do not hold and are left
    out of what is released.
    """

    verdict: Literal["release", "revise", "refuse"]
    reasons: tuple[str, ...]
    checks: tuple[ClaimCheck, ...]
    covered: tuple[str, ...]
    missing: tuple[str, ...]
    revise_tasks: tuple[TaskKey, ...] = ()
    withheld: tuple[str, ...] = ()
