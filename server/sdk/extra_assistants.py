"""Developers' graphs as assistants, and the assistants that clients make of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

from adapters.postgres.graph_runs import GraphRunStore
from contracts.clock import rfc3339
from contracts.errors import Conflict, NotFound
from graph.snapshots import Shown
from server.principal import Principal
from server.sdk.threads import Row

_SINCE = "2026-11-21T00:00:00Z"


def graph_assistant(name: str) -> str:
    """Return the id of the assistant that a graph is by itself."""
    return str(uuid5(NAMESPACE_URL, f"colony:extra:{name}"))


@dataclass(frozen=True)
class GraphAssistants:
    """Finds and keeps assistants of developers' graphs."""

    graphs: Mapping[str, Any]
    store: GraphRunStore

    def _named(self, assistant_id: str) -> str | None:
        return next((name for name in self.graphs if assistant_id in {name, graph_assistant(name)}), None)

    async def graph_of(self, who: Principal, assistant_id: str) -> str | None:
        """Return the graph that an assistant is of, or None."""
        name = self._named(assistant_id)
        if name is None and (row := await self.kept(who, assistant_id)) is not None:
            name = row["graph_id"] if row["graph_id"] in self.graphs else None
        return name

    async def kept(self, who: Principal, assistant_id: str) -> Row | None:
        """Return an assistant that a client has made."""
        found = await self.store.rows(who.tenant_id, "assistants", assistant_id=assistant_id)
        return found[0] if found else None

    async def listed(self, who: Principal) -> list[Shown]:
        """Return the graphs as assistants, and those that clients have made of them."""
        kept = await self.store.rows(who.tenant_id, "assistants", assistant_id=None)
        return [*(_by_itself(name) for name in self.graphs), *(_assistant(row) for row in kept)]

    async def find(self, who: Principal, assistant_id: str) -> Shown | None:
        """Return one assistant."""
        if (name := self._named(assistant_id)) is not None:
            return _by_itself(name)
        row = await self.kept(who, assistant_id)
        return _assistant(row) if row else None

    async def make(self, who: Principal, graph_id: str, assistant_id: str | None, told: Shown) -> Shown:
        """Keep an assistant of one of the graphs.

        Raises:
            NotFound: there is no such graph.
            Conflict: the id is taken.
        """
        if graph_id not in self.graphs:
            raise _graph_not_found()
        name = assistant_id or str(uuid4())
        named: dict[str, Any] = {
            "assistant_id": name,
            "actor_id": who.actor_id,
            "graph_id": graph_id,
            "payload": told,
        }
        if not await self.store.rows(who.tenant_id, "keep_assistant", **named):
            raise Conflict("there is an assistant with this id", code="assistant_exists")
        return await self.find(who, name) or {}

    async def change(self, who: Principal, assistant_id: str, graph_id: str | None, told: Shown) -> Shown | None:
        """Change an assistant that a client has made, which is a new version of it.

        Raises:
            NotFound: there is no such graph.
        """
        if graph_id is not None and graph_id not in self.graphs:
            raise _graph_not_found()
        named: dict[str, Any] = {
            "assistant_id": assistant_id,
            "actor_id": who.actor_id,
            "graph_id": graph_id,
            "payload": told,
        }
        done = await self.store.rows(who.tenant_id, "change_assistant", **named)
        return await self.find(who, assistant_id) if done else None

    async def versions(self, who: Principal, assistant_id: str, **asked: Any) -> list[Shown]:
        """Return the versions of an assistant that a client has made, newest first."""
        rows = await self.store.rows(who.tenant_id, "assistant_versions", assistant_id=assistant_id, **asked)
        return [_version(row) for row in rows]

    async def use(self, who: Principal, assistant_id: str, version: int) -> Shown | None:
        """Go back to a version of an assistant."""
        named: dict[str, Any] = {"assistant_id": assistant_id, "version": version}
        done = await self.store.rows(who.tenant_id, "use_version", **named)
        return await self.find(who, assistant_id) if done else None

    async def forget(self, who: Principal, assistant_id: str) -> bool:
        """Forget an assistant that a client has made."""
        return bool(await self.store.rows(who.tenant_id, "forget_assistant", assistant_id=assistant_id))


def _graph_not_found() -> NotFound:
    return NotFound("there is no such graph", code="graph_not_found")


def _version(row: Row) -> Shown:
    told = {**row, "graph_id": row["payload"]["graph_id"], "updated_at": row["created_at"]}
    return {name: value for name, value in _assistant(told).items() if name != "updated_at"}


def _by_itself(name: str) -> Shown:
    about = {"created_by": "system", "governed": False}
    times = {"created_at": _SINCE, "updated_at": _SINCE}
    shown = {"assistant_id": graph_assistant(name), "graph_id": name, "name": name, "description": None, "version": 1}
    return {**shown, "config": {}, "context": {}, "metadata": about, **times}


def _assistant(row: Row) -> Shown:
    told = row["payload"]
    return {
        "assistant_id": row["assistant_id"],
        "graph_id": row["graph_id"],
        "name": told.get("name") or row["graph_id"],
        "description": told.get("description"),
        "config": told.get("config") or {},
        "context": told.get("context") or {},
        "metadata": {**(told.get("metadata") or {}), "governed": False},
        "version": row["version"],
        "created_at": rfc3339(row["created_at"]),
        "updated_at": rfc3339(row["updated_at"]),
    }
