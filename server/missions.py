"""What can be done with missions, whatever surface asks: submit, answer, cancel, retry, fail."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import Field

from adapters.postgres.delegations import DelegationStore
from adapters.postgres.history import History
from adapters.postgres.missions import MissionStore, Takeover
from adapters.postgres.rulesets import RuleSetStore
from adapters.postgres.submissions import Submission, Submitted
from adapters.prompts.registry import TemplateRegistry
from contracts.base import Value
from contracts.canonical import digest
from contracts.classes import checked
from contracts.errors import Conflict, Unavailable
from contracts.events import EventType, NewEvent
from contracts.mission import MissionRequest
from contracts.stateflow import ENDED, Status
from graph.context import Governance
from graph.gate import requested
from graph.version import GRAPH_VERSION
from server.answering import Answering, ApprovalAnswer, escalated, waiting
from server.forking import Forking
from server.lineages import Lineages
from server.pasts import Pasts
from server.principal import Principal
from server.settings import Settings


class Reason(Value):
    """The body of a command on a mission."""

    reason: str | None = Field(default=None, max_length=2_000)


@dataclass(frozen=True)
class MissionService:
    """The one service layer over the store: REST, the command line and the SDK's routes all come through here."""

    store: MissionStore
    governance: Governance
    settings: Settings
    delegations: DelegationStore
    rules: RuleSetStore
    history: History
    graph_version: str = GRAPH_VERSION

    async def submit(
        self, who: Principal, request: MissionRequest, key: str | None, trace_id: str, mission_id: str | None = None
    ) -> Submitted:
        """Accept a mission: its row, first event and job are committed together, under ``mission_id`` or a new id.

        Raises:
            BadInput: the class can't use the request, or the key was used for another one.
            Conflict: there is a mission with this id.
            Unavailable: this deployment is switched off.
        """
        who.needs("mission:submit")
        if not self.settings.enabled:
            raise Unavailable("no missions are accepted here", code="disabled", hint="COLONY_ENABLED is false.")
        request = checked(request)
        submission = self._submission(who, request, key, trace_id)
        if mission_id is not None:
            submission = replace(submission, mission_id=mission_id)
        return await self.store.submit(submission)

    def _submission(self, who: Principal, request: MissionRequest, key: str | None, trace_id: str) -> Submission:
        time_budget = request.time_budget_ms or self.settings.default_time_budget_ms
        return Submission(
            mission_id=f"msn_{secrets.token_hex(16)}",
            tenant_id=who.tenant_id,
            actor_id=who.actor_id,
            request=request,
            request_sha256=digest(request.model_dump(mode="json")),
            trace_id=trace_id,
            graph_version=self.graph_version,
            token_budget=request.token_budget or self.settings.default_token_budget,
            time_budget_ms=min(time_budget, self.settings.mission_timeout_ms),
            approval_timeout_ms=self.settings.approval_timeout_ms,
            approval_escalate_ms=self.settings.escalate_after_ms,
            idempotency_key=key,
        )

    @property
    def lineages(self) -> Lineages:
        """Whoever makes missions of missions."""
        forking = Forking(self.store, self.history, self.rules, self.governance)
        return Lineages(self.store, self.history, forking, TemplateRegistry, self.settings.enabled)

    @property
    def pasts(self) -> Pasts:
        """Whoever shows what was."""
        return Pasts(self.history)

    @property
    def answering(self) -> Answering:
        """Whoever takes people's answers."""
        return Answering(self.store, self.governance, self.settings, self.delegations, self.rules)

    async def approve(self, who: Principal, mission_id: str, answer: ApprovalAnswer) -> Status:
        """Take a person's answer; see ``Answering.approve``."""
        return await self.answering.approve(who, mission_id, answer)

    async def reject(self, who: Principal, mission_id: str, reason: str | None) -> Status:
        """Turn everything down; the mission ends as rejected."""
        return await self.answering.reject(who, mission_id, reason)

    async def expire(self, tenant_id: str, mission_id: str, interrupt_id: str) -> None:
        """End a mission whose approval was not answered in time.

        Raises:
            Conflict: it was answered in the meantime.
        """
        async with self.store.take(tenant_id, mission_id, "colony") as taken:
            waiting(taken, interrupt_id)
            await _end(taken, Status.EXPIRED, "approval_expired", "nobody answered before the deadline")

    async def escalate(self, tenant_id: str, mission_id: str, interrupt_id: str) -> None:
        """Bring a question that waits up again, once, with an event; whom the rules then let answer may.

        Raises:
            Conflict: it was answered in the meantime.
        """
        async with self.store.take(tenant_id, mission_id, "colony") as taken:
            pending = waiting(taken, interrupt_id)
            if await taken.escalate(interrupt_id):
                taken.unit.record(escalated(pending))

    async def cancel(self, who: Principal, mission_id: str, reason: str | None) -> None:
        """Stop a mission that has not ended and has written nothing; a worker that runs it is evicted.

        What a person approved is written whole or not at all: once the first write is on its way, it is too late.

        Raises:
            Conflict: it has ended, or has begun to write.
        """
        await self._stop(who, mission_id, Status.CANCELLED, "cancelled", reason or "cancelled by an operator")

    async def fail(self, who: Principal, mission_id: str, reason: str | None) -> None:
        """Give a mission up, even while it writes: what is on its way then has an unknown outcome.

        Raises:
            Conflict: it has ended.
        """
        await self._stop(who, mission_id, Status.FAILED, "failed_by_operator", reason or "failed by an operator")

    async def _stop(self, who: Principal, mission_id: str, status: Ending, code: str, reason: str) -> None:
        who.needs("mission:operate")
        async with self.store.take(who.tenant_id, mission_id, who.actor_id) as taken:
            if taken.mission.status in ENDED:
                raise Conflict(f"the mission is {taken.mission.status.value}", code="already_ended")
            if status is Status.CANCELLED and await self.store.writing(taken):
                raise Conflict(
                    "the mission has begun to write what was approved",
                    code="writing",
                    hint="Let it end. `colony missions fail` gives it up where it is; a retry then goes on from there.",
                )
            await _end(taken, status, code, reason)

    async def retry(self, who: Principal, mission_id: str, reason: str | None) -> None:
        """Let a failed or expired mission go on: finished work is kept, the failed stage is run again.

        Raises:
            Conflict: it is neither failed nor expired.
        """
        who.needs("mission:operate")
        async with self.store.take(who.tenant_id, mission_id, who.actor_id) as taken:
            if taken.mission.status not in {Status.FAILED, Status.EXPIRED}:
                raise Conflict(f"the mission is {taken.mission.status.value}, not failed or expired", code="not_failed")
            payload = {"reason": reason or ""}
            taken.unit.record(NewEvent(event_type=EventType.MISSION_RETRIED, payload=payload, actor=who.actor_id))
            await taken.unit.move(Status.RUNNING)
            asked = await taken.unit.reopen_approval(
                taken.mission.approval_timeout_ms, taken.mission.approval_escalate_ms
            )
            if asked is None or taken.mission.envelope is None:
                await self.store.resume(taken)
                return
            # Whoever hears of the question may answer it: the mission waits again from this moment on.
            interrupt_id, request, expires_at = asked
            taken.unit.record(requested(interrupt_id, request, taken.mission.envelope, expires_at))
            await taken.unit.move(Status.AWAITING_APPROVAL)


Ending = Literal[Status.CANCELLED, Status.EXPIRED, Status.FAILED]
_EVENTS: dict[Status, EventType] = {
    Status.CANCELLED: EventType.MISSION_CANCELLED,
    Status.EXPIRED: EventType.MISSION_EXPIRED,
    Status.FAILED: EventType.MISSION_FAILED,
}


async def _end(taken: Takeover, status: Ending, code: str, reason: str) -> None:
    outcome: dict[str, Any] = {"code": code, "reason": reason, "stage": taken.mission.stage.value, "hint": ""}
    taken.unit.record(
        NewEvent(
            event_type=_EVENTS[status], payload={**outcome, "status": status.value}, actor=taken.unit.holder.actor_id
        )
    )
    await taken.unit.move(status, failure=outcome)
