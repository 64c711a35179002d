"""What replays came to: worked out by the worker as soon as one has ended, and stored with it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import structlog

from adapters.postgres.history import History
from contracts.errors import ColonyError, Conflict
from contracts.ports import Mission
from contracts.stateflow import ENDED
from graph.divergence import Ended, compared
from server.changes import changes_of
from server.intake import Run

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Reports:
    """Compares replays with their originals, each once."""

    history: History

    async def of(self, tenant_id: str, mission_id: str) -> dict[str, Any]:
        """Return the report, made and stored if there is none yet.

        Raises:
            NotFound: there is no such mission for this tenant.
            Conflict: it is no replay, or has not ended.
            IntegrityBroken: what was recorded can't be read.
        """
        if (stored := await self.history.report(tenant_id, mission_id)) is not None:
            return stored
        replay, row = await self.history.mission(tenant_id, mission_id)
        if replay.rehearsal is None:
            raise Conflict("this mission is not a replay", code="not_a_replay")
        if replay.status not in ENDED:
            raise Conflict(f"the replay is {replay.status.value}", code="not_ended", hint="Wait for its end.")
        report = await self._made(replay, row["payload"].get("failure"))
        await self.history.keep_report(tenant_id, mission_id, report)
        return report

    async def _made(self, replay: Mission, failure: dict[str, Any] | None) -> dict[str, Any]:
        if replay.rehearsal is None:
            raise Conflict("this mission is not a replay", code="not_a_replay")
        tenant_id, mission_id, of = replay.tenant_id, replay.mission_id, replay.rehearsal.of
        original, row = await self.history.mission(tenant_id, of)
        was, now = await self.history.tape(tenant_id, of), await self.history.tape(tenant_id, mission_id)
        ends = Ended(original.status, row["payload"].get("failure")), Ended(replay.status, failure)
        begins = await self.history.begins(tenant_id, mission_id)
        found = await asyncio.to_thread(compared, was, now, ends, begins)
        changes = None
        if not found.identical or replay.rehearsal.overrides.any:
            before = await self.history.artifacts(tenant_id, of)
            after = await self.history.artifacts(tenant_id, mission_id)
            changes = await asyncio.to_thread(changes_of, before, after, was, now)
        return {
            **found.report,
            "mission_id": mission_id,
            "of": of,
            "mode": replay.rehearsal.mode,
            "status": {"original": original.status.value, "replay": replay.status.value},
            "failure": failure,
            "overrides": [name for name, given in replay.rehearsal.overrides if given],
            "changes": changes,
            "roles": await self.history.stages(tenant_id, mission_id),
        }


@dataclass(frozen=True)
class Reporting:
    """Satisfies ``Run``: runs a mission and, of a replay that has ended, makes the report: nobody waits for it."""

    run: Run
    reports: Reports

    async def __call__(self, mission_id: str, tenant_id: str, *, alone: bool = False) -> None:
        """Run it until it ends or stops.

        Raises:
            RunsAlone: it must not share a process.
        """
        await self.run(mission_id, tenant_id, alone=alone)
        try:
            if await self.reports.history.is_unreported(tenant_id, mission_id):
                await self.reports.of(tenant_id, mission_id)
        except ColonyError as exc:  # whoever asks for it is told the same
            _log.warning("a replay's report could not be made", mission_id=mission_id, code=exc.code)
