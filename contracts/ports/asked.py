"""What nodes ask of the outside. They are given these ports and nothing else; adapters satisfy them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar

from contracts.base import Contract, Value
from contracts.events import NewEvent
from contracts.evidence import ResearchArtifact, WorkerResult, WritebackProposal
from contracts.mission import MissionEnvelope, MissionRequest
from contracts.ports.offered import Toolbox
from contracts.ports.values import (
    Classification,
    EffectOutcome,
    Mission,
    NodeLimits,
    Prompt,
    Refusal,
    Route,
    SourceCard,
    Template,
)
from contracts.tables import Aggregate, Frame, Totals
from contracts.tasks import Exemplar, PheromoneSignal, TaskPlan

FilledT = TypeVar("FilledT", bound=Value)
StoredT = TypeVar("StoredT", bound=Contract)


OnDelta = Callable[[str, str, str], None]
"""Is given a piece of an answer's raw text as it comes, with the task's key and the call's id."""


class ModelPort(Protocol):
    """Asks a model to fill a schema. What the calls cost is recorded by the port itself."""

    async def fill(self, output: type[FilledT], prompt: Prompt, *, tools: Toolbox | None = None) -> FilledT:
        """Return the filled schema; a model may ask for calls of ``tools`` before, a bounded number of times.

        Raises:
            ModelFailed: no usable answer after the allowed repair.
            BudgetExceeded: the mission's tokens don't cover the call.
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
        self,
        revision: int,
        result: WorkerResult,
        events: Sequence[NewEvent],
        fetched: Sequence[ResearchArtifact] = (),
    ) -> WorkerResult:
        """Store one task's result with its events, the calls made so far and what it fetched, in one transaction.

        Returns the result as it is stored: with what it owes to untrusted text.
        """
        ...

    async def note(self, events: Sequence[NewEvent]) -> None:
        """Record events about tasks, in one transaction."""
        ...


class CatalogPort(Protocol):
    """What can be looked at, and what past missions found there."""

    def sources(self) -> Sequence[SourceCard]:
        """Return the source catalog."""
        ...

    async def signals(self, mission_type: str) -> Sequence[tuple[PheromoneSignal, datetime]]:
        """Return the tenant's pheromone signals for a mission class, with when they were left."""
        ...


class PlanPort(Protocol):
    """Judges a refined plan by the decomposition policy; pure."""

    def __call__(self, plan: TaskPlan, template: TaskPlan) -> tuple[str, ...]:
        """Return why the plan may not take the place of the template's; nothing if it may."""
        ...


class TemplatePort(Protocol):
    """The registry of prompt templates and exemplars."""

    def exemplars(self, template_id: str) -> Sequence[Exemplar]:
        """Return a template's worked examples, in the order they are shown."""
        ...

    def get(self, template_id: str) -> Template:
        """Return a template.

        Raises:
            NotFound: there is no such template.
        """
        ...


class RoutePort(Protocol):
    """The model routes, and the size of a text in tokens."""

    def route(self, sensitivity: str, kind: str, /) -> Route:
        """Return the route that is preferred for a task kind and sensitivity."""
        ...

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens of a text, as the preferred route counts."""
        ...


class ClassifierPort(Protocol):
    """Classifies a request; pure."""

    def __call__(self, request: MissionRequest) -> Classification:
        """Return risk, sensitivity, autonomy tier and review level."""
        ...


class EffectPort(Protocol):
    """Applies what a person approved: intent first, then the call, then the outcome; each stored."""

    async def granted(self) -> Sequence[WritebackProposal]:
        """Return the proposals that the stored approval grants, as they were approved."""
        ...

    async def refusal(self, proposal: WritebackProposal) -> Refusal | None:
        """Ask the root whether it would take a proposal, before a person is asked; None: it would, or does not say.

        Raises:
            RootUnavailable: it does not answer.
        """
        ...

    async def apply(self, proposal: WritebackProposal) -> EffectOutcome:
        """Apply one granted proposal once, however often this is called.

        Raises:
            Denied: no grant covers exactly this payload.
        """
        ...


class TablePort(Protocol):
    """Adds a table up, exactly: decimals only, in an engine that is not a model."""

    async def totals(
        self, frame: Frame, asked: Sequence[Aggregate], groupings: Sequence[str | None]
    ) -> tuple[tuple[Totals, ...], ...]:
        """Return, for each grouping, the aggregates of its groups by name; grouping None is the whole table.

        Rows that have no value in a grouping's column are in none of its groups.

        Raises:
            BadInput: the numbers are too large to be added exactly.
        """
        ...


class Clock(Protocol):
    """The only source of the present moment for nodes."""

    def now(self) -> datetime:
        """Return the present moment in UTC."""
        ...


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
    plans: PlanPort
    effects: EffectPort
    tables: TablePort
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
