"""What an approver says to let somebody else answer in their place."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import ConfigDict, Field, JsonValue, StringConstraints, model_validator

from contracts.base import Value

_DAY_MS = 86_400_000
_Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[!-~]+( [!-~]+)*$")]


def _only(one: str, other: str) -> dict[str, JsonValue]:
    return {"required": [one], "properties": {one: {"type": "string"}, other: {"type": "null"}}}


class DelegationRequest(Value):
    """The body of a delegation: to one person or to one role; ``duration_ms`` from now, at most 30 days."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [_only("to_actor", "to_role"), _only("to_role", "to_actor")]})

    to_actor: _Name | None = None
    to_role: _Name | None = None
    duration_ms: int = Field(default=_DAY_MS, ge=1_000, le=30 * _DAY_MS)
    reason: str = Field(default="", max_length=2_000)

    @model_validator(mode="after")
    def _to_somebody(self) -> Self:
        if (self.to_actor is None) == (self.to_role is None):
            raise ValueError("name either to_actor or to_role")
        return self
