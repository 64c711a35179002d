"""Halts as clients see them: what is asked for, and what is shown."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from adapters.postgres.halts import EVERYBODY
from contracts.base import Value
from contracts.clock import rfc3339
from server.shape import Shape


class HaltRequest(Value):
    """Why everything is to stop."""

    reason: str = Field(min_length=1, max_length=2_000)


class Halt(Shape):
    """One halt; ``scope`` is the tenant's own, or everybody's."""

    halt_id: int
    scope: str
    actor_id: str
    reason: str
    created_at: str
    lifted_at: str | None
    lifted_by: str | None


class Halts(Shape):
    """Whether the tenant is halted, and its halts, those in force first."""

    halted: bool
    items: list[Halt]


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """Return a halt as it is shown."""
    named = {name: row[name] for name in Halt.model_fields if name != "scope"}
    told = {name: rfc3339(value) if isinstance(value, datetime) else value for name, value in named.items()}
    return {**told, "scope": "all" if row["tenant_id"] == EVERYBODY else "tenant"}
