"""What one run of a mission carries along, outside the state: ports, ledger, policies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from contracts.base import ArtifactId, Contract
from contracts.canonical import sha256_hex
from contracts.clock import SystemClock
from contracts.decisions import PolicyDecision
from contracts.events import EventType, NewEvent
from contracts.mission import AutonomyTier, MissionEnvelope, ModelTier
from contracts.ports import Clock, LedgerPort, Mission, ModelCall, Ports, ToolCall, UnitPort
from contracts.state import MissionState
from contracts.stateflow import Stage
from contracts.tape import Taped
from contracts.unbroken import unbroken
from graph.constitution import Guard, InForce
from graph.passes import PassSigner
from graph.past import Past
from graph.tape import Taping, noted
from policies.engine import Asks, Decided, PolicyEngine
from policies.questions import TierFacts


@dataclass(frozen=True)
class Governance:
    """The shipped rules and the circumstances they are asked in; see ``graph.inforce`` for what tenants lay over them.

    Attributes:
        guard: verifies constitutions for this process.
        kept: which rules are stored with which tenant, as far as this process knows, by their hash.
    """

    engine: PolicyEngine
    deployment_mode: str
    passes: PassSigner
    guard: Guard
    research_enabled: bool = False
    autonomy_tier: AutonomyTier = AutonomyTier.ASSISTED
    tenant_switches: Mapping[str, Any] = field(default_factory=dict)
    tiers: Mapping[ModelTier, TierFacts] = field(default_factory=dict)
    kept: set[tuple[str, str]] = field(default_factory=set, repr=False, compare=False)

    def facts_of(self, tier: ModelTier) -> TierFacts:
        """Return what the routes say about a tier; an unknown tier leads nowhere."""
        return self.tiers.get(tier, TierFacts(tier=tier, provider="none"))


@dataclass
class Record(Taping):
    """What was called and decided since the last unit; the next one stores it.

    Attributes:
        envelope: the mission as admitted, once it is.
        reserved: tokens set aside for model calls under way, a dead process's among them.
        stage: the role at work.
        revision: the plan's revision at work.
        read: by task, for each of its model calls the evidence that was put before the model.
        asks: the rules that were in force when this run last looked.
        decided: every question that this run has had decided.
        taped: what was asked and answered.
        past: in a replay, what was asked and answered then.
        constitution: the one that was in force when this run last looked.
        known: its ``{version, sha256}``, at first as an earlier run left it in the state.
    """

    envelope: MissionEnvelope | None = None
    reserved: int = 0
    stage: Stage = Stage.ADMISSION
    revision: int = 1
    tools: list[ToolCall] = field(default_factory=list)
    models: list[ModelCall] = field(default_factory=list)
    decisions: list[PolicyDecision] = field(default_factory=list)
    events: list[NewEvent] = field(default_factory=list)
    read: dict[str, list[set[ArtifactId]]] = field(default_factory=dict)
    asks: Asks | None = None
    decided: Decided = field(default_factory=dict)
    taped: list[Taped] = field(default_factory=list)
    past: Past | None = None
    constitution: InForce | None = None
    known: Mapping[str, Any] = field(default_factory=dict)
    _held: int = field(init=False)

    def __post_init__(self) -> None:
        self._held = self.reserved

    async def keep(self, ledger: LedgerPort) -> None:
        """Store it now, in a unit of its own, whole: a cancellation is raised when the unit has ended."""
        await unbroken(self._keep(ledger))

    async def _keep(self, ledger: LedgerPort) -> None:
        async with ledger.unit() as unit:
            await self.store(unit)

    async def put(self, unit: UnitPort, revision: int, artifacts: Sequence[Contract]) -> None:
        """Store artifacts; that they were made is on the tape, with their hashes."""
        await unit.put(revision, artifacts)
        noted(self, artifacts)

    async def store(self, unit: UnitPort) -> None:
        """Store the calls and decisions, with an event for each call, and begin anew."""
        tools, self.tools = self.tools, []
        models, self.models = self.models, []
        decisions, self.decisions = self.decisions, []
        events, self.events = self.events, []
        if decisions:
            await self.put(unit, self.revision, decisions)
        taped, self.taped = self.taped, []
        await unit.tape(taped)
        await unit.spend(models, tools, self.revision)
        # What let a call be made comes before the call.
        unit.record(*events, *map(_model_event, models), *map(_tool_event, tools))
        await self.hold(unit)

    async def hold(self, unit: UnitPort) -> None:
        """Note what is set aside at present, unless that is what was noted last."""
        reserved = self.reserved
        if self._held != reserved:
            await unit.hold(reserved)
            self._held = reserved


def _model_event(call: ModelCall) -> NewEvent:
    payload = {
        "task_key": call.task_key,
        "call_id": call.call_id,
        "tier": call.tier.value,
        "provider": call.provider,
        "model": call.model,
        "status": call.status,
        "tokens_in": call.tokens_in,
        "tokens_out": call.tokens_out,
        "usage_source": call.usage_source,
        "duration_ms": call.duration_ms,
        "request_sha256": sha256_hex(call.request),
        "response_sha256": sha256_hex(call.response),
    }
    reason = {"reason": call.reason} if call.reason else {}
    return NewEvent(event_type=EventType.MODEL_CALLED, payload=payload | reason)


def _tool_event(call: ToolCall) -> NewEvent:
    kind = EventType.TOOL_DENIED if call.status == "refused" else EventType.TOOL_CALLED
    payload = {"task_key": call.task_key, "tool": call.tool, "arguments": dict(call.arguments), "status": call.status}
    if call.response is not None:
        payload["response_sha256"] = sha256_hex(call.response)
    if call.decision_id is not None:
        payload["decision_id"] = call.decision_id
    return NewEvent(event_type=kind, payload=payload | ({"reason": call.reason} if call.reason else {}))


async def _at_once() -> None:
    return None


@dataclass
class RunContext:
    """One run.

    Attributes:
        memo: the last step that was stored before the mission was claimed.
        turn: waited for before a step.
        clock: the present moment itself; what nodes see of it is on tape.
    """

    mission: Mission
    ports: Ports
    ledger: LedgerPort
    governance: Governance
    record: Record
    memo: tuple[str, MissionState] | None = None
    asked: bool = False
    turn: Callable[[], Awaitable[None]] = _at_once
    clock: Clock = field(default_factory=SystemClock)

    def recall(self) -> tuple[str, MissionState]:
        """Return the memo once: a later step of the same name, as after a retry, is a new one."""
        memo, self.memo = self.memo, None
        return memo or ("", {})
