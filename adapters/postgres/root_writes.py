"""Writes to the root's objects inside one transaction that is already open and already the tenant's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from psycopg import AsyncConnection
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from adapters.postgres.queries import Queries
from adapters.root.records import ActivityKind, Versioned
from contracts.errors import NotFound, PreconditionStale

Precondition = Callable[[int | None], bool]
"""Tells from an object's version (none: it isn't there) whether the caller's precondition holds."""


class RootWrites:
    """What an effect may do; each locks the object before it looks at its version."""

    def __init__(self, conn: AsyncConnection[DictRow], sql: Queries) -> None:
        self._conn = conn
        self._sql = sql

    async def _row(self, query: str, **values: Any) -> DictRow | None:
        return await (await self._conn.execute(self._sql[query], values)).fetchone()

    async def _lead(self, lead_id: str, holds: Precondition) -> Versioned:
        row = await self._row("lead_for_update", lead_id=lead_id)
        if row is None:
            raise NotFound("no such lead", code="lead_not_found")
        if not holds(row["version"]):
            raise PreconditionStale("the lead has changed since it was read")
        return Versioned(lead_id, row["attributes"], row["version"])

    async def patch_lead(self, lead_id: str, changes: dict[str, Any], holds: Precondition) -> Versioned:
        """Merge the changes into the lead (RFC 7386) and return it as it is now; its version goes up by one.

        Raises:
            NotFound: no such lead.
            PreconditionStale: the lead is not the one the caller read.
        """
        lead = await self._lead(lead_id, holds)
        merged = Jsonb(_merged(lead.data, changes))
        row = await self._row("update_lead", lead_id=lead_id, attributes=merged)
        return _versioned(row, "lead_id")

    async def add_activity(
        self, lead_id: str, kind: ActivityKind, attributes: dict[str, Any], holds: Precondition
    ) -> DictRow:
        """Add a note, task or message to the lead; the lead's own version stays as it is.

        Raises:
            NotFound: no such lead.
            PreconditionStale: the lead is not the one the caller read.
        """
        await self._lead(lead_id, holds)
        row = await self._row(
            "add_activity",
            activity_id=f"{kind.removesuffix('s')}_{uuid4().hex}",
            lead_id=lead_id,
            kind=kind,
            attributes=Jsonb(attributes),
        )
        return _found(row)

    async def patch_page(self, page_id: str, changes: dict[str, Any], holds: Precondition) -> Versioned:
        """Merge the changes into the page, or make it where the precondition is that there is none.

        Raises:
            NotFound: no such page, and the precondition doesn't ask for that.
            PreconditionStale: the page is not the one the caller read.
        """
        row = await self._row("page_for_update", page_id=page_id)
        if row is None:
            if not holds(None):
                raise NotFound("no such page", code="page_not_found")
            made = await self._row("create_page", page_id=page_id, attributes=Jsonb(_merged({}, changes)))
            if made is None:
                raise PreconditionStale("the page has been made by somebody else")
            return _versioned(made, "page_id")
        if not holds(row["version"]):
            raise PreconditionStale("the page has changed since it was read")
        merged = Jsonb(_merged(row["attributes"], changes))
        return _versioned(await self._row("update_page", page_id=page_id, attributes=merged), "page_id")


def _found(row: DictRow | None) -> DictRow:
    if row is None:
        raise NotFound("it is gone")
    return row


def _versioned(row: DictRow | None, key: str) -> Versioned:
    found = _found(row)
    return Versioned(found[key], found["attributes"], found["version"])


def _merged(target: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    result = dict(target)
    for key, change in changes.items():
        if change is None:
            result.pop(key, None)
        elif isinstance(change, dict):
            was = result.get(key)
            result[key] = _merged(was if isinstance(was, dict) else {}, change)
        else:
            result[key] = change
    return result
