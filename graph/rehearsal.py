"""Effects on tape, and in a replay none: what people decided is played back, and writes are simulated, on record."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from contracts.decisions import ApprovalDecision, ApprovalRequest, Outcome, PolicyDecision
from contracts.effects import effect_event
from contracts.errors import ColonyError
from contracts.events import EventType, NewEvent
from contracts.evidence import WritebackProposal
from contracts.packets import AggregationPacket
from contracts.ports import EffectOutcome, EffectPort, LedgerPort, Refusal
from contracts.registry import Kind
from contracts.state import ReleaseState
from contracts.tape import Channel, request_of
from graph.past import Past
from graph.tape import Tape, answered, error_in, raised

SIMULATED = "simulated"


def release_request(revision: int) -> bytes:
    """Return the request that a person's decision is recorded under."""
    return request_of("release", revision)


@dataclass(frozen=True)
class TapedEffects:
    """Satisfies ``EffectPort``: effects as they are, with what the root said and how each ended on tape."""

    inner: EffectPort
    tape: Tape

    async def granted(self) -> list[WritebackProposal]:
        """Return what the stored approvals grant."""
        return list(await self.inner.granted())

    async def refusal(self, proposal: WritebackProposal) -> Refusal | None:
        """Ask the root whether it would take a proposal."""
        return await _refusal(self.tape, self.inner, proposal)

    async def apply(self, proposal: WritebackProposal) -> EffectOutcome:
        """Apply one granted proposal."""
        try:
            outcome = await self.inner.apply(proposal)
        except ColonyError as exc:  # an end of the stage like another
            self.tape.kept(Channel.WRITE, "", _written(proposal), raised(exc))
            raise
        self.tape.kept(Channel.WRITE, "", _written(proposal), request_of(outcome.status, dict(outcome.detail)))
        return outcome


@dataclass(frozen=True)
class RehearsedEffects:
    """Satisfies ``EffectPort`` of a replay: nothing is granted, nothing is written, and the record says so."""

    inner: EffectPort
    tape: Tape
    ledger: LedgerPort
    past: Past

    async def granted(self) -> list[WritebackProposal]:
        """Return what people let through then, as far as it is proposed now and no rule denies it now."""
        decision = self.past.decision()
        packets = await self.ledger.fetch(Kind.AGGREGATION_PACKET, None)
        decided = await self.ledger.fetch(Kind.POLICY_DECISION, None)
        passed = {
            d.question.resource["id"]
            for d in decided
            if isinstance(d, PolicyDecision) and d.question.action == "release" and d.outcome is not Outcome.DENY
        }
        proposed = [p for one in packets if isinstance(one, AggregationPacket) for p in one.writebacks]
        asked = [p for p in proposed if p.payload_sha256 in passed]
        return [] if decision is None else covered(decision, asked)

    async def refusal(self, proposal: WritebackProposal) -> Refusal | None:
        """Return what the root said then; a live replay asks it: that writes nothing."""
        return await _refusal(self.tape, self.inner, proposal)

    async def apply(self, proposal: WritebackProposal) -> EffectOutcome:
        """Note that a proposal would be written now; what ended the mission then ends it again."""
        was = await self.tape.through(Channel.WRITE, "", _written(proposal), _nothing)
        if (error := error_in(was.content)) is not None:
            raise error
        outcome = EffectOutcome(SIMULATED, {"recorded": was.content.decode()} if was.recorded else {})
        async with self.ledger.unit() as unit:
            unit.record(effect_event(proposal, outcome))
        return outcome


async def _nothing() -> bytes:
    return request_of(SIMULATED, {})


def _written(proposal: WritebackProposal) -> bytes:
    return request_of(proposal.proposal_id, proposal.payload_sha256)


async def _refusal(tape: Tape, effects: EffectPort, proposal: WritebackProposal) -> Refusal | None:
    async def ask() -> Any:
        found = await effects.refusal(proposal)
        return None if found is None else asdict(found)

    said = await answered(tape, Channel.ROOT, "", _written(proposal), ask)
    return None if said is None else Refusal(said["code"], tuple(said["reasons"]))


def covered(decision: ApprovalDecision, proposed: list[WritebackProposal]) -> list[WritebackProposal]:
    """Return what a decision granted of proposals that are still, byte for byte, those it was about."""
    same = {(p.proposal_id, p.payload_sha256) for p in proposed}
    about = {a.proposal_id for a in decision.answers if (a.proposal_id, a.payload_sha256) in same}
    return [p for p in decision.granted if p.proposal_id in about]


def answer_of(past: Past, tape: Tape, request: ApprovalRequest, revision: int) -> tuple[ReleaseState, NewEvent]:
    """Return how people answered then, as far as this is what they were asked; nobody is asked now."""
    decision = past.decision()
    if decision is not None:
        tape.kept(Channel.PERSON, "", release_request(revision), decision.canonical())
    granted = covered(decision, list(request.proposals)) if decision is not None else []
    # What a person left out of an answer was turned down: only a decision on other payloads answers nothing here.
    told = {(a.proposal_id, a.payload_sha256) for a in decision.answers} if decision is not None else set()
    asked = {(p.proposal_id, p.payload_sha256) for p in request.proposals}
    verdict = decision.verdict if decision is not None and (told <= asked) else "unanswered"
    payload = {
        "recorded": decision is not None,
        "proposals": [p.proposal_id for p in request.proposals],
        "granted_then": [p.proposal_id for p in granted],
        "verdict": verdict,
        "request_sha256": request.sha256(),
    }
    state = ReleaseState(required=True, verdict=verdict, granted=len(granted))
    return state, NewEvent(event_type=EventType.REPLAY_ANSWERED, payload=payload)
