"""What the inside asks of the outside. Nodes are given these and nothing else; adapters satisfy them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar

from contracts.base import ActorId, Contract, InterruptId, MissionId, TenantId, Value
from contracts.decisions import ApprovalDecision, ApprovalRequest
from contracts.events import NewEvent
from contracts.evidence import WorkerResult, WritebackProposal
from contracts.mission import MissionEnvelope, MissionRequest, ModelTier
from contracts.registry import Kind
from contracts.state import MissionState
from contracts.stateflow import Stage, Status
from contracts.tasks import LibrarianPass, PheromoneSignal, PromptPackage

FilledT = TypeVar("FilledT", bound=Value)
StoredT = TypeVar("StoredT", bound=Contract)


@dataclass(frozen=True)
class Mission:
    """The mission's row, as read when it was claimed."""

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
    time_spent_ms: int = 0
    envelope: MissionEnvelope | None = None
    step_key: str | None = None
    step_update: MissionState | None = None


@dataclass(frozen=True)
class EvidenceBlock:
    """One piece of evidence as a model sees it: a label, where it comes from, and its text. Never instructions."""

    label: str
    kind: str
    trust: str
    title: str
    text: str


@dataclass(frozen=True)
class Prompt:
    """A whole prompt. ``parameters`` are what the task was given as plain values (a fact schema, a question)."""

    package: PromptPackage
    parameters: Mapping[str, Any]
    evidence: Sequence[EvidenceBlock]


@dataclass(frozen=True)
class ModelCall:
    """What one model call cost and said, for the record."""

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


@dataclass(frozen=True)
class ToolCall:
    """What one tool call was and how it ended, for the record."""

    call_id: str
    task_key: str
    tool: str
    arguments: Mapping[str, Any]
    status: str
    response: bytes | None = None
    reason: str | None = None


class ModelPort(Protocol):
    """Asks a model to fill a schema."""

    async def fill(self, output: type[FilledT], prompt: Prompt) -> tuple[FilledT, ModelCall]:
        """Return the filled schema and the record of the call.

        Raises:
            ModelFailed: no usable answer after the allowed repair.
        """
        ...


