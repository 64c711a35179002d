"""A mission's past as a fork needs it: its checkpoints, what they refer to, and what was recorded until then."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointMetadata, CheckpointTuple
from langgraph.checkpoint.base.id import uuid6

from adapters.postgres.ledger import RunLedger
from adapters.postgres.saver import StepSaver
from adapters.postgres.sealed_checkpoints import TenantSerializer
from adapters.postgres.unit import Connection
from contracts.errors import IntegrityBroken, NotFound
from contracts.events import NewEvent
from contracts.ports import Clock, Mission

_BRANCH = "branch:to:"
_START = "__start__"
_CHECKPOINT_ID = re.compile(r"[0-9A-Za-z-]{1,64}")


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint, with the stages that come next and the values of the state's channels."""

    checkpoint_id: str
    parent_id: str | None
    step: int
    created_at: str
    next: tuple[str, ...]
    values: Mapping[str, Any]
    versions: Mapping[str, Any]
    found: CheckpointTuple


def checkpoint_of(found: CheckpointTuple) -> Checkpoint:
    """Read what the checkpointer returns."""
    held = found.checkpoint["channel_values"]
    following = [name.removeprefix(_BRANCH) for name in held if name.startswith(_BRANCH)]
    parent = found.parent_config["configurable"]["checkpoint_id"] if found.parent_config else None
    return Checkpoint(
        checkpoint_id=found.checkpoint["id"],
        parent_id=parent,
        step=int(found.metadata.get("step", -1)),
        created_at=found.checkpoint["ts"],
        next=tuple(sorted(following) or ([_START] if _START in held else [])),
        values={k: v for k, v in held.items() if not k.startswith((_BRANCH, "__"))},
        versions=found.checkpoint["channel_versions"],
        found=found,
    )


class Past:
    """One mission's past, over a connection that is stamped with its tenant."""

    def __init__(self, conn: Connection, mission: Mission, clock: Clock) -> None:
        self.ledger = RunLedger(conn, mission, clock)
        self._saver = saver_on(conn, mission.tenant_id)
        self._mission = mission

    async def at(self, checkpoint_id: str | None) -> Checkpoint:
        """Return a checkpoint; the newest if none is named.

        Raises:
            NotFound: there is no such checkpoint of this mission.
        """
        named = checkpoint_id is None or _CHECKPOINT_ID.fullmatch(checkpoint_id)
        found = await self._saver.aget_tuple(config_of(self._mission.mission_id, checkpoint_id)) if named else None
        if found is None:
            raise NotFound("the mission has no such checkpoint", code="checkpoint_not_found")
        return checkpoint_of(found)

    async def before(self, checkpoint: Checkpoint, wanted: Callable[[Checkpoint], bool]) -> Checkpoint:
        """Return the checkpoint, or the nearest before it that is wanted.

        Raises:
            NotFound: there is none.
        """
        while not wanted(checkpoint):
            if checkpoint.parent_id is None:
                raise NotFound("the mission has no checkpoint that this could begin at", code="checkpoint_not_found")
            checkpoint = await self.at(checkpoint.parent_id)
        return checkpoint

    async def page(self, limit: int, before: str | None = None) -> list[Checkpoint]:
        """Return checkpoints, newest first; ``before`` is the last of the page before."""
        named = config_of(self._mission.mission_id)
        until = config_of(self._mission.mission_id, before) if before else None
        return [checkpoint_of(one) async for one in self._saver.alist(named, before=until, limit=limit)]


def saver_on(conn: Connection, tenant_id: str) -> StepSaver:
    """Return the checkpointer over a connection that is stamped with a tenant."""
    return StepSaver(conn, serde=TenantSerializer(conn.vault, tenant_id))


def config_of(mission_id: str, checkpoint_id: str | None = None) -> RunnableConfig:
    """Name a mission's thread, or one checkpoint of it."""
    named = {"thread_id": mission_id, "checkpoint_ns": ""}
    return {"configurable": named | ({"checkpoint_id": checkpoint_id} if checkpoint_id else {})}


async def plant(conn: Connection, tenant_id: str, mission_id: str, was: Checkpoint, values: Mapping[str, Any]) -> None:
    """Begin a thread with a checkpoint of another, under a new id and with other values; what waited there does not.

    The checkpoint's id is part of the ids of what the graph asks: an answer to the original is none to the fork.
    """
    checkpoint = was.found.checkpoint
    versions = dict(checkpoint["channel_versions"])
    newest = max(versions.values())
    added = {name: newest for name in values if name not in versions}
    planted = checkpoint | {
        "id": str(uuid6()),
        "ts": datetime.now(UTC).isoformat(),
        "channel_values": {**checkpoint["channel_values"], **values},
        "channel_versions": {**versions, **added},
    }
    metadata: dict[str, Any] = {"source": "fork", "step": was.step, "parents": {}}
    await saver_on(conn, tenant_id).aput(
        config_of(mission_id),
        cast("Any", planted),
        cast("CheckpointMetadata", metadata),
        planted["channel_versions"],
    )


def recorded_events(rows: Sequence[Mapping[str, Any]], stage: str, revision: int) -> list[NewEvent]:
    """Return what was recorded before a stage was entered, for the so manieth time that the plan's revision says.

    Raises:
        IntegrityBroken: an event can't be read.
    """
    events: list[NewEvent] = []
    entered: list[int] = []
    for row in rows:
        try:
            body = json.loads(bytes(row["content"]))
            event = NewEvent.model_validate({name: body[name] for name in NewEvent.model_fields})
        except (ValueError, KeyError) as exc:
            raise IntegrityBroken("a stored event can't be read") from exc
        if event.event_type == "stage.entered" and event.payload.get("stage") == stage:
            entered.append(len(events))
        events.append(event)
    if not entered:
        return events
    return events[: entered[min(revision, len(entered)) - 1]]
