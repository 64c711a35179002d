"""People's answers at the release gate, whatever surface they come from: taken, or refused with an event."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import structlog
from pydantic import Field

from adapters.postgres.delegations import DelegationStore
from adapters.postgres.missions import MissionStore, Pending, Takeover
from adapters.postgres.rulesets import RuleSetStore
from contracts.base import ActorId, InterruptId, Value
from contracts.clock import rfc3339
from contracts.decisions import PolicyDecision, ProposalAnswer, Verdict
from contracts.errors import BadInput, ColonyError, Conflict, Denied, FenceLost, Forbidden, NotFound, StoreUnavailable
from contracts.events import EventType, NewEvent
from contracts.stateflow import Status
from graph import approvals
from graph.approvals import Answered, Asked, Refused
from graph.context import Governance
from graph.inforce import Remembering, active_in, in_force
from graph.standing import standings
from policies.constitution import beyond
from policies.engine import Decided
from policies.questions import Approver
from server.principal import Principal
from server.settings import Settings

MOST_REFUSALS = 20
"""A mission's chain records so many refused answers, and each kind of one once."""
_CAPABILITY = "mission:approve"
_log = structlog.get_logger(__name__)


class ApprovalAnswer(Value):
    """The body of an approval."""

    interrupt_id: str | None = Field(default=None, max_length=200)
    decisions: tuple[ProposalAnswer, ...] | None = Field(default=None, max_length=100)
    reason: str | None = Field(default=None, max_length=2_000)


