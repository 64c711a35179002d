"""Values that go through the ports: what is asked, what it cost, what came back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from contracts.base import ActorId, InterruptId, MissionId, TenantId
from contracts.canonical import digest
from contracts.lineage import Rehearsal
from contracts.mission import MissionEnvelope, MissionRequest, ModelTier
from contracts.state import MissionState
from contracts.stateflow import Stage, Status
from contracts.tasks import LibrarianPass, PassSeal, PromptPackage


@dataclass(frozen=True)
class Mission:
    """The mission's row, as read when it was claimed.

    ``traceparent`` is the submitter's span (W3C), if it had one; ``rehearsal`` says of a replay what it replays.
    """

    mission_id: MissionId
    tenant_id: TenantId
    actor_id: ActorId
    request: MissionRequest
    status: Status
    stage: Stage
    trace_id: str
    graph_version: str
    epoch: int
    token_budget: int
    time_budget_ms: int
    approval_timeout_ms: int
    tokens_spent: int = 0
    tokens_reserved: int = 0
    time_spent_ms: int = 0
    envelope: MissionEnvelope | None = None
    step_key: str | None = None
    step_update: MissionState | None = None
    traceparent: str = ""
    approval_escalate_ms: int | None = None
    rehearsal: Rehearsal | None = None


@dataclass(frozen=True)
class EvidenceBlock:
    """One piece of evidence as a model sees it: a label, where it comes from, and its text. Never instructions.

    ``artifact_id`` is not shown: it says which stored evidence the text is of, for what is made of it.
    """

    label: str
    kind: str
    trust: str
    title: str
    text: str
    artifact_id: str = ""


@dataclass(frozen=True)
class Prompt:
    """A whole prompt. ``parameters`` are what the task was given as plain values (a fact schema, a question)."""

    package: PromptPackage
    parameters: Mapping[str, Any]
    evidence: Sequence[EvidenceBlock]


@dataclass(frozen=True)
class Allowance:
    """What one model call may use of the mission's tokens, set aside until it is settled.

    Attributes:
        call_id: the name of the call that it is for.
        tokens_in: the prompt's tokens, as counted beforehand.
        most_out: the most tokens that the answer may have.
    """

    call_id: str
    tokens_in: int
    most_out: int


@dataclass(frozen=True)
class ModelCall:
    """What one model call cost and said, for the record.

    Attributes:
        status: ``ok``, ``tools`` (it asked for tools), ``invalid`` (an answer that can't be used), ``failed`` (no
            answer) or ``cancelled``.
        usage_source: who counted the tokens: ``provider``, ``counted`` (by us: it did not say) or ``none`` (it was
            turned away before it cost anything).
        reason: the code of what went wrong.
    """

    call_id: str
    task_key: str
    tier: ModelTier
    provider: str
    model: str
    request: bytes
    response: bytes
    tokens_in: int
    tokens_out: int
    cost_usd: float
    duration_ms: int
    status: str = "ok"
    usage_source: str = "provider"
    reason: str | None = None


@dataclass(frozen=True)
class ToolCall:
    """What one tool call was and how it ended, for the record; ``decision_id`` names what policy said of it."""

    call_id: str
    task_key: str
    tool: str
    arguments: Mapping[str, Any]
    status: str
    response: bytes | None = None
    reason: str | None = None
    decision_id: str | None = None


@dataclass(frozen=True)
class HeldPass:
    """A stored pass, the plan revision it stands under, and its seals, oldest first."""

    one: LibrarianPass
    revision: int
    seals: tuple[PassSeal, ...] = ()


@dataclass(frozen=True)
class Granted:
    """Who let a write through, when, and whether its intent is stored: then it may have been sent already."""

    interrupt_id: InterruptId
    approved_by: ActorId
    approved_at: datetime
    intended: bool


@dataclass(frozen=True)
class Refusal:
    """Why the root would not take a write: the first reason's code, and all reasons in words."""

    code: str
    reasons: tuple[str, ...]

    @property
    def stale(self) -> bool:
        """Whether the object has changed since the proposal was made."""
        return self.code == "precondition_stale"


@dataclass(frozen=True)
class SourceCard:
    """One entry of the source catalog: a need that a plan may name, the tool that serves it, and its trust label.

    ``binds`` maps the tool's argument names to the mission inputs they must equal; those in ``optional`` are left out
    when the mission does not give the input. A source that ``may_be_absent`` stops no mission when the root does not
    have it or can't give it.
    """

    source: str
    tool: str
    binds: Mapping[str, str]
    description: str
    optional: frozenset[str] = frozenset()
    may_be_absent: bool = False


@dataclass(frozen=True)
class Template:
    """A versioned prompt template with ``{name}`` variables."""

    template_id: str
    version: str
    system: str
    instructions: str
    output_schema: str

    @property
    def sha256(self) -> str:
        """The hash of its whole text: a template that was changed is another one."""
        return digest(asdict(self))


@dataclass(frozen=True)
class Route:
    """Where a tier leads at present.

    Attributes:
        private: nothing that is sent there leaves the operator's machines.
        personal_allowed: the operator named the tier as one that may see personal data.
        price_in: USD per million tokens read.
        price_out: USD per million tokens written.
        fallback: the tier to ask when this one's provider fails.
    """

    tier: ModelTier
    provider: str
    model: str
    private: bool
    max_tokens: int
    timeout_ms: int
    personal_allowed: bool = False
    price_in: float = 0.0
    price_out: float = 0.0
    fallback: ModelTier | None = None


@dataclass(frozen=True)
class Classification:
    """What admission found out about a request."""

    risk_level: str
    sensitivity_class: str
    autonomy_tier: str
    review_level: str


class Shown(StrEnum):
    """What the root shows of a write that may have been sent.

    ``done``: it reads as if it had been written. ``undone``: the object is as the write would find it, or holds no such
    entry. ``changed``: the object has another version, which the write's precondition refuses. ``unknown``: the root
    shows nothing to judge by.
    """

    DONE = "done"
    UNDONE = "undone"
    CHANGED = "changed"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class ReadBack:
    """What was seen; of an object, also its fields and its version by now, where the root gives one."""

    shown: Shown
    etag: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)

    def holds(self, wanted: Mapping[str, Any]) -> bool:
        """Whether the object reads so."""
        return all(self.fields.get(name) == value for name, value in wanted.items())


@dataclass(frozen=True)
class EffectOutcome:
    """How one write ended: ``applied``, ``conflicted``, ``failed``, ``unknown``, or in a replay ``simulated``.

    ``detail`` is safe to show.
    """

    status: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class NodeLimits:
    """Numbers that nodes obey.

    Attributes:
        planning_ms: how long a model is waited for when a plan could be refined.
        tool_rounds: how often a model may ask for tools while it fills one schema.
        tool_calls: how many calls a model may make for one task.
    """

    max_workers: int = 4
    task_timeout_ms: int = 120_000
    max_tasks: int = 12
    evidence_chars: int = 60_000
    documents: int = 12
    pass_ttl_ms: int = 900_000
    planning_ms: int = 20_000
    tool_rounds: int = 3
    tool_calls: int = 8
