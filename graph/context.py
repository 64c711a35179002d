"""What one run of a mission carries along, outside the state: ports, ledger, policies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from contracts.canonical import sha256_hex
from contracts.events import EventType, NewEvent
from contracts.mission import AutonomyTier, ModelTier
from contracts.ports import LedgerPort, Mission, ModelCall, Ports, ToolCall, UnitPort
from contracts.state import MissionState
from policies.engine import PolicyEngine


@dataclass(frozen=True)
class Governance:
    """The rules in force and the circumstances they are asked in."""

    engine: PolicyEngine
    deployment_mode: str
    research_enabled: bool = False
    autonomy_tier: AutonomyTier = AutonomyTier.ASSISTED
    tenant_switches: Mapping[str, Any] = field(default_factory=dict)
    providers: Mapping[ModelTier, str] = field(default_factory=dict)
    private_providers: frozenset[str] = frozenset({"extractive"})

    def provider_of(self, tier: ModelTier) -> str:
        """Return the provider a tier leads to; an unknown tier leads nowhere."""
        return self.providers.get(tier, "none")


@dataclass
class Record:
    """Tool calls made since the last unit; the next one stores them."""

    tools: list[ToolCall] = field(default_factory=list)

    async def store(self, unit: UnitPort, models: Sequence[ModelCall], revision: int) -> None:
        """Store the calls, with an event for each tool call, and begin anew."""
        tools, self.tools = self.tools, []
        await unit.spend(models, tools, revision)
        unit.record(*map(_tool_event, tools))


def _tool_event(call: ToolCall) -> NewEvent:
    kind = EventType.TOOL_DENIED if call.status == "refused" else EventType.TOOL_CALLED
    payload = {"task_key": call.task_key, "tool": call.tool, "arguments": dict(call.arguments), "status": call.status}
    if call.response is not None:
        payload["response_sha256"] = sha256_hex(call.response)
    return NewEvent(event_type=kind, payload=payload | ({"reason": call.reason} if call.reason else {}))


@dataclass
class RunContext:
    """One run. ``memo`` is the last step that was stored before the mission was claimed."""

    mission: Mission
    ports: Ports
    ledger: LedgerPort
    governance: Governance
    record: Record
    memo: tuple[str, MissionState] | None = None

    def recall(self) -> tuple[str, MissionState]:
        """Return the memo once: a later step of the same name, as after a retry, is a new one."""
        memo, self.memo = self.memo, None
        return memo or ("", {})
