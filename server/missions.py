"""What can be done with missions, whatever surface asks: submit, answer, cancel, retry, fail."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from adapters.postgres.missions import MissionStore, Pending, Submission, Submitted, Takeover
from contracts.base import InterruptId, Value
from contracts.canonical import digest
from contracts.classes import checked
from contracts.decisions import ProposalAnswer, Verdict
from contracts.errors import BadInput, Conflict, Unavailable
from contracts.events import EventType, NewEvent
from contracts.mission import MissionRequest
from contracts.stateflow import ENDED, Status
from graph import approvals
from graph.context import Governance
from graph.gate import requested
from graph.version import GRAPH_VERSION
from policies.questions import Approver
from server.principal import Principal
from server.settings import Settings


class ApprovalAnswer(Value):
    """The body of an approval."""

    interrupt_id: str | None = Field(default=None, max_length=200)
    decisions: tuple[ProposalAnswer, ...] | None = Field(default=None, max_length=100)
    reason: str | None = Field(default=None, max_length=2_000)


class Reason(Value):
    """The body of a command on a mission."""

    reason: str | None = Field(default=None, max_length=2_000)


@dataclass(frozen=True)
class MissionService:
    """The one service layer over the store: REST, the command line and the SDK's routes all come through here."""

    store: MissionStore
    governance: Governance
    settings: Settings

    async def submit(self, who: Principal, request: MissionRequest, key: str | None, trace_id: str) -> Submitted:
        """Accept a mission: its row, first event and job are committed together.

        Raises:
            BadInput: the class can't use the request, or the key was used for another one.
            Unavailable: this deployment is switched off.
        """
        who.needs("mission:submit")
        if not self.settings.enabled:
            raise Unavailable("no missions are accepted here", code="disabled", hint="COLONY_ENABLED is false.")
        request = checked(request)
        submitted = await self.store.submit(self._submission(who, request, key, trace_id))
        if not submitted.same_request:
            raise BadInput("this Idempotency-Key was used for another request", code="idempotency_key_reused")
        return submitted

    def _submission(self, who: Principal, request: MissionRequest, key: str | None, trace_id: str) -> Submission:
        time_budget = request.time_budget_ms or self.settings.default_time_budget_ms
        return Submission(
            mission_id=f"msn_{secrets.token_hex(16)}",
            tenant_id=who.tenant_id,
            actor_id=who.actor_id,
            request=request,
            request_sha256=digest(request.model_dump(mode="json")),
            trace_id=trace_id,
            graph_version=GRAPH_VERSION,
            token_budget=request.token_budget or self.settings.default_token_budget,
            time_budget_ms=min(time_budget, self.settings.mission_timeout_ms),
            approval_timeout_ms=self.settings.approval_timeout_ms,
            idempotency_key=key,
        )

    async def approve(self, who: Principal, mission_id: str, answer: ApprovalAnswer) -> None:
        """Store a person's decision and enqueue the mission, in one transaction.

        Raises:
            BadInput: the answer names no pending proposal, or says nothing where it must.
            Conflict: the mission does not wait, was answered already, or waits with another payload.
            Denied: policy does not let this person approve this.
        """
        who.needs("mission:approve")
        async with self.store.take(who.tenant_id, mission_id, who.actor_id) as taken:
            pending = _pending(taken, answer.interrupt_id)
            answers = self._answers(answer, pending)
            await self._decide(who, taken, pending, answers, answer.reason)

    def _answers(self, answer: ApprovalAnswer, pending: Pending) -> tuple[ProposalAnswer, ...]:
        if answer.decisions is not None and answer.interrupt_id is not None:
            return answer.decisions
        if not self.settings.deployment_mode.trusts_loopback:
            raise BadInput(
                "interrupt_id and decisions are required", code="answer_incomplete", hint="Read pending_approval first."
            )
        return answer.decisions or approvals.everything(pending.request, Verdict.APPROVE)

    async def reject(self, who: Principal, mission_id: str, reason: str | None) -> None:
        """Turn everything down; the mission ends as rejected.

        Raises:
            Conflict: the mission does not wait.
        """
        who.needs("mission:approve")
        async with self.store.take(who.tenant_id, mission_id, who.actor_id) as taken:
            pending = _pending(taken, None)
            answers = approvals.everything(pending.request, Verdict.REJECT)
            await self._decide(who, taken, pending, answers, reason, turned_down=True)

    async def _decide(
        self,
        who: Principal,
        taken: Takeover,
        pending: Pending,
        answers: Sequence[ProposalAnswer],
        reason: str | None,
        *,
        turned_down: bool = False,
    ) -> None:
        envelope = taken.mission.envelope
        if envelope is None:
            raise Conflict("the mission was not admitted", code="not_admitted")
        person = Approver(who.actor_id, who.tenant_id, who.capabilities)
        answered = approvals.decide(
            pending.request, pending.interrupt_id, answers, person, envelope, self.governance, reason=reason
        )
        decision = answered.decision
        if turned_down:
            decision = decision.model_copy(update={"verdict": "rejected"})
        await taken.unit.put(0, answered.policy)
        await taken.unit.decide(decision)
        await taken.unit.move(Status.RUNNING)
        payload = {
            "interrupt_id": pending.interrupt_id,
            "verdict": decision.verdict,
            "granted": [p.proposal_id for p in decision.granted],
            "decision_sha256": decision.sha256(),
            "decisions": [{"id": d.decision_id, "sha256": d.sha256()} for d in answered.policy],
        }
        taken.unit.record(
            NewEvent(event_type=EventType.APPROVAL_DECIDED, payload=payload, actor=who.actor_id, intent="answer")
        )
        await self.store.resume(taken)

    async def expire(self, tenant_id: str, mission_id: str, interrupt_id: str) -> None:
        """End a mission whose approval was not answered in time.

        Raises:
            Conflict: it was answered in the meantime.
        """
        async with self.store.take(tenant_id, mission_id, "colony") as taken:
            _pending(taken, interrupt_id)
            await _end(taken, Status.EXPIRED, "approval_expired", "nobody answered before the deadline")

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
            asked = await taken.unit.reopen_approval(taken.mission.approval_timeout_ms)
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


def _pending(taken: Takeover, interrupt_id: str | None) -> Pending:
    if taken.mission.status is not Status.AWAITING_APPROVAL or taken.pending is None:
        raise Conflict(
            f"the mission does not wait for an approval, it is {taken.mission.status.value}", code="not_pending"
        )
    if interrupt_id is not None and taken.pending.interrupt_id != InterruptId(interrupt_id):
        raise Conflict("this is not the approval that the mission waits for", code="already_decided")
    return taken.pending
