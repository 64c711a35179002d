"""What was asked for: the request as it came, and the envelope that admission makes of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from contracts.base import ActorId, Contract, MissionId, TenantId, Value


class MissionClass(StrEnum):
    """The typed kinds of mission; nothing is free-form."""

    CRM_LEAD_INTELLIGENCE = "crm_lead_intelligence"
    ORACLE_ADVISORY = "oracle_advisory"
    CATALYST_STRATEGY_BRIEF = "catalyst_strategy_brief"


class Level(StrEnum):
    """A risk level."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Sensitivity(StrEnum):
    """Who may see the mission's data; decides which model tier it may reach."""

    PUBLIC = "public"
    INTERNAL = "internal"
    PERSONAL = "personal"


class AutonomyTier(StrEnum):
    """How far the mission may go by itself: only advise, propose writes, or write what policy lets it."""

    ADVISE = "advise"
    ASSISTED = "assisted"
    AUTONOMOUS = "autonomous"


class ReviewLevel(StrEnum):
    """Whether a person must look even when nothing would be written."""

    STANDARD = "standard"
    PERSON = "person"


class ModelTier(StrEnum):
    """The tiers that policy routes to."""

    LOCAL_PRIVATE = "tier_local_private"
    CLOUD_STANDARD = "tier_cloud_standard"
    HIGH_REASONING = "tier_high_reasoning"


_BLANK = r"\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
SOMETHING = rf"^[^\x00]*[^\x00{_BLANK}][^\x00]*$"
"""A text with something in it that can be stored. What is blank is spelt out: `\\s` is not the same everywhere."""
Goal = Annotated[str, StringConstraints(min_length=1, max_length=4_000, strip_whitespace=True, pattern=SOMETHING)]


class MissionRequest(Value):
    """A submission, as a product surface sends it.

    ``token_budget`` counts tokens in and out, ``time_budget_ms`` the mission's working time without the waiting for
    people.
    """

    mission_type: MissionClass
    user_goal: Goal
    origin_surface: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")] = "api"
    inputs: dict[str, Any] = Field(default_factory=dict)
    requested_outputs: tuple[Annotated[str, StringConstraints(min_length=1, max_length=60)], ...] = Field(
        default=(), max_length=20
    )
    token_budget: int | None = Field(default=None, ge=1, le=100_000_000)
    time_budget_ms: int | None = Field(default=None, ge=1, le=86_400_000)
    metadata: dict[str, Any] = Field(default_factory=dict)


class FactKey(Value):
    """One thing to find out: its key, what it means, and, if closed, the values it can take."""

    key: Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,79}$")]
    description: Annotated[str, StringConstraints(max_length=500)] = ""
    values: tuple[str, ...] | None = None


class MissionEnvelope(Contract):
    """The admitted mission: what was asked, by whom, how risky it is, and with which budgets."""

    mission_id: MissionId
    mission_type: MissionClass
    origin_surface: str
    user_goal: str
    normalized_goal: str
    tenant_id: TenantId
    actor_id: ActorId
    risk_level: Level
    sensitivity_class: Sensitivity
    autonomy_tier: AutonomyTier
    review_level: ReviewLevel
    time_budget_ms: int
    token_budget: int
    requested_outputs: tuple[str, ...]
    inputs: dict[str, Any]
    metadata: dict[str, Any]
    trace_id: str
