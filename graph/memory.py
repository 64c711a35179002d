"""LangGraph's store for a developer's own graphs, over the tenant's items."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from langgraph.store.base import BaseStore, GetOp, Item, ListNamespacesOp, Op, PutOp, Result, SearchItem, SearchOp

Row = Mapping[str, Any]


class Items(Protocol):
    """Where items are kept, tenant by tenant."""

    async def put(
        self, tenant_id: str, actor_id: str, namespace: Sequence[str], key: str, value: Any, ttl_min: float | None
    ) -> None:
        """Keep an item."""
        ...

    async def get(self, tenant_id: str, namespace: Sequence[str], key: str) -> Row | None:
        """Return an item."""
        ...

    async def delete(self, tenant_id: str, namespace: Sequence[str], key: str) -> None:
        """Forget an item."""
        ...

    async def search(
        self, tenant_id: str, prefix: Sequence[str], wanted: Mapping[str, Any] | None, limit: int, offset: int
    ) -> list[Any]:
        """Return items under a namespace."""
        ...

    async def namespaces(
        self, tenant_id: str, prefix: Sequence[str], suffix: Sequence[str], max_depth: int, limit: int, offset: int
    ) -> list[list[str]]:
        """Return namespaces."""
        ...


class TenantStore(BaseStore):
    """One tenant's items as LangGraph's store."""

    supports_ttl = True

    def __init__(self, items: Items, tenant_id: str, actor_id: str) -> None:
        self._items = items
        self._tenant_id = tenant_id
        self._actor_id = actor_id
        self._loop = asyncio.get_running_loop()

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Carry out operations for a node that is no coroutine, which has a thread of its own.

        Raises:
            RuntimeError: a coroutine asked, and would wait for itself.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run_coroutine_threadsafe(self.abatch(ops), self._loop).result()
        raise RuntimeError("a coroutine uses the store's asynchronous methods: aget, aput, asearch")

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Carry out operations in their order."""
        return [await self._done(op) for op in ops]

    async def _done(self, op: Op) -> Result:
        match op:
            case GetOp():
                row = await self._items.get(self._tenant_id, op.namespace, op.key)
                return Item(**_fields(row)) if row else None
            case PutOp(value=None):
                await self._items.delete(self._tenant_id, op.namespace, op.key)
                return None
            case PutOp():
                ttl = float(op.ttl) if op.ttl else None
                await self._items.put(self._tenant_id, self._actor_id, op.namespace, op.key, op.value, ttl)
                return None
            case SearchOp():
                named = (op.namespace_prefix, op.filter, op.limit, op.offset)
                rows = await self._items.search(self._tenant_id, *named)
                return [SearchItem(**_fields(row)) for row in rows]
            case ListNamespacesOp():
                ends = {one.match_type: [str(part) for part in one.path] for one in op.match_conditions or ()}
                depth = op.max_depth or 10
                found = await self._items.namespaces(
                    self._tenant_id, ends.get("prefix", []), ends.get("suffix", []), depth, op.limit, op.offset
                )
                return [tuple(one) for one in found]
            case _:
                raise TypeError(f"no operation of a store: {type(op).__name__}")


def _fields(row: Row) -> dict[str, Any]:
    made: datetime = row["created_at"]
    changed: datetime = row["updated_at"]
    return {
        "value": row["payload"],
        "key": row["key"],
        "namespace": tuple(row["namespace"]),
        "created_at": made,
        "updated_at": changed,
    }
