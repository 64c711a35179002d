"""The shapes of the API's answers, closed: no field more, none less. Times are RFC 3339 UTC, money is in USD."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from contracts.events import EventType, Phase
from contracts.evidence import Claim, Taint, WritebackProposal
from contracts.mission import AutonomyTier, Level, MissionClass, ReviewLevel, Sensitivity
from contracts.packets import Answer, Contradiction, Fact, Metric, ReviewPacket
from contracts.stateflow import Stage, Status
from server.shape import Shape
from server.shapes_approval import Approval


class Problem(BaseModel):
    """Problem details (RFC 9457): ``code`` is stable, ``trace_id`` is the one in the log, ``hint`` says what to do."""

    model_config = ConfigDict(extra="forbid")

    type: str
    title: str
    status: int
    code: str
    detail: str
    trace_id: str
    hint: str = ""


class Links(Shape):
    """Where a mission's parts are."""

    self: str
    events: str
    artifacts: str
    checkpoints: str
    bundle: str


class Submitted(Shape):
    """A mission that was accepted."""

    mission_id: str
    status: Literal[Status.RECEIVED]
    trace_id: str
    links: Links


class Accepted(Shape):
    """A command that was accepted, with the status it led to."""

    mission_id: str
    status: Status
    links: Links


class Envelope(Shape):
    """What was asked, by whom, with which budgets; what admission decides is null until then."""

    schema_version: Literal["v1"]
    mission_id: str
    mission_type: MissionClass
    origin_surface: str
    user_goal: str
    normalized_goal: str | None
    tenant_id: str
    actor_id: str
    risk_level: Level | None
    sensitivity_class: Sensitivity | None
    autonomy_tier: AutonomyTier | None
    review_level: ReviewLevel | None
    time_budget_ms: int
    token_budget: int
    requested_outputs: list[str]
    inputs: dict[str, Any]
    metadata: dict[str, Any]
    trace_id: str


class Usage(Shape):
    """What the mission's model calls used."""

    tokens_in: int
    tokens_out: int
    cost_usd: float
    model_calls: int


class Failure(Shape):
    """Why the mission ended otherwise than completed, where, and what to do."""

    code: str
    reason: str
    stage: str
    hint: str


class Lineage(Shape):
    """The mission this one was made from, if any."""

    parent_mission_id: str | None
    parent_checkpoint_id: str | None
    kind: str | None


class MissionSummary(Shape):
    """A mission as a list shows it."""

    mission_id: str
    mission_type: MissionClass
    status: Status
    stage: Stage
    envelope: Envelope
    risk_level: Level | None
    sensitivity_class: Sensitivity | None
    usage: Usage
    failure: Failure | None
    lineage: Lineage
    graph_version: str
    trace_id: str
    created_at: str
    updated_at: str
    links: Links


class MissionPage(Shape):
    """Missions, newest first."""

    items: list[MissionSummary]
    next_cursor: str | None


class EffectStatus(StrEnum):
    """How a proposed write stands; ``withheld``: the root would not take it, so nobody is asked."""

    PROPOSED = "proposed"
    WITHHELD = "withheld"
    APPROVED = "approved"
    REJECTED = "rejected"
    INTENDED = "intended"
    APPLIED = "applied"
    CONFLICTED = "conflicted"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Writeback(WritebackProposal):
    """A proposed change with how it ended."""

    status: EffectStatus
    outcome: dict[str, Any] | None


class Packet(Shape):
    """What the review released."""

    summary: str
    claims: list[Claim]
    facts: list[Fact]
    answer: Answer | None
    metrics: list[Metric]
    findings: list[str]
    next_steps: list[str]
    drafts: list[dict[str, Any]]
    contradictions: list[Contradiction]
    open_questions: list[str]
    writebacks: list[Writeback]
    taint: list[Taint]
    review: ReviewPacket


class Mission(MissionSummary):
    """A mission whole."""

    packet: Packet | None
    pending_approval: Approval | None


class ArtifactKind(StrEnum):
    """The kinds that can be asked for."""

    TASK = "task"
    PROMPT_PACKAGE = "prompt_package"
    LIBRARIAN_PASS = "librarian_pass"  # noqa: S105
    RESEARCH_ARTIFACT = "research_artifact"
    WORKER_RESULT = "worker_result"
    AGGREGATION_PACKET = "aggregation_packet"
    REVIEW_PACKET = "review_packet"
    POLICY_DECISION = "policy_decision"
    WRITEBACK = "writeback"


class Artifact(Shape):
    """One stored artifact; ``payload`` is its content as it was hashed, ``revision`` the plan's."""

    artifact_id: str
    kind: ArtifactKind
    task_key: str | None
    revision: int
    sha256: str
    status: str
    created_at: str
    payload: dict[str, Any]


class Artifacts(Shape):
    """A mission's artifacts in the order they were stored."""

    items: list[Artifact]


class Event(Shape):
    """One recorded event; ``hash`` covers ``prev_hash``, ``seq`` and the rest."""

    schema_version: Literal["v1"]
    event_id: str
    mission_id: str
    tenant_id: str
    seq: int
    trace_id: str
    span_id: str
    actor: str
    intent: str
    artifact_id: str | None
    phase: Phase
    event_type: EventType
    timestamp: str
    payload: dict[str, Any]
    prev_hash: str
    hash: str


class Events(Shape):
    """A mission's events by seq."""

    items: list[Event]


class Health(Shape):
    """The process is up."""

    status: Literal["ok"]


class Part(Shape):
    """One part that the service depends on."""

    status: Literal["ok", "down"]
    code: str | None = None


class Readiness(Shape):
    """Whether the service can answer, and the state of each of its parts."""

    status: Literal["ok", "degraded"]
    parts: dict[str, Part]
