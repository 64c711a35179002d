"""API keys as clients see them: what can be asked for, and what is shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import Field

from adapters.postgres.keys import NewKey
from contracts.base import Value
from contracts.clock import rfc3339
from contracts.errors import Forbidden
from server.principal import Capability, Principal
from server.shape import Shape


class KeyRequest(Value):
    """A key that is wanted: what people know it by, what may be done with it, and for how many days."""

    name: str = Field(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]+$")
    capabilities: tuple[Capability, ...] = Field(min_length=1, max_length=20)
    expires_in_days: int | None = Field(None, ge=1, le=3_660)


class Key(Shape):
    """A key, but for the key itself."""

    key_id: str
    name: str
    actor_id: str
    capabilities: list[str]
    made_by: str
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None


class MadeKey(Key):
    """A key that was made: ``key`` is shown this once."""

    key: str


class KeyList(Shape):
    """A tenant's keys, newest first, those that were revoked included."""

    items: list[Key]


def wanted(asked: KeyRequest, who: Principal) -> NewKey:
    """Return the key that the caller may have.

    Raises:
        Forbidden: the caller doesn't hold one of them.
    """
    named = frozenset[str](asked.capabilities)
    if more := sorted(named - who.capabilities):
        raise Forbidden(f"a key can't have the capability {more[0]}, which its maker lacks", code="capability_missing")
    days = asked.expires_in_days
    expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
    return NewKey(who.tenant_id, asked.name, who.actor_id, named, who.actor_id, who.key_id, expires_at)


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """Return what is shown of a key."""
    named = {name: row[name] for name in Key.model_fields}
    return {name: rfc3339(value) if isinstance(value, datetime) else value for name, value in named.items()}
