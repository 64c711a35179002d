"""Schedules of developers' own graphs: kept, changed, and run when their time comes round."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import structlog
from croniter import croniter

from adapters.postgres.crons import CronStore
from adapters.postgres.threads import ThreadStore
from contracts.clock import rfc3339
from contracts.errors import BadInput, NotBuilt, NotFound, StoreUnavailable
from graph.snapshots import Shown
from server.principal import Principal
from server.sdk import run_bodies
from server.sdk.extra_assistants import GraphAssistants, graph_assistant
from server.sdk.threads import Row

_log = structlog.get_logger(__name__)
_LOOK_S, _SWEEP_EVERY = 1.0, 60


def next_time(
    schedule: str, timezone: str | None, end_at: datetime | None, now: datetime | None = None
) -> datetime | None:
    """Return when a schedule comes round next; None when that is after its end.

    Raises:
        BadInput: it is no schedule, or there is no such time zone.
    """
    try:
        zone = ZoneInfo(timezone) if timezone else UTC
    except (KeyError, ValueError, OSError) as exc:
        raise BadInput("timezone: there is no such time zone", code="timezone_invalid") from exc
    if len(schedule.split()) != 5 or not croniter.is_valid(schedule):
        raise BadInput("schedule: it has five fields: minute, hour, day, month, weekday", code="schedule_invalid")
    try:
        found: datetime = croniter(schedule, (now or datetime.now(UTC)).astimezone(zone)).get_next(datetime)
    except ValueError:  # a date that never is
        return None
    return None if end_at is not None and found > end_at else found


@dataclass(frozen=True)
class GraphCrons:
    """Keeps the schedules of one deployment's developers."""

    store: CronStore
    assistants: GraphAssistants

    async def make(self, who: Principal, thread_id: str | None, body: run_bodies.CronCreate) -> Shown:
        """Keep a schedule.

        Raises:
            NotBuilt: it is of a mission class.
            BadInput: it can't come round.
        """
        who.needs("mission:submit")
        graph_id = await self.assistants.graph_of(who, body.assistant_id)
        if graph_id is None:
            raise no_crons()
        kept = await self.assistants.kept(who, body.assistant_id)
        named = {
            "cron_id": str(uuid4()),
            "thread_id": thread_id,
            "actor_id": who.actor_id,
            "graph_id": graph_id,
            "assistant_id": kept["assistant_id"] if kept else graph_assistant(graph_id),
            "schedule": body.schedule,
            "timezone": body.timezone,
            "payload": run_bodies.asked_of(body, kept["payload"] if kept else {}),
            "metadata": body.metadata or {},
            "enabled": body.enabled is not False,
            "keep": body.on_run_completed == "keep",
            "end_at": body.end_time,
            "next_at": next_time(body.schedule, body.timezone, body.end_time),
        }
        (row,) = await self.store.rows(who.tenant_id, "keep", **named)
        return _shown(row)

    async def change(self, who: Principal, cron_id: str, body: run_bodies.CronPatch) -> Shown:
        """Change a schedule.

        Raises:
            NotFound: there is none with this id.
            BadInput: it can't come round.
        """
        who.needs("mission:submit")
        row, told = await self._row(who, cron_id), body.model_fields_set
        end_at = body.end_time if "end_time" in told else row["end_at"]
        schedule, timezone = body.schedule or row["schedule"], body.timezone or row["timezone"]
        named = {
            "cron_id": cron_id,
            "schedule": schedule,
            "timezone": timezone,
            "payload": {**row["payload"], **body.run},
            "metadata": row["metadata"] if body.metadata is None else body.metadata,
            "enabled": row["enabled"] if body.enabled is None else body.enabled,
            "keep": row["keep"] if body.on_run_completed is None else body.on_run_completed == "keep",
            "end_at": end_at,
            "next_at": next_time(schedule, timezone, end_at),
        }
        changed = await self.store.rows(who.tenant_id, "change", **named)
        if not changed:
            raise cron_not_found()
        return _shown(changed[0])

    async def forget(self, who: Principal, cron_id: str) -> None:
        """Forget a schedule.

        Raises:
            NotFound: there is none with this id.
        """
        who.needs("mission:submit")
        if not await self.store.rows(who.tenant_id, "forget", cron_id=cron_id):
            raise cron_not_found()

    async def found(self, who: Principal, body: run_bodies.CronSearch) -> tuple[list[Shown], int]:
        """Return a page of schedules, newest first, and how many there are in all."""
        who.needs("mission:read")
        asked = body.assistant_id
        named = {
            "cron_id": None,
            "assistants": None if asked is None else [asked, graph_assistant(asked)],
            "metadata": body.metadata or None,
            **body.model_dump(include={"thread_id", "enabled", "limit", "offset"}),
        }
        rows = await self.store.rows(who.tenant_id, "found", **named)
        return [_shown(row) for row in rows], int(rows[0]["total"]) if rows else 0

    async def _row(self, who: Principal, cron_id: str) -> Row:
        none: dict[str, Any] = dict.fromkeys(("assistants", "thread_id", "enabled", "metadata"))
        rows = await self.store.rows(who.tenant_id, "found", cron_id=cron_id, limit=1, offset=0, **none)
        if not rows:
            raise cron_not_found()
        return rows[0]


@dataclass(frozen=True)
class Timekeeper:
    """One process's eye on the clock: runs what has come round, and forgets what was kept for a while only."""

    store: CronStore
    threads: ThreadStore
    graphs: Mapping[str, Any]

    async def watch(self) -> None:
        """Look until cancelled."""
        looked = 0
        while True:
            try:
                await self.look()
                if looked % _SWEEP_EVERY == 0:
                    await self.threads.unkept()
            except StoreUnavailable:
                _log.info("nobody looks at the clock: the store is away")
            looked += 1
            await asyncio.sleep(_LOOK_S)

    async def look(self) -> None:
        """Begin the runs whose time has come; a time that was missed comes round once."""
        for cron_id, tenant_id in await self.store.due(list(self.graphs)):
            if (cron := await self.store.at(tenant_id, cron_id)) is not None:
                await self.store.fire(cron, next_time(cron["schedule"], cron["timezone"], cron["end_at"]))


def cron_not_found() -> NotFound:
    """Return the error for a schedule that is not there."""
    return NotFound("there is no such cron", code="cron_not_found")


def no_crons() -> NotBuilt:
    """Return the error for a schedule of missions."""
    return NotBuilt(
        "missions are not run by the clock here",
        code="crons_unsupported",
        hint="Begin runs from a scheduler of your own; an Idempotency-Key on POST /runs makes its repeats safe.",
    )


def _shown(row: Row) -> Shown:
    return {
        **{name: row[name] for name in ("cron_id", "assistant_id", "thread_id", "schedule", "timezone", "enabled")},
        "on_run_completed": None if row["thread_id"] else ("keep" if row["keep"] else "delete"),
        "payload": {**row["payload"], "assistant_id": row["assistant_id"], "schedule": row["schedule"]},
        "user_id": row["actor_id"],
        "metadata": {**row["metadata"], "governed": False},
        "end_time": rfc3339(row["end_at"]) if row["end_at"] else None,
        "next_run_date": rfc3339(row["next_at"]) if row["next_at"] else None,
        "created_at": rfc3339(row["created_at"]),
        "updated_at": rfc3339(row["updated_at"]),
    }
