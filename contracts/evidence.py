"""Evidence, and the claims, proposals and packets that stand on it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar, Literal

from pydantic import Field

from contracts.base import ArtifactId, Contract, ProposalId, Ref, TaskKey, Value
from contracts.canonical import digest
from contracts.mission import Level


class Trust(StrEnum):
    """Who wrote the text. Only system and operator text may steer anything."""

    SYSTEM = "system"
    OPERATOR = "operator"
    CUSTOMER = "customer"
    WEB = "web"


UNTRUSTED = frozenset({Trust.CUSTOMER, Trust.WEB})


class Source(Value):
    """Where a piece of evidence came from, in the root's own terms."""

    system: str
    entity: str
    id: str
    title: str = ""
    etag: str | None = None


class ResearchArtifact(Contract):
    """One piece of evidence. ``text`` is what quotes are checked against, character for character.

    Attributes:
        kind: ``chat`` (one message a line), ``record`` (``key: value`` lines), ``table`` (delimited text, header
            first), ``document`` or ``board``.
        trust: the least trusted author of the text.
        cleaned: how many characters could not be kept (NUL, lone surrogates).
        data: the same evidence as plain values, where the root gave any; never quoted from.
    """

    need: str
    kind: Literal["chat", "record", "table", "document", "board"]
    source: Source
    text: str
    trust: Trust
    cleaned: int = 0
    data: dict[str, Any] = Field(default_factory=dict)

    @property
    def artifact_id(self) -> ArtifactId:
        """The content's own name: equal evidence has the same id in every mission."""
        return ArtifactId("ra_" + self.sha256()[:32])


class Citation(Value):
    """A verbatim quote: ``text[start:end] == quote`` in the cited artifact's text."""

    artifact_id: ArtifactId
    quote: str
    start: int = Field(ge=0)
    end: int = Field(ge=0)


class Claim(Value):
    """One statement with its proof."""

    claim_id: str
    text: str
    subject: str
    attribute: str
    value: str | None
    unit: str | None = None
    polarity: Literal["affirmed", "negated"] = "affirmed"
    time: str | None = None
    citations: tuple[Citation, ...]
    confidence: float = Field(ge=0, le=1)
    status: Literal["proposed", "verified", "rejected"] = "proposed"


def claim_id(task_key: str, attribute: str, value: str | None, citations: tuple[Citation, ...]) -> str:
    """Name a claim after what it says and on what ground, so that equal claims have equal ids."""
    parts = [task_key, attribute, value, [c.model_dump(mode="json") for c in citations]]
    return "cl_" + digest(parts)[:24]


class Taint(Value):
    """One field of a proposal that was derived from untrusted text, and by which evidence."""

    field: str
    trust: Trust
    artifact_ids: tuple[ArtifactId, ...]


class Target(Value):
    """What a proposal would change."""

    system: str
    entity: str
    id: str


class WritebackProposal(Value):
    """A change wanted in a root system; the hash binds every field that a person approves.

    ``operation`` is ``patch``, ``note``, ``task`` or ``message``; ``precondition`` is the ETag that the change was made
    against.
    """

    proposal_id: ProposalId
    target: Target
    operation: Literal["patch", "note", "task", "message"]
    precondition: str | None
    before: dict[str, Any]
    after: dict[str, Any]
    rationale: str
    citations: tuple[Citation, ...]
    taint: tuple[Taint, ...]
    risk_level: Level
    payload_sha256: str


def payload_sha256(
    target: Target, operation: str, precondition: str | None, before: dict[str, Any], after: dict[str, Any]
) -> str:
    """Hash exactly what would be sent: target, operation, precondition, before and after."""
    return digest(
        {
            "target": target.model_dump(mode="json"),
            "operation": operation,
            "precondition": precondition,
            "before": before,
            "after": after,
        }
    )


Grounds = dict[str, tuple[str, ...]]


class WorkerResult(Contract):
    """What one task brought: claims, findings, proposals, and its own kind of output.

    Attributes:
        fetched: the research artifacts that the task read itself, beside what was gathered for it.
        grounds: for each finding and next step the claims that it rests on, none if it rests on none. One that is not
            here may rest on any.
        taint: which untrusted evidence the whole (``*``) and each claim (``claims.ID``) were made from; by the graph.
    """

    added: ClassVar[frozenset[str]] = frozenset({"fetched", "grounds", "taint"})

    task_key: TaskKey
    claims: tuple[Claim, ...] = ()
    findings: tuple[str, ...] = ()
    proposals: tuple[WritebackProposal, ...] = ()
    outputs: dict[str, Any] = Field(default_factory=dict)
    fetched: tuple[Ref, ...] = ()
    grounds: Grounds = Field(default_factory=dict)
    taint: tuple[Taint, ...] = ()