@dataclass(frozen=True)
class Answering:
    """Takes answers. One by the last person who is needed decides; one before that is stored, and the mission waits."""

    store: MissionStore
    governance: Governance
    settings: Settings
    delegations: DelegationStore
    rules: RuleSetStore

    async def entitle(self, who: Principal, mission_id: str) -> None:
        """Go on only with whose right it is to answer, or to whom somebody lends theirs.

        Raises:
            Forbidden: it is neither; the attempt is recorded.
        """
        if _CAPABILITY in who.capabilities or await self.delegations.lends_to(who.tenant_id, who.actor_id, who.roles):
            return
        try:
            who.needs(_CAPABILITY)
        except Forbidden as exc:
            with suppress(NotFound):
                await self._note(who, mission_id, "", exc)
            raise

    async def approve(self, who: Principal, mission_id: str, answer: ApprovalAnswer) -> Status:
        """Store a person's answer; if nobody else is needed, decide and enqueue the mission, in one transaction.

        Returns the status that the mission then has: running, or still waiting for somebody else.

        Raises:
            BadInput: the answer names no pending proposal, or says nothing where it must.
            Conflict: the mission does not wait, was answered already, or waits with another payload.
            Denied: policy does not let this person approve this.
            ConstitutionUnverified: no constitution that holds is in force; the question stays open.
            Forbidden: the person may not answer here, nor has anybody delegated it to them.
        """
        async with self._taken(who, mission_id, answer.interrupt_id) as taken:
            delegators = await _entitled(who, taken)
            asked = _asked(taken, answer.interrupt_id)
            answers = self._answers(answer, asked)
            return await self._take(_person(who, delegators, asked), taken, asked, answers, answer.reason)

    async def reject(
        self, who: Principal, mission_id: str, reason: str | None, *, interrupt_id: str | None = None
    ) -> Status:
        """Turn everything down, whatever others have said; the mission ends as rejected.

        Raises:
            Conflict: the mission does not wait, or not with this interrupt.
            Forbidden: the person may not answer here, nor has anybody delegated it to them.
        """
        async with self._taken(who, mission_id, interrupt_id) as taken:
            delegators = await _entitled(who, taken)
            asked = _asked(taken, interrupt_id)
            answers = approvals.everything(asked, Verdict.REJECT)
            person = _person(who, delegators, asked)
            return await self._take(person, taken, asked, answers, reason, turned_down=True)

    def _answers(self, answer: ApprovalAnswer, asked: Asked) -> tuple[ProposalAnswer, ...]:
        if answer.decisions is not None and answer.interrupt_id is not None:
            return answer.decisions
        if not self.settings.deployment_mode.trusts_loopback:
            raise BadInput(
                "interrupt_id and decisions are required", code="answer_incomplete", hint="Read pending_approval first."
            )
        return answer.decisions or approvals.everything(asked, Verdict.APPROVE)

    async def _take(
        self,
        person: Approver,
        taken: Takeover,
        asked: Asked,
        answers: Sequence[ProposalAnswer],
        reason: str | None,
        *,
        turned_down: bool = False,
    ) -> Status:
        # No rule is asked about turning everything down: that can always be done.
        law = None if turned_down else await self.governance.guard.now(await taken.constitution())
        stored = await taken.decided()
        ask = Remembering(await active_in(self.governance, taken), law, _remembered(stored))
        answered = approvals.decide(
            asked, answers, person, self.governance, ask, reason=reason, turned_down=turned_down
        )
        known = {d.decision_id for d in stored}
        await taken.unit.put(0, [d for d in answered.policy if d.decision_id not in known])
        await taken.give(answered.answer)
        if answered.decision is None:
            taken.unit.record(_given(asked, answered))
            return Status.AWAITING_APPROVAL
        await taken.unit.decide(answered.decision)
        await taken.unit.move(Status.RUNNING)
        taken.unit.record(_decided(answered))
        await self.store.resume(taken, although_halted=turned_down)
        return Status.RUNNING

    @asynccontextmanager
    async def _taken(self, who: Principal, mission_id: str, interrupt_id: str | None) -> AsyncIterator[Takeover]:
        """Take the mission over; an answer that is refused within leaves nothing but an event."""
        # What decides is read again within; its text is kept beforehand, also for an answer that is refused.
        await in_force(self.governance, self.rules.of(who.tenant_id), who.tenant_id)
        try:
            async with self.store.take(who.tenant_id, mission_id, who.actor_id) as taken:
                yield taken
        except FenceLost:
            raise
        except (Conflict, Denied, Forbidden) as exc:
            await self._note(who, mission_id, interrupt_id or "", exc)
            raise

    async def _note(self, who: Principal, mission_id: str, interrupt_id: str, refusal: ColonyError) -> None:
        """Record who was refused and why: each kind of refusal once, for a flood of them must not grow the chain."""
        try:
            await self._record(who, mission_id, interrupt_id, refusal)
        except StoreUnavailable as away:
            _log.warning("a refused answer could not be recorded", mission_id=mission_id, code=away.code)

    async def _record(self, who: Principal, mission_id: str, interrupt_id: str, refusal: ColonyError) -> None:
        decision = refusal.decision if isinstance(refusal, Refused) else None
        rules = list(decision.rules) if decision else []
        async with self.store.beside(who.tenant_id, mission_id, who.actor_id) as beside:
            noted = await beside.refusals()
            # What a caller merely claims to answer is no name of ours.
            about = interrupt_id if interrupt_id and await beside.was_asked(interrupt_id) else ""
            kind = {"interrupt_id": about, "actor_id": who.actor_id, "code": refusal.code, "rules": rules}
            if len(noted) >= MOST_REFUSALS or kind in noted:
                return
            payload: dict[str, Any] = {key: kind[key] for key in ("interrupt_id", "code", "rules")}
            payload |= {"reason": refusal.message, "stage": beside.mission.stage.value}
            if decision is not None:
                await beside.unit.put(0, (decision,))
                payload["decisions"] = [{"id": decision.decision_id, "sha256": decision.sha256()}]
            beside.unit.record(
                NewEvent(event_type=EventType.APPROVAL_REFUSED, payload=payload, actor=who.actor_id, intent="answer")
            )


def waiting(taken: Takeover, interrupt_id: str | None) -> Pending:
    """Return the approval that the mission waits for.

    Raises:
        Conflict: it waits for none, or for another one.
    """
    if taken.mission.status is not Status.AWAITING_APPROVAL or taken.pending is None:
        raise Conflict(
            f"the mission does not wait for an approval, it is {taken.mission.status.value}", code="not_pending"
        )
    if interrupt_id is not None and taken.pending.interrupt_id != InterruptId(interrupt_id):
        raise Conflict("this is not the approval that the mission waits for", code="already_decided")
    return taken.pending


