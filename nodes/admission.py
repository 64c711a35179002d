"""Admission: make an envelope of the request: normalised, classified, with budgets. The graph then asks the policy."""

from __future__ import annotations

import unicodedata

from contracts.classes import CLASSES, checked
from contracts.mission import AutonomyTier, Level, MissionEnvelope, ReviewLevel, Sensitivity
from contracts.ports import Ports, StepResult
from contracts.state import MissionState


async def admission(state: MissionState, ports: Ports) -> StepResult:
    """Turn the submitted request into the mission's envelope.

    Raises:
        BadInput: the class can't use the inputs.
    """
    mission = ports.mission
    request = checked(mission.request)
    found = ports.classify(request)
    return StepResult(
        envelope=MissionEnvelope(
            mission_id=mission.mission_id,
            mission_type=request.mission_type,
            origin_surface=request.origin_surface,
            user_goal=request.user_goal,
            normalized_goal=normalized(request.user_goal),
            tenant_id=mission.tenant_id,
            actor_id=mission.actor_id,
            risk_level=Level(found.risk_level),
            sensitivity_class=Sensitivity(found.sensitivity_class),
            autonomy_tier=AutonomyTier(found.autonomy_tier),
            review_level=ReviewLevel(found.review_level),
            time_budget_ms=mission.time_budget_ms,
            token_budget=mission.token_budget,
            requested_outputs=request.requested_outputs or CLASSES[request.mission_type].outputs,
            inputs=request.inputs,
            metadata=request.metadata,
            trace_id=mission.trace_id,
        )
    )


def normalized(goal: str) -> str:
    """Return the goal as one line: composed Unicode, no control or format characters, single spaces."""
    composed = unicodedata.normalize("NFC", goal)
    visible = "".join(" " if unicodedata.category(c) in {"Cc", "Cf", "Zl", "Zp"} else c for c in composed)
    return " ".join(visible.split())
