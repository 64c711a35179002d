"""Writeback: apply what the stored approval grants, and only that, each once."""

from __future__ import annotations

from collections import Counter

from contracts.evidence import ResearchArtifact
from contracts.ports import Ports, StepResult
from contracts.state import MissionState

_ORDER = {"note": 0, "task": 1, "message": 2, "patch": 3}


async def writeback(state: MissionState, ports: Ports) -> StepResult:
    """Apply every granted proposal; a conflict or an unknown outcome is recorded and stops none of the others.

    Raises:
        IntegrityBroken: the stored grants or the evidence behind them were changed; nothing was written.
    """
    # What is written rests on the evidence: where that is no longer what it was, nothing is written.
    await ports.artifacts.all(ResearchArtifact, state["evidence"])
    granted = sorted(await ports.effects.granted(), key=lambda p: (_ORDER[p.operation], p.proposal_id))
    outcomes = [(await ports.effects.apply(proposal)).status for proposal in granted]
    return StepResult(channels={"release": {**state["release"], "effects": dict(Counter(outcomes))}})
