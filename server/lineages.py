"""Missions that come of others, whatever surface asks: replays of what was recorded, and forks."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from adapters.postgres.history import History
from adapters.postgres.missions import MissionStore
from adapters.postgres.submissions import Submission
from contracts.base import Value
from contracts.canonical import digest
from contracts.errors import Conflict, Unavailable
from contracts.lineage import NAMED, Kinship, Lineage, Overrides, Rehearsal
from contracts.ports import Mission, TemplatePort
from contracts.stateflow import RUNNABLE
from graph.overrides import check_usable
from graph.version import GRAPH_VERSION
from server.forking import Forking, as_conflicts
from server.principal import Principal
from server.reports import Reports


class ForkRequest(Value):
    """The body of a fork: where it begins, why, and what it has otherwise, by channel."""

    checkpoint_id: str = Field(min_length=1, max_length=200)
    reason: str = Field(min_length=1, max_length=2_000)
    updates: dict[str, Any] = Field(default_factory=dict, max_length=10, json_schema_extra=NAMED)


class ReplayRequest(Value):
    """The body of a replay."""

    checkpoint_id: str | None = Field(default=None, max_length=200)
    mode: Literal["recorded", "live"] = "recorded"
    on_missing: Literal["report", "live"] = "report"
    overrides: Overrides = Overrides()


@dataclass(frozen=True)
class Lineages:
    """Makes missions of missions."""

    store: MissionStore
    history: History
    forking: Forking
    templates: Callable[[], TemplatePort]
    enabled: bool = True

    async def replay(
        self, who: Principal, mission_id: str, asked: ReplayRequest, trace_id: str, key: str | None = None
    ) -> str:
        """Run a mission again as a new one, without effects; returns the new one's id.

        It is its original's actor's, so that policy is asked the same, and says who asked for it. The same ``key`` (an
        idempotency key) and request give the same one.

        Raises:
            NotFound: there is no such mission for this tenant.
            Conflict: nothing is recorded of it, it has no such checkpoint, it still runs, it is a replay itself, it
                would begin within another version of the graph, the overrides do not fit it or this deployment, or
                other rules were to be asked live under.
            Unavailable: this deployment is switched off.
            BadInput: what is edited may not be, or the key was used for something else.
            Forbidden: the caller may not operate missions.
        """
        who.needs("mission:operate")
        self._open()
        parent, row = await self.history.mission(who.tenant_id, mission_id)
        keyed = digest([Kinship.REPLAY, mission_id, asked.model_dump(mode="json")])
        if key is not None and (earlier := await self.store.under_key(who.tenant_id, key, keyed)) is not None:
            return earlier
        if row["lineage_kind"] == Kinship.REPLAY:
            raise Conflict("a replay is not replayed", code="is_a_replay", hint="Replay its original.")
        if parent.status in RUNNABLE:
            raise Conflict(f"the mission is {parent.status.value}", code="still_running", hint="Wait until it rests.")
        if not await self.history.is_taped(who.tenant_id, mission_id):
            raise Conflict("nothing is recorded of this mission", code="not_recorded", hint=_NOT_RECORDED)
        if asked.overrides.rules and "live" in {asked.mode, asked.on_missing}:
            # What is asked live is asked for real: nobody brings the rules that let it.
            raise Conflict("other rules are tried on the tape alone, with nothing asked live", code="rules_need_tape")
        law = self.forking.governance
        # Other rules are parsed for it, which takes a while.
        with as_conflicts():
            await asyncio.to_thread(check_usable, asked.overrides, law.engine, self.templates, list(law.tiers))
        rehearsal = Rehearsal(of=parent.mission_id, asked_by=who.actor_id, **dict(asked))
        lineage = Lineage(Kinship.REPLAY, mission_id, asked.checkpoint_id, "", who.actor_id, rehearsal)
        child = _derived(parent, parent.actor_id, trace_id, lineage, key, keyed)
        at = asked.checkpoint_id
        if at is None and row["lineage_kind"] == Kinship.FORK:
            at = await self.forking.first(parent)
        edits = asked.overrides.artifacts
        begins = at is not None or bool(edits)
        if begins and parent.graph_version != GRAPH_VERSION:
            raise Conflict("the mission is of another version of the graph", code="other_graph_version")
        start = await self.forking.start(parent, child, at, edits, who.actor_id) if begins else None
        return await self.forking.begin(parent, child, start)

    def _open(self) -> None:
        if not self.enabled:
            raise Unavailable("no missions are accepted here", code="disabled", hint="COLONY_ENABLED is false.")

    async def fork(
        self,
        who: Principal,
        mission_id: str,
        checkpoint_id: str | None,
        updates: Mapping[str, Any],
        reason: str,
        trace_id: str,
        key: str | None = None,
    ) -> str:
        """Let a new mission go on from a checkpoint, edited or not; returns its id. The original stays as it is.

        It never begins behind the release gate: from a checkpoint after it the gate is asked again, and what it would
        write needs approvals of its own. Without a checkpoint the newest one is meant. The same ``key`` (an idempotency
        key) and request give the same fork.

        Raises:
            NotFound: there is no such mission for this tenant.
            BadInput: what is updated may not be, or the key was used otherwise.
            Conflict: it has no such checkpoint, an update is not what its channel holds, or it is a replay, or of
                another version of the graph.
            Denied: a policy in force does not let on what is inherited.
            Forbidden: the caller may not operate missions.
        """
        who.needs("mission:operate")
        self._open()
        parent, row = await self.history.mission(who.tenant_id, mission_id)
        keyed = digest([Kinship.FORK, mission_id, checkpoint_id, dict(updates), reason])
        if key is not None and (earlier := await self.store.under_key(who.tenant_id, key, keyed)) is not None:
            return earlier
        if row["lineage_kind"] == Kinship.REPLAY:
            raise Conflict("a replay is not forked", code="is_a_replay", hint="Fork its original.")
        if parent.graph_version != GRAPH_VERSION:
            raise Conflict("the mission is of another version of the graph", code="other_graph_version")
        lineage = Lineage(Kinship.FORK, mission_id, checkpoint_id, reason, who.actor_id)
        child = _derived(parent, who.actor_id, trace_id, lineage, key, keyed)
        start = await self.forking.start(parent, child, checkpoint_id, updates, who.actor_id)
        return await self.forking.begin(parent, child, start)

    async def report(self, who: Principal, mission_id: str) -> dict[str, Any]:
        """Return what a replay came to; see ``Reports.of``.

        Raises:
            NotFound: there is no such mission for this tenant.
            Conflict: it is no replay, or has not ended.
        """
        who.needs("mission:read")
        return await Reports(self.history).of(who.tenant_id, mission_id)


_NOT_RECORDED = "It ran before recordings were kept, or was pruned."


def _derived(
    parent: Mission, actor_id: str, trace_id: str, lineage: Lineage, key: str | None, keyed: str
) -> Submission:
    return Submission(
        mission_id=f"msn_{secrets.token_hex(16)}",
        tenant_id=parent.tenant_id,
        actor_id=actor_id,
        request=parent.request,
        request_sha256=digest(parent.request.model_dump(mode="json")),
        trace_id=trace_id,
        graph_version=GRAPH_VERSION,
        token_budget=parent.token_budget,
        time_budget_ms=parent.time_budget_ms,
        approval_timeout_ms=parent.approval_timeout_ms,
        approval_escalate_ms=parent.approval_escalate_ms,
        lineage=lineage,
        idempotency_key=key,
        asked_sha256=keyed,
    )
