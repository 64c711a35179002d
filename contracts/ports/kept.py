"""What the graph asks of the store, of the root and of the models' providers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol, TypeVar

from contracts.base import Contract, InterruptId, MissionId, Value
from contracts.constitution import StoredConstitution
from contracts.decisions import ApprovalDecision, ApprovalRequest
from contracts.events import NewEvent
from contracts.evidence import WorkerResult, WritebackProposal
from contracts.mission import MissionEnvelope, ModelTier
from contracts.ports.asked import OnDelta
from contracts.ports.offered import Toolbox
from contracts.ports.values import (
    Allowance,
    EffectOutcome,
    Granted,
    HeldPass,
    Mission,
    ModelCall,
    Prompt,
    ReadBack,
    Refusal,
    ToolCall,
)
from contracts.registry import Kind
from contracts.stateflow import Stage, Status
from contracts.tape import Said, Taped
from contracts.tasks import PassSeal, PheromoneSignal

FilledT = TypeVar("FilledT", bound=Value)


class MeterPort(Protocol):
    """Sets tokens of one mission aside before every model call, and settles afterwards what it used."""

    async def reserve(self, tokens_in: int, most_out: int) -> Allowance:
        """Set tokens aside for a call; the answer's share may be cut down to what is left.

        Raises:
            BudgetExceeded: what is left can't cover the prompt and an answer of use.
        """
        ...

    async def answered(self, task_key: str, request: bytes, ask: Callable[[], Awaitable[bytes]]) -> Said:
        """Return the answer to a request, through the mission's tape.

        Raises:
            RecordingMissing: a replay has no answer to it, and is to say so.
        """
        ...

    def settle(self, allowance: Allowance, call: ModelCall) -> None:
        """Give the allowance back and charge what the call used; every allowance is settled once."""
        ...


class TierPort(Protocol):
    """Asks the provider that a tier leads to."""

    async def fill(
        self,
        tier: ModelTier,
        output: type[FilledT],
        prompt: Prompt,
        meter: MeterPort,
        on_delta: OnDelta | None = None,
        tools: Toolbox | None = None,
    ) -> FilledT:
        """Return the filled schema; each request that is sent is reserved and settled.

        ``on_delta`` hears every answer as it comes, best effort; one that has to be asked for again is another call.

        Raises:
            ProviderFailed: the provider gave no answer.
            ModelFailed: its answers don't fit the schema.
            BudgetExceeded: the mission's tokens don't cover the call.
        """
        ...

    def fallback(self, tier: ModelTier) -> ModelTier | None:
        """Return the tier to ask when this one's provider fails."""
        ...


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

    async def shown(self, tenant_id: str, proposal: WritebackProposal, precondition: str | None) -> ReadBack:
        """Say what the root shows of a write that may have been sent with this precondition; nothing is written.

        Raises:
            RootUnavailable: the root does not answer.
            RootRefused: the root refuses the key.
        """
        ...


class ValidatorPort(Protocol):
    """Asks a root whether it would take a write, without writing."""

    async def refusal(
        self, mission: Mission, proposal: WritebackProposal, precondition: str | None, granted: Granted | None
    ) -> Refusal | None:
        """Return why the root refuses, or None; ``granted`` is None before a person has approved.

        Raises:
            RootUnavailable: it does not answer.
        """
        ...


class UnitPort(Protocol):
    """One transaction for one mission: the only way to write. Events are chained and the doorbell rings at its end."""

    async def put(self, revision: int, artifacts: Sequence[Contract]) -> None:
        """Store artifacts; one that is already there with the same content is left alone."""
        ...

    async def seal(self, seals: Sequence[PassSeal]) -> None:
        """Store the signatures that this run puts on passes; one that is there already stays."""
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

    async def ask_person(
        self, interrupt_id: InterruptId, request: ApprovalRequest, timeout_ms: int, escalate_ms: int | None
    ) -> datetime:
        """Open the approval that people are to answer; returns its deadline. It is escalated, once, before that."""
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

    async def tape(self, taped: Sequence[Taped]) -> None:
        """Store what was asked and answered."""
        ...

    async def hold(self, tokens: int) -> None:
        """Note how many tokens are set aside for model calls that are under way."""
        ...

    async def leave(self, signals: Sequence[PheromoneSignal]) -> None:
        """Leave pheromone signals for later missions."""
        ...

    async def release_lease(self) -> None:
        """Give the mission's lease up: nobody runs it from here on. Its time is charged to the budget."""
        ...


class LedgerPort(Protocol):
    """A running mission's own view of the store, over its one stamped connection."""

    @property
    def released(self) -> bool:
        """Whether the run has given the mission's lease up."""
        ...

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

    async def passes(self) -> list[HeldPass]:
        """Return the mission's passes with their seals, those of the newest plan revision last."""
        ...

    async def calls_made(self) -> list[tuple[str, str, Mapping[str, Any], int]]:
        """Return how often each tool call was made, as (task key, tool, arguments, times), since the last retry.

        A retry is a person's word that it may be tried again.
        """
        ...

    async def constitution(self) -> StoredConstitution | None:
        """Return what the store has as the constitution in force, unverified; None if none was ever activated."""
        ...

    async def decision(self, interrupt_id: InterruptId) -> ApprovalDecision | None:
        """Return the stored decision on an approval, or None while it is pending."""
        ...

    async def grants(self) -> list[WritebackProposal]:
        """Return what the mission's approvals grant."""
        ...

    async def granted(self, proposal: WritebackProposal) -> Granted | None:
        """Return how a proposal was let through, exactly so; None when it was not."""
        ...

    async def tape(self, mission_id: MissionId) -> list[Taped]:
        """Return what a mission of the same tenant asked and was answered, in order.

        Raises:
            IntegrityBroken: a recorded text is not what it was.
        """
        ...

    async def signals(self, mission_type: str) -> list[tuple[PheromoneSignal, datetime]]:
        """Return the tenant's pheromone signals for a mission class."""
        ...

    async def active_rules(self, known: Collection[str]) -> tuple[str, bytes | None] | None:
        """Return the active rules' hash and content, the latter unless it is known; None: the tenant has none.

        Raises:
            IntegrityBroken: they are not what was activated.
        """
        ...

    async def keep_rules(self, rules_sha256: str, content: bytes) -> None:
        """Store rules beside the decisions that they are about to make."""
        ...


class Dispatcher(Protocol):
    """Hands a mission to a worker. The job carries ids only; the mission's row is the truth."""

    async def dispatch(self, mission_id: str, tenant_id: str, *, connection: Any = None) -> None:
        """Enqueue a mission, inside the caller's transaction when a connection is given."""
        ...
