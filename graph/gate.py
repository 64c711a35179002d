"""The release gate: ask the policy once, put the proposals before a person, and wait with nothing held.

What was decided is read from the store, not from the value the graph is resumed with: a forged resume releases nothing.
"""

from __future__ import annotations

from datetime import datetime

from langgraph.config import get_config
from langgraph.runtime import Runtime
from langgraph.types import Interrupt, interrupt

from contracts.base import InterruptId
from contracts.clock import rfc3339
from contracts.decisions import ApprovalDecision, ApprovalRequest
from contracts.errors import BadInput, Denied
from contracts.events import EventType, NewEvent
from contracts.mission import Level, MissionEnvelope, ReviewLevel
from contracts.ports import StepResult
from contracts.state import MissionState, ReleaseState
from contracts.stateflow import Stage, Status
from contracts.tape import Channel
from graph import gates, withholding
from graph.context import RunContext
from graph.rehearsal import answer_of, release_request
from graph.steps import asking, store
from graph.tape import Tape, said
from nodes.release_gate import asked, release_gate


async def gate(state: MissionState, runtime: Runtime[RunContext]) -> MissionState:
    """Hold the mission until a person has answered, if there is anything to answer."""
    ctx = runtime.context
    key = f"{Stage.RELEASE_GATE.value}:{state['revision']}"
    ctx.record.stage, ctx.record.revision = Stage.RELEASE_GATE, state["revision"]
    was, gave = ctx.recall()
    if was == key:
        return gave
    interrupt_id = InterruptId(Interrupt.from_ns(None, ns=get_config()["configurable"]["checkpoint_ns"]).id)
    decision = await ctx.ledger.decision(interrupt_id)
    if decision is None:
        if was != f"{key}:asked":
            nothing_to_ask = await _ask(state, ctx, key, interrupt_id)
            if nothing_to_ask is not None:
                return nothing_to_ask
        interrupt({"mission_id": ctx.mission.mission_id, "interrupt_id": interrupt_id})
        raise Denied("the mission was resumed without a stored decision", code="decision_missing")
    Tape(ctx.record).kept(Channel.PERSON, "", release_request(state["revision"]), decision.canonical())
    return await store(Stage.RELEASE_GATE, key, state, StepResult(channels={"release": _release(decision)}), ctx)


def _release(decision: ApprovalDecision) -> ReleaseState:
    return ReleaseState(required=True, verdict=decision.verdict, granted=len(decision.granted))


async def _ask(state: MissionState, ctx: RunContext, key: str, interrupt_id: InterruptId) -> MissionState | None:
    """Ask the release layer and open the approval; returns the step's update when nobody has to be asked."""
    envelope = ctx.mission.envelope
    if envelope is None:
        raise BadInput("the mission was not admitted", code="not_admitted")
    ctx.record.known = ctx.record.known or state.get("constitution", {})
    packet = await release_gate(state, ctx.ports)
    result = gates.release(packet, envelope, ctx.governance, await asking(ctx).renewed())
    held = await withholding.asked_root(result.allowed, ctx.ports.effects)
    request = asked(held.kept, result.grounds, held.reasons, _looks(state, envelope))
    said(ctx.record, request and request.sha256())
    if request is None or result.gate.outcome is not None:
        channels = {"release": ReleaseState(required=False, verdict="none", granted=0)}
        if result.gate.outcome is not None:
            channels["outcome"] = result.gate.outcome  # type: ignore[assignment]
        quiet = StepResult(
            channels=channels, artifacts=result.gate.decisions, events=(*result.gate.events, *held.events)
        )
        return await store(Stage.RELEASE_GATE, key, state, quiet, ctx)
    if ctx.record.past is not None:
        release, answered = answer_of(ctx.record.past, Tape(ctx.record), request, state["revision"])
        events = (*result.gate.events, *held.events, answered)
        played = StepResult(channels={"release": release}, artifacts=result.gate.decisions, events=events)
        return await store(Stage.RELEASE_GATE, key, state, played, ctx)
    async with ctx.ledger.unit() as unit:
        await ctx.record.put(unit, state["revision"], result.gate.decisions)
        await ctx.record.store(unit)
        times = (ctx.mission.approval_timeout_ms, ctx.mission.approval_escalate_ms)
        expires_at = await unit.ask_person(interrupt_id, request, *times)
        await ctx.record.store(unit)
        unit.record(*result.gate.events, *held.events, requested(interrupt_id, request, envelope, expires_at))
        await unit.enter(Stage.RELEASE_GATE, f"{key}:asked", {})
        # Whoever sees the question may answer it: the mission waits from the moment that it is asked.
        await unit.move(Status.AWAITING_APPROVAL)
    ctx.asked = True
    return None


def _looks(state: MissionState, envelope: MissionEnvelope) -> tuple[str, ...]:
    looks = tuple(state.get("looks", []))
    if envelope.review_level is ReviewLevel.PERSON and not looks:
        return ("the request's review level asks for a person",)
    return looks


def requested(
    interrupt_id: InterruptId, request: ApprovalRequest, envelope: MissionEnvelope, expires_at: datetime
) -> NewEvent:
    """Return the event that says what a person is asked, and until when."""
    risks = [p.risk_level for p in request.proposals] or [envelope.risk_level]
    payload = {
        "interrupt_id": interrupt_id,
        "proposals": [p.proposal_id for p in request.proposals],
        "reasons": list(request.reasons),
        "required": request.required,
        "request_sha256": request.sha256(),
        "risk_level": max(risks, key=list(Level).index),
        "expires_at": rfc3339(expires_at),
    }
    return NewEvent(event_type=EventType.APPROVAL_REQUESTED, payload=payload)
