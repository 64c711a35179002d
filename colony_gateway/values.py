"""What goes between a product and Colony, as values: a call's answer is one of a few things, never an exception."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

STILL_WORKS = (
    "everything of the product that does not ask Colony",
    "missions that were accepted are kept and go on by themselves",
    "a submission may be repeated under the same Idempotency-Key: it is one mission",
)


class Caller(BaseModel):
    """For whom the product asks, as its own authentication says.

    Attributes:
        bearer: the token or key to forward; the gateway's own key (``COLONY_SERVICE_API_KEY``) when there is none.
        tenant: the tenant that is meant. Colony refuses a key of another one (403 ``tenant_mismatch``).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bearer: SecretStr | None = None
    tenant: str | None = None


class DegradedCode(StrEnum):
    """Why Colony can't be used at present."""

    DISABLED = "colony_disabled"
    UNREACHABLE = "colony_unreachable"
    TIMEOUT = "colony_timeout"
    REFUSED_KEY = "colony_refused_key"
    FAILING = "colony_failing"
    ANSWER_UNUSABLE = "colony_answer_unusable"


class Degraded(BaseModel):
    """The one answer while Colony can't be used, sent as HTTP 503 with ``Retry-After``.

    Attributes:
        reason: one sentence for people; never a key, an address or a body.
        retry_after_ms: when it makes sense to ask again, in milliseconds.
        still_works: what is not affected.
        trace_id: the W3C trace id that Colony was sent, to be looked for in both logs.
        idempotency_key: the key that a submission went out under, to repeat it with.
    """

    model_config = ConfigDict(frozen=True)

    status: Literal["degraded"] = "degraded"
    code: DegradedCode
    reason: str
    retry_after_ms: int
    still_works: tuple[str, ...] = STILL_WORKS
    trace_id: str
    idempotency_key: str | None = None


class Shape(BaseModel):
    """An answer of Colony's; fields that a later Colony adds are kept and harm nobody."""

    model_config = ConfigDict(frozen=True, extra="allow")


class Problem(Shape):
    """Colony's refusal (RFC 9457): ``code`` is stable, ``status`` the HTTP status."""

    status: int
    code: str
    detail: str = ""
    trace_id: str = ""
    hint: str = ""


class MissionRequest(BaseModel):
    """What is asked of Colony; see its docs/mission-classes.md for each class's inputs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mission_type: str
    user_goal: str
    inputs: dict[str, Any]
    origin_surface: str | None = None
    requested_outputs: tuple[str, ...] | None = None
    token_budget: int | None = None
    time_budget_ms: int | None = None
    metadata: dict[str, Any] | None = None


class Accepted(Shape):
    """A mission, or a command on one, that Colony took."""

    mission_id: str
    status: str
    trace_id: str | None = None


class Mission(Shape):
    """A mission as Colony shows it."""

    mission_id: str
    mission_type: str
    status: str
    stage: str | None = None
    packet: dict[str, Any] | None = None
    pending_approval: dict[str, Any] | None = None
    failure: dict[str, Any] | None = None


class MissionPage(Shape):
    """Missions, newest first; ``next_cursor`` is None on the last page."""

    items: tuple[Mission, ...] = Field(default=())
    next_cursor: str | None = None


class Event(Shape):
    """One recorded event."""

    seq: int
    event_type: str
    payload: dict[str, Any] = Field(default_factory=dict)


class Events(Shape):
    """A mission's events by seq."""

    items: tuple[Event, ...] = Field(default=())


class Ready(Shape):
    """Colony's readiness."""

    status: str
