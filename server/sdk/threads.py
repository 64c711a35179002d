"""Threads: missions under the SDK's name, and threads that have no mission yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import uuid4

from adapters.postgres.threads import ThreadStore
from contracts.clock import rfc3339
from contracts.errors import BadInput, Conflict, NotFound
from contracts.mission import MissionClass
from contracts.stateflow import Status
from graph.snapshots import Shown
from server.principal import Principal
from server.sdk import bodies
from server.sdk.assistants import GRAPH
from server.sdk.body_parts import CheckpointRef
from server.sdk.missions import MissionViews
from server.sdk.stretches import assistant_name

Row = Mapping[str, Any]
_STATUS = {
    Status.RECEIVED: "busy",
    Status.RUNNING: "busy",
    Status.AWAITING_APPROVAL: "interrupted",
    Status.COMPLETED: "idle",
    Status.REJECTED: "idle",
    Status.CANCELLED: "idle",
    Status.BLOCKED: "error",
    Status.FAILED: "error",
    Status.EXPIRED: "error",
}
_CLASSES = {assistant_name(kind.value): kind.value for kind in MissionClass}
_LOOKED_INTO = 500
"""How many threads' states one search reads."""
_RUN_STATUS = {"pending": "busy", "running": "busy", "interrupted": "interrupted", "error": "error", "timeout": "error"}


def status_of(row: Row) -> str:
    """Return how a thread stands."""
    if row["mission_id"] is not None:
        return _STATUS[Status(row["mission_status"])]
    return _RUN_STATUS.get(row["run_status"] or "", "idle")


def summary(row: Row) -> Shown:
    """Return a thread without its state."""
    about: dict[str, Any] = dict(row["metadata"])
    if row["mission_id"] is not None:
        kind = row["mission_type"]
        about |= {"graph_id": GRAPH, "assistant_id": assistant_name(kind), "mission_id": row["mission_id"]}
        about |= {"mission_type": kind, "mission_status": row["mission_status"], "governed": True}
        if row["parent_mission_id"]:
            about["parent_thread_id"] = row["parent_mission_id"]
    elif row["graph_id"] is not None:
        about |= {"graph_id": row["graph_id"], "assistant_id": row["assistant_id"], "governed": False}
    return {
        "thread_id": row["thread_id"],
        "created_at": rfc3339(row["created_at"]),
        "updated_at": rfc3339(row["updated_at"]),
        "state_updated_at": rfc3339(row["updated_at"]),
        "metadata": about,
        "status": status_of(row),
        "config": row["config"],
        "values": None,
        "interrupts": {},
        "error": _failure(row) if status_of(row) == "error" else None,
    }


def _sought(metadata: Shown | None) -> Shown | None:
    """Return the metadata by which threads are found: a mission class is known there by its name."""
    named = (metadata or {}).get("assistant_id")
    known = _CLASSES.get(named) if isinstance(named, str) else None
    return {**(metadata or {}), "assistant_id": known} if known else metadata


def _meant(body: bodies.ThreadCount) -> dict[str, Any]:
    """Return by what threads are found where they are kept."""
    ids = list(body.ids) if body.ids is not None else None
    return {"ids": ids, "status": body.status, "metadata": _sought(body.metadata)}


def holds(state: Any, sought: Any) -> bool:
    """Whether a state holds what is sought: an object holds its every field, a list and all else is the same.

    It takes no longer than what is sought is long, whatever the state is.
    """
    match sought:
        case dict():
            return isinstance(state, dict) and all(key in state and holds(state[key], sought[key]) for key in sought)
        case list():
            return isinstance(state, list) and len(state) == len(sought) and all(map(holds, state, sought))
        case _:
            return isinstance(state, bool) == isinstance(sought, bool) and bool(state == sought)


def _failure(row: Row) -> Shown | None:
    """Return why a thread stands in error."""
    if row["mission_id"] is None:
        return row["run_failure"]  # type: ignore[no-any-return]
    failure = row["failure"]
    return {"error": failure.get("code", ""), "message": failure.get("reason", "")} if failure else None


def stated(thread: Shown, state: Shown | None) -> Shown:
    """Return a thread with its state."""
    if state is None:
        return thread
    asked = {task["id"]: task["interrupts"] for task in state["tasks"] if task["interrupts"]}
    waits = thread["status"] == "interrupted"
    return {**thread, "values": state["values"] or None, "interrupts": asked if waits else {}}


def blank_state(thread_id: str) -> Shown:
    """Return the state of a thread in which nothing has run yet."""
    return {
        "values": {},
        "next": [],
        "tasks": [],
        "metadata": {},
        "created_at": None,
        "checkpoint": {"thread_id": thread_id, "checkpoint_ns": "", "checkpoint_id": None},
        "parent_checkpoint": None,
        "interrupts": [],
    }


class GraphStates(Protocol):
    """The states of threads that are no missions."""

    @property
    def graphs(self) -> Mapping[str, Any]:
        """The graphs that are known."""
        ...

    async def state(self, who: Principal, row: Row, at: CheckpointRef, *, subgraphs: bool = False) -> Shown | None:
        """Return a state."""
        ...

    async def history(self, who: Principal, row: Row, **asked: Any) -> list[Shown]:
        """Return the checkpoints."""
        ...

    async def copy(self, who: Principal, row: Row, to: str) -> None:
        """Copy the checkpoints."""
        ...


