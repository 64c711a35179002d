"""What one run of a mission carries along, outside the state: ports, ledger, policies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from contracts.evidence import WritebackProposal
from contracts.mission import AutonomyTier, ModelTier
from contracts.ports import LedgerPort, Mission, ModelCall, Ports, ToolCall
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
    """Calls made since the last unit; the next one stores them."""

    tools: list[ToolCall] = field(default_factory=list)
    models: list[ModelCall] = field(default_factory=list)

    def drain(self) -> tuple[list[ModelCall], list[ToolCall]]:
        """Return what has been collected and begin anew."""
        models, tools = self.models, self.tools
        self.models, self.tools = [], []
        return models, tools


@dataclass
class RunContext:
    """One run. ``memo`` is the last step that was stored before the mission was claimed."""

    mission: Mission
    ports: Ports
    ledger: LedgerPort
    governance: Governance
    record: Record
    memo: tuple[str, MissionState] | None = None
    draining: bool = False
    proposals: tuple[WritebackProposal, ...] = ()