def escalated(pending: Pending) -> NewEvent:
    """Return the event that brings an unanswered question up again."""
    found = standings(pending.request, pending.given).values()
    payload = {
        "interrupt_id": pending.interrupt_id,
        "proposals": [s.proposal.proposal_id for s in found if not s.settled],
        "required": pending.request.required,
        "answers": len(pending.given),
        "expires_at": rfc3339(pending.expires_at),
    }
    return NewEvent(event_type=EventType.APPROVAL_ESCALATED, payload=payload)


def _asked(taken: Takeover, interrupt_id: str | None) -> Asked:
    pending, envelope = waiting(taken, interrupt_id), taken.mission.envelope
    if envelope is None:
        raise Conflict("the mission was not admitted", code="not_admitted")
    if pending.overdue:
        raise Conflict("the deadline of this approval has passed", code="approval_expired")
    return Asked(pending.interrupt_id, pending.request, pending.given, envelope, pending.escalated)


async def _entitled(who: Principal, taken: Takeover) -> list[ActorId]:
    """Let on only who may answer; returns in whose place, if not in their own right."""
    if _CAPABILITY in who.capabilities:
        return []
    delegators = await taken.delegators(who.roles)
    if not delegators:
        who.needs(_CAPABILITY)
    return delegators


def _person(who: Principal, delegators: Sequence[ActorId], asked: Asked) -> Approver:
    if not delegators:
        return Approver(who.actor_id, who.tenant_id, who.capabilities, who.roles)
    # Of several the first in whose place something can still be said.
    spent = {asked.envelope.actor_id, *(p for one in asked.given for p in (one.actor_id, one.on_behalf_of))}
    behalf = next((d for d in delegators if d not in spent), delegators[0])
    return Approver(who.actor_id, who.tenant_id, who.capabilities | {_CAPABILITY}, who.roles, behalf)


_OF_PROPOSALS = frozenset({"release", "approve_alone"})


def _remembered(stored: Iterable[PolicyDecision]) -> Decided:
    """Return what was decided of the proposals themselves, so that it is asked anew only under other rules.

    Whether a person may answer is asked each time, and what an earlier constitution denied says nothing of the rules.
    """
    found = (d for d in stored if d.question.action in _OF_PROPOSALS and not beyond(d))
    return {(d.rules_sha256, d.question_sha256): d for d in found}


def _given(asked: Asked, answered: Answered) -> NewEvent:
    answer = answered.answer
    found = standings(asked.request, (*asked.given, answer))
    payload = {
        **_about(answered),
        "verdicts": {a.proposal_id: a.verdict.value for a in answer.answers},
        "open": {name: s.proposal.payload_sha256 for name, s in found.items() if not s.settled},
    }
    return NewEvent(event_type=EventType.APPROVAL_GIVEN, payload=payload, actor=answer.actor_id, intent="answer")


def _decided(answered: Answered) -> NewEvent:
    answer, decision = answered.answer, answered.decision
    if decision is None:
        raise TypeError("nothing was decided yet")
    payload = {
        **_about(answered),
        "verdict": decision.verdict,
        "granted": [p.proposal_id for p in decision.granted],
        "decision_sha256": decision.sha256(),
    }
    return NewEvent(event_type=EventType.APPROVAL_DECIDED, payload=payload, actor=answer.actor_id, intent="answer")


def _about(answered: Answered) -> dict[str, Any]:
    answer = answered.answer
    behalf = {"on_behalf_of": answer.on_behalf_of} if answer.on_behalf_of else {}
    return {
        "interrupt_id": answer.interrupt_id,
        "number": answer.number,
        "answer_sha256": answer.sha256(),
        "decisions": [{"id": d.decision_id, "sha256": d.sha256()} for d in answered.policy],
        **behalf,
    }
