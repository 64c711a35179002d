"""How a mission's past looks to a client: its checkpoints, what changed at each, differences, and the tree of forks."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.postgres.history import History
from adapters.postgres.pasts import Checkpoint, Past
from contracts.clock import SystemClock
from contracts.errors import NotFound
from contracts.ports import Mission
from graph.differences import changed, leaves

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Pasts:
    """Shows missions' pasts."""

    history: History

    async def checkpoints(self, tenant_id: str, mission_id: str, limit: int, before: str | None) -> dict[str, Any]:
        """Return a page of a mission's checkpoints, newest first, with the channels that each changed.

        Raises:
            NotFound: there is no such mission for this tenant.
        """
        mission, _ = await self.history.mission(tenant_id, mission_id)
        async with self.history.connection(tenant_id) as conn:
            past = Past(conn, mission, SystemClock())
            found = await past.page(limit + 1, before)
            shown, more = found[:limit], len(found) > limit
            there = {one.checkpoint_id: one for one in found}
            # A retry goes on from an earlier one, which may stand on another page.
            for name in {one.parent_id for one in shown if one.parent_id} - there.keys():
                there[name] = await past.at(name)
        items = [_item(one, there.get(one.parent_id or "")) for one in shown]
        return {"items": items, "next_cursor": shown[-1].checkpoint_id if more else None}

    async def checkpoint(self, tenant_id: str, mission_id: str, checkpoint_id: str) -> dict[str, Any]:
        """Return a checkpoint with the state at it.

        Raises:
            NotFound: there is no such mission for this tenant, or no such checkpoint.
        """
        mission, _ = await self.history.mission(tenant_id, mission_id)
        async with self.history.connection(tenant_id) as conn:
            past = Past(conn, mission, SystemClock())
            one = await past.at(checkpoint_id)
            parent = await past.at(one.parent_id) if one.parent_id else None
        return {**_item(one, parent), "state": dict(one.values)}

    async def diff(
        self, tenant_id: str, mission_id: str, earlier: str, later: str, other_id: str | None
    ) -> dict[str, Any]:
        """Return what two checkpoints differ in: channels, and the artifacts that only one of them refers to.

        ``other_id`` is the mission of the later one, where it is another's.

        Raises:
            NotFound: there is no such mission for this tenant, or no such checkpoint.
        """
        mission, _ = await self.history.mission(tenant_id, mission_id)
        other = (
            mission if other_id in {None, mission_id} else (await self.history.mission(tenant_id, other_id or ""))[0]
        )
        async with self.history.connection(tenant_id) as conn:
            one = await Past(conn, mission, SystemClock()).at(earlier)
            two = await Past(conn, other, SystemClock()).at(later)
        channels = changed(one.values, two.values, across=other is not mission)
        return {
            "from": {"mission_id": mission.mission_id, "checkpoint_id": earlier},
            "to": {"mission_id": other.mission_id, "checkpoint_id": later},
            "channels": channels,
            "artifacts": await self._artifacts(tenant_id, mission, one, other, two),
        }

    async def _artifacts(
        self, tenant_id: str, mission: Mission, one: Checkpoint, other: Mission, two: Checkpoint
    ) -> list[dict[str, Any]]:
        """Return the artifacts that differ, by kind and task, each with where its content does."""
        before = await self.history.referred(tenant_id, mission.mission_id, one.values)
        after = await self.history.referred(tenant_id, other.mission_id, two.values)
        # An artifact's id is its content's own: what both refer to is the same, and is not read.
        gone, new = ({name for _, name in left} for left in (before - after, after - before))
        was = await self.history.contents(tenant_id, mission.mission_id, gone)
        now = await self.history.contents(tenant_id, other.mission_id, new)
        return await asyncio.to_thread(_differing, was, now)

    async def tree(self, tenant_id: str, mission_id: str) -> dict[str, Any]:
        """Return the mission with everything that comes of the same first one, as a tree.

        Raises:
            NotFound: there is no such mission for this tenant.
        """
        rows = await self.history.rows(tenant_id, "family", mission_id=mission_id)
        if not rows:
            raise NotFound("there is no such mission", code="mission_not_found")
        nodes: dict[str, dict[str, Any]] = {
            row["mission_id"]: {
                "mission_id": row["mission_id"],
                "kind": row["lineage_kind"],
                "checkpoint_id": row["parent_checkpoint_id"],
                "status": row["status"],
                "stage": row["stage"],
                "created_at": row["created_at"].isoformat(),
                "children": [],
            }
            for row in rows
        }
        first = nodes[rows[0]["mission_id"]]
        for row in rows[1:]:
            nodes[row["parent_mission_id"]]["children"].append(nodes[row["mission_id"]])
        return first


def _differing(before: Sequence[Row], after: Sequence[Row]) -> list[dict[str, Any]]:
    named_was, named_now = _by_name(before), _by_name(after)
    found = []
    for name in sorted(named_was.keys() | named_now.keys()):
        was, now = named_was.get(name), named_now.get(name)
        found.append(
            {
                "kind": name[0],
                "task_key": name[1] or None,
                "source": name[2] or None,
                "from": was and {"artifact_id": was["artifact_id"], "sha256": was["sha256"]},
                "to": now and {"artifact_id": now["artifact_id"], "sha256": now["sha256"]},
                "changes": list(leaves(was["payload"], now["payload"])) if was and now else [],
            }
        )
    return found


def _by_name(rows: Sequence[Row]) -> dict[tuple[str, str, str, int], Row]:
    """Return artifacts by what they are about: kind, task, source; several of one name by their place among them."""
    found: dict[tuple[str, str, str, int], Row] = {}
    for row in rows:
        source, start = row["payload"].get("source"), (row["payload"].get("data") or {}).get("start")
        origin = f"{source['entity']} {source['id']}" if isinstance(source, dict) else ""
        origin += f" from {start}" if origin and start is not None else ""
        n = 0
        while (row["kind"], row["task_key"], origin, n) in found:
            n += 1
        found[row["kind"], row["task_key"], origin, n] = row
    return found


def _item(one: Checkpoint, parent: Checkpoint | None) -> dict[str, Any]:
    before = parent.values if parent is not None else {}
    return {
        "checkpoint_id": one.checkpoint_id,
        "parent_id": one.parent_id,
        "step": one.step,
        "stage": parent.next[0] if parent is not None and parent.next else "",
        "next": list(one.next),
        "created_at": one.created_at,
        "changed": sorted(changed(before, one.values)),
    }