@dataclass(frozen=True)
class Threads:
    """Makes, finds and shows threads, always as one tenant."""

    store: ThreadStore
    views: MissionViews
    extra: GraphStates | None = None

    def foreign(self, row: Row) -> GraphStates | None:
        """Return who has a thread's state, if it is of a developer's graph."""
        known = self.extra is not None and row["mission_id"] is None and row["graph_id"] in self.extra.graphs
        return self.extra if known else None

    async def create(self, who: Principal, body: bodies.ThreadCreate) -> Row:
        """Keep a new thread; the one that is there, where the client asked so.

        Raises:
            Conflict: the id is taken.
        """
        thread_id = body.thread_id or str(uuid4())
        notes = (body.metadata or {}, body.config or {}, body.ttl_min)
        made = await self.store.create(who.tenant_id, who.actor_id, thread_id, *notes)
        taken = Conflict("there is a thread with this id", code="thread_exists", hint="Pass if_exists=do_nothing.")
        if not made and body.if_exists != "do_nothing":
            raise taken
        try:
            return await self.store.thread(who.tenant_id, thread_id)
        except NotFound as exc:
            raise taken from exc

    async def row(self, who: Principal, thread_id: str) -> Row:
        """Return a thread's row.

        Raises:
            NotFound: there is no such thread for this tenant.
        """
        return await self.store.thread(who.tenant_id, thread_id)

    async def shown(self, who: Principal, row: Row) -> Shown:
        """Return a thread with its state."""
        return stated(summary(row), await self._state(who, row, CheckpointRef()))

    async def _state(self, who: Principal, row: Row, at: CheckpointRef, *, subgraphs: bool = False) -> Shown | None:
        if row["mission_id"] is not None and not at.checkpoint_ns:  # its graph has no other below it
            return await self.views.state(who.tenant_id, row["thread_id"], at.checkpoint_id)
        if (foreign := self.foreign(row)) is not None:
            return await foreign.state(who, row, at, subgraphs=subgraphs)
        return None

    async def search(self, who: Principal, body: bodies.ThreadSearch) -> tuple[list[Shown], int]:
        """Return a page of threads and how many there are in all.

        Raises:
            BadInput: values are sought in too many threads.
        """
        if body.values:
            found = await self._holding(who, body, sort=body.sort_by or "created_at", newest=body.sort_order != "asc")
            total, found = len(found), found[body.offset : body.offset + body.limit]
        else:
            rows, total = await self.store.search(
                who.tenant_id,
                **_meant(body),
                sort=body.sort_by or "created_at",
                newest=body.sort_order != "asc",
                limit=body.limit,
                offset=body.offset,
            )
            lean = body.select is not None and not {"values", "interrupts"} & set(body.select)
            found = [summary(row) if lean else await self.shown(who, row) for row in rows]
        if body.select is not None:
            found = [{key: one[key] for key in body.select if key in one} for one in found]
        return found, total

    async def count(self, who: Principal, body: bodies.ThreadCount) -> int:
        """Return how many threads there are.

        Raises:
            BadInput: values are sought in too many threads.
        """
        if body.values:
            return len(await self._holding(who, body, sort="created_at", newest=True))
        return await self.store.count(who.tenant_id, **_meant(body))

    async def _holding(self, who: Principal, body: bodies.ThreadCount, *, sort: str, newest: bool) -> list[Shown]:
        """Return every thread that is meant and holds the values: no index of states is kept, so each is read."""
        asked = {**_meant(body), "sort": sort, "newest": newest, "limit": _LOOKED_INTO, "offset": 0}
        rows, total = await self.store.search(who.tenant_id, **asked)
        if total > _LOOKED_INTO:
            raise BadInput(
                f"values are sought in the states of {_LOOKED_INTO} threads at most, and {total} are meant",
                code="values_too_broad",
                hint="Say more of metadata, status or ids.",
            )
        return [one for row in rows if holds((one := await self.shown(who, row))["values"], body.values)]

    async def state(
        self, who: Principal, row: Row, at: CheckpointRef | None = None, *, subgraphs: bool = False
    ) -> Shown:
        """Return a thread's state.

        Raises:
            NotFound: it has no such checkpoint.
        """
        at = at or CheckpointRef()
        found = await self._state(who, row, at, subgraphs=subgraphs)
        if found is None and (at.checkpoint_id or at.checkpoint_ns):
            raise NotFound("the thread has no such checkpoint", code="checkpoint_not_found")
        return found or blank_state(row["thread_id"])

    async def history(self, who: Principal, row: Row, body: bodies.HistoryAsked) -> list[Shown]:
        """Return a thread's checkpoints, newest first."""
        within = body.checkpoint.checkpoint_ns if body.checkpoint else None
        asked: dict[str, Any] = {"limit": body.limit, "before": body.earlier_than, "wanted": body.metadata}
        if row["mission_id"] is not None:
            return [] if within else await self.views.history(who.tenant_id, row["thread_id"], **asked)
        foreign = self.foreign(row)
        return await foreign.history(who, row, namespace=within or "", **asked) if foreign is not None else []

    async def copy(self, who: Principal, row: Row) -> Row:
        """Keep a second thread with the same notes.

        Raises:
            Conflict: the thread is a mission.
        """
        if row["mission_id"] is not None:
            raise Conflict(
                "a mission is not copied",
                code="thread_is_a_mission",
                hint="A run with a checkpoint_id forks it; the fork's effects need an approval of their own.",
            )
        made = await self.create(who, bodies.ThreadCreate(metadata=row["metadata"], config=row["config"]))
        if (foreign := self.foreign(row)) is not None:
            await foreign.copy(who, row, made["thread_id"])
        return await self.row(who, made["thread_id"])