class ToolPort(Protocol):
    """Calls a tool by name with plain JSON arguments."""

    async def call(self, task_key: str, tool: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the tool's answer.

        Raises:
            PassRefused: the call is outside the task's pass.
            NotFound: what was asked for does not exist for this tenant.
            RootUnavailable: the tool's backend does not answer.
        """
        ...


class ArtifactPort(Protocol):
    """Reads stored artifacts; every read checks the hash.

    Raises:
        IntegrityBroken: the stored bytes were changed.
    """

    async def one(self, model: type[StoredT], ref: Mapping[str, Any]) -> StoredT:
        """Return the artifact a ``Ref`` points to."""
        ...

    async def all(self, model: type[StoredT], ref: Mapping[str, Any]) -> tuple[StoredT, ...]:
        """Return every artifact a ``SetRef`` points to, sorted by id."""
        ...


class ResultPort(Protocol):
    """The durable results of the tasks of one plan revision: the truth for what is done."""

    async def done(self, revision: int) -> dict[str, WorkerResult]:
        """Return the stored results by task key."""
        ...

    async def save(
        self, revision: int, result: WorkerResult, calls: Sequence[ModelCall], events: Sequence[NewEvent]
    ) -> None:
        """Store one task's result with its model calls and events, in one transaction."""
        ...

    async def note(self, events: Sequence[NewEvent]) -> None:
        """Record events about tasks, in one transaction."""
        ...


@dataclass(frozen=True)
class SourceCard:
    """One entry of the source catalog: a need that a plan may name, the tool that serves it, and its trust label.

    ``binds`` maps the tool's argument names to the mission inputs they must equal; those in ``optional`` are left out
    when the mission does not give the input.
    """

    source: str
    tool: str
    binds: Mapping[str, str]
    description: str
    optional: frozenset[str] = frozenset()


class CatalogPort(Protocol):
    """What can be looked at, and what past missions found there."""

    def sources(self) -> Sequence[SourceCard]:
        """Return the source catalog."""
        ...

    async def signals(self, mission_type: str) -> Sequence[tuple[PheromoneSignal, datetime]]:
        """Return the tenant's pheromone signals for a mission class, with when they were left."""
        ...


@dataclass(frozen=True)
class Template:
    """A versioned prompt template with ``{name}`` variables."""

    template_id: str
    version: str
    system: str
    instructions: str
    output_schema: str


class TemplatePort(Protocol):
    """The registry of prompt templates and exemplars."""

    def get(self, template_id: str) -> Template:
        """Return a template.

        Raises:
            NotFound: there is no such template.
        """
        ...


@dataclass(frozen=True)
class Route:
    """Where a tier leads at present."""

    tier: ModelTier
    provider: str
    model: str
    private: bool
    max_tokens: int
    timeout_ms: int


class RoutePort(Protocol):
    """The model routes, and the size of a text in tokens."""

    def route(self, sensitivity: str, kind: str) -> Route:
        """Return the route that is preferred for a task kind and sensitivity."""
        ...

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens of a text, as the preferred route counts."""
        ...


@dataclass(frozen=True)
class Classification:
    """What admission found out about a request."""

    risk_level: str
    sensitivity_class: str
    autonomy_tier: str
    review_level: str


class ClassifierPort(Protocol):
    """Classifies a request; pure."""

    def __call__(self, request: MissionRequest) -> Classification:
        """Return risk, sensitivity, autonomy tier and review level."""
        ...


@dataclass(frozen=True)
class EffectOutcome:
    """How one write ended: ``applied``, ``conflicted``, ``failed`` or ``unknown``; ``detail`` is safe to show."""

    status: str
    detail: Mapping[str, Any] = field(default_factory=dict)


class WriterPort(Protocol):
    """Sends one write to a root system."""

    async def send(
        self, tenant_id: str, proposal: WritebackProposal, precondition: str | None, idempotency_key: str
    ) -> Mapping[str, Any]:
        """Send the proposal's change once; returns ``{etag}`` of the changed object, where the root gives one.

        Raises:
            PreconditionStale: the object changed under the proposal; nothing was written.
            RootRefused: the root said no; nothing was written.
            RootUnavailable: nothing was sent.
            OutcomeUnknown: it was sent, and nobody can say whether it happened.
        """
        ...


class EffectPort(Protocol):
    """Applies what a person approved: intent first, then the call, then the outcome; each stored."""

    async def granted(self) -> Sequence[WritebackProposal]:
        """Return the proposals that the stored approval grants, as they were approved."""
        ...

    async def apply(self, proposal: WritebackProposal) -> EffectOutcome:
        """Apply one granted proposal once, however often this is called.

        Raises:
            Denied: no grant covers exactly this payload.
        """
        ...


class Clock(Protocol):
    """The only source of the present moment for nodes."""

    def now(self) -> datetime:
        """Return the present moment in UTC."""
        ...


@dataclass(frozen=True)
class NodeLimits:
    """Numbers that nodes obey."""

    max_workers: int = 4
    task_timeout_ms: int = 120_000
    max_tasks: int = 12
    evidence_chars: int = 60_000
    documents: int = 12
    pass_ttl_ms: int = 900_000


@dataclass(frozen=True)
class Ports:
    """All that a node may touch."""

    mission: Mission
    model: ModelPort
    tools: ToolPort
    artifacts: ArtifactPort
    results: ResultPort
    catalog: CatalogPort
    templates: TemplatePort
    routes: RoutePort
    classify: ClassifierPort
    effects: EffectPort
    clock: Clock
    limits: NodeLimits


@dataclass(frozen=True)
class StepResult:
    """What a role brings: artifacts to store, small channel values, events to record.

    The graph stores, hashes and records all of it in one transaction with the move to the next stage.
    """

    artifacts: tuple[Contract, ...] = ()
    channels: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[NewEvent, ...] = ()
    envelope: MissionEnvelope | None = None
    signals: tuple[PheromoneSignal, ...] = ()


class UnitPort(Protocol):
    """One transaction for one mission: the only way to write. Events are chained and the doorbell rings at its end."""

    async def put(self, revision: int, artifacts: Sequence[Contract]) -> None:
        """Store artifacts; one that is already there with the same content is left alone."""
        ...

    async def mark_tasks(self, status: str, task_keys: Sequence[str]) -> None:
        """Note on the plan's tasks how far they are: ``running``, ``completed`` or ``failed``."""
        ...

    async def copy_results(self, was: int, to: int, *, again: Sequence[str]) -> None:
        """Carry results over to the next plan revision, all but those of the tasks that are to run again."""
        ...

    def record(self, *events: NewEvent) -> None:
        """Add events to the mission's chain, in this order."""
        ...

    async def enter(self, stage: Stage, step_key: str, update: Mapping[str, Any]) -> None:
        """Note that a step is done, what it gave, and which stage comes next."""
        ...

    async def move(self, status: Status, *, failure: Mapping[str, Any] | None = None) -> None:
        """Change the mission's status.

        Raises:
            Conflict: the move is not legal.
        """
        ...

    async def admit(self, envelope: MissionEnvelope) -> None:
        """Store the admitted envelope."""
        ...

    async def ask_person(self, interrupt_id: InterruptId, request: ApprovalRequest, timeout_ms: int) -> None:
        """Open the approval that a person is to answer."""
        ...

    async def intend(self, proposal: WritebackProposal, idempotency_key: str) -> EffectOutcome | None:
        """Record the intent to write; returns the outcome when there is one already.

        Raises:
            Denied: no grant covers exactly this payload.
        """
        ...

    async def settle(self, proposal: WritebackProposal, outcome: EffectOutcome) -> None:
        """Record how a write ended."""
        ...

    async def spend(self, calls: Sequence[ModelCall], tools: Sequence[ToolCall], revision: int) -> None:
        """Record model and tool calls and charge the budget."""
        ...

    async def charge_time(self, spent_ms: int) -> None:
        """Charge working time to the budget."""
        ...

    async def leave(self, signals: Sequence[PheromoneSignal]) -> None:
        """Leave pheromone signals for later missions."""
        ...

    async def release_lease(self) -> None:
        """Give the mission's lease up: nobody runs it from here on."""
        ...


class LedgerPort(Protocol):
    """A running mission's own view of the store, over its one stamped connection."""

    def unit(self) -> AbstractAsyncContextManager[UnitPort]:
        """Open a unit of work.

        Raises:
            FenceLost: another process has taken the mission over.
            StoreUnavailable: Postgres does not answer.
        """
        ...

    async def fetch(self, kind: Kind, revision: int | None, ids: Sequence[str] | None = None) -> list[Contract]:
        """Return stored artifacts of one kind, verified, sorted by id."""
        ...

    async def results(self, revision: int) -> dict[str, WorkerResult]:
        """Return the task results of one plan revision by task key."""
        ...

    async def passes(self) -> list[tuple[LibrarianPass, datetime]]:
        """Return the mission's passes with the moment each expires, newest last."""
        ...

    async def decision(self, interrupt_id: InterruptId) -> ApprovalDecision | None:
        """Return the stored decision on an approval, or None while it is pending."""
        ...

    async def grants(self) -> list[WritebackProposal]:
        """Return what the mission's approvals grant."""
        ...

    async def signals(self, mission_type: str) -> list[tuple[PheromoneSignal, datetime]]:
        """Return the tenant's pheromone signals for a mission class."""
        ...


class Dispatcher(Protocol):
    """Hands a mission to a worker. The job carries ids only; the mission's row is the truth."""

    async def dispatch(self, mission_id: str, tenant_id: str, *, connection: Any = None) -> None:
        """Enqueue a mission, inside the caller's transaction when a connection is given."""
        ...
