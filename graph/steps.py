"""A step: run a role, ask the policy, and store everything it brought in one transaction with the move onwards."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, cast

from langgraph.runtime import Runtime

from contracts.base import Contract
from contracts.events import TERMINAL_EVENTS, EventType, NewEvent
from contracts.mission import MissionEnvelope
from contracts.packets import AggregationPacket, ReviewPacket
from contracts.ports import Ports, StepResult, UnitPort
from contracts.registry import Kind
from contracts.state import MissionState
from contracts.stateflow import STATEFLOW, Stage, Status
from contracts.tasks import LibrarianPass, PassSeal
from graph import gates
from graph.artifacts import renamed
from graph.channels import channels_of
from graph.context import RunContext
from graph.gates import GateResult
from graph.inforce import Asking
from graph.routing import next_stage
from graph.taint import packet_labelled
from graph.tape import said

Role = Callable[[MissionState, Ports], Awaitable[StepResult]]
Node = Callable[[MissionState, Runtime[RunContext]], Awaitable[MissionState]]

# They record how a mission ends, and ask, call and write nothing.
_ENDS = frozenset({Stage.FINALIZE, Stage.BLOCKED, Stage.FAILED})
# The gate notes what is asked; how often workers were begun, and how a mission failed, is compared otherwise.
_UNSAID = frozenset({Stage.RELEASE_GATE, Stage.WORKERS, Stage.BLOCKED, Stage.FAILED})
_EXPECTED: dict[Stage, tuple[Kind, ...]] = {
    Stage.PROMPT_MASTER: (Kind.PROMPT_PACKAGE,),
    Stage.LIBRARIAN: (Kind.LIBRARIAN_PASS,),
    Stage.RESEARCHER: (Kind.RESEARCH_ARTIFACT,),
    Stage.WORKERS: (Kind.WORKER_RESULT,),
}


def step(stage: Stage, role: Role) -> Node:
    """Make a graph node of a role.

    A step that was stored before its checkpoint was written is not run again: what it gave is returned as stored.
    """

    async def run(state: MissionState, runtime: Runtime[RunContext]) -> MissionState:
        ctx = runtime.context
        key = f"{stage.value}:{state['revision']}"
        ctx.record.stage, ctx.record.revision = stage, state["revision"]
        was, gave = ctx.recall()
        if was == key:
            return gave
        await ctx.turn()
        if stage not in _ENDS:
            ctx.record.known = ctx.record.known or state.get("constitution", {})
            await asking(ctx).limits()
        result = await _labelled(await role(state, ctx.ports), state, ctx)
        return await store(stage, key, state, result, ctx)

    run.__name__ = stage.value
    return run


async def _labelled(result: StepResult, state: MissionState, ctx: RunContext) -> StepResult:
    """Say on a merged packet which untrusted evidence its parts were made from, whatever the role said."""
    packets = [a for a in result.artifacts if isinstance(a, AggregationPacket)]
    if not packets:
        return result
    done = await ctx.ledger.results(state["revision"])
    made = {id(was): packet_labelled(was, done.values()) for was in packets}
    events: Sequence[NewEvent] = result.events
    for was in packets:
        events = renamed(events, was, made[id(was)])
    artifacts = tuple(made.get(id(a), a) for a in result.artifacts)
    return replace(result, artifacts=artifacts, events=tuple(events))


async def store(stage: Stage, key: str, state: MissionState, result: StepResult, ctx: RunContext) -> MissionState:
    """Ask the stage's policy layer, then commit artifacts, decisions, calls, events and the move in one transaction."""
    gate = await _gate(stage, result, ctx)
    update = _update(stage, state, result, gate)
    if ctx.record.known and ctx.record.known != state.get("constitution"):
        update["constitution"] = dict(ctx.record.known)
    to = next_stage(stage, cast("MissionState", {**state, **update}))
    async with ctx.ledger.unit() as unit:
        if result.envelope is not None:
            await unit.admit(result.envelope)
            _admitted(ctx, result.envelope)
        # A worker's results were stored one by one as they came.
        kept = () if stage is Stage.WORKERS else result.artifacts
        await ctx.record.put(unit, state["revision"], [*kept, *gate.decisions])
        if gate.outcome is None:
            await unit.seal(_seals(result, state["revision"], ctx))
        await _carry_over(unit, state, update, result)
        if stage not in _UNSAID:
            said(ctx.record, *_told(result))
        await ctx.record.store(unit)
        if ctx.mission.rehearsal is None:
            await unit.leave(result.signals)
        unit.record(*(_bound(event, update) for event in (*result.events, *gate.events)))
        await _onwards(unit, stage, to, key, update, result)
    return update


def _told(result: StepResult) -> list[Any]:
    """Return what a role said, but the mission's own names and how its writes ended: a replay has others."""
    envelope = result.envelope and result.envelope.model_dump(mode="json", exclude={"mission_id", "trace_id"})
    channels = {name: value for name, value in result.channels.items() if name != "release"}
    events = [
        [e.event_type.value, e.artifact_id, {k: v for k, v in e.payload.items() if k != "effects"}]
        for e in result.events
    ]
    return [envelope, channels, events, [signal.model_dump(mode="json") for signal in result.signals]]


def _seals(result: StepResult, revision: int, ctx: RunContext) -> list[PassSeal]:
    """Sign the passes that policy has let through."""
    signer, now = ctx.governance.passes, ctx.clock.now()
    return [signer.sealed(ctx.mission, a, revision, now) for a in result.artifacts if isinstance(a, LibrarianPass)]


# What an event vouches for: its payload carries the reference, so that the chain's hash covers the content.
_VOUCHES = {EventType.GATE_ADMISSION: "envelope", EventType.EVIDENCE_GATHERED: "evidence"}


def _bound(event: NewEvent, update: MissionState) -> NewEvent:
    channel = _VOUCHES.get(event.event_type)
    if channel is None or channel not in update:
        return event
    payload = {**event.payload, channel: cast("dict[str, Any]", update)[channel]}
    return event.model_copy(update={"payload": payload})


async def _gate(stage: Stage, result: StepResult, ctx: RunContext) -> GateResult:
    layer = STATEFLOW[stage].asks
    envelope = result.envelope or ctx.mission.envelope
    if layer is None or stage is Stage.RELEASE_GATE:
        return GateResult()
    if envelope is None:
        return gates.silent(stage)
    return gates.after(stage, layer, result, envelope, ctx.governance, await asking(ctx).renewed())


def asking(ctx: RunContext) -> Asking:
    """Return who asks the policy for a run."""
    return Asking(ctx.governance, ctx.ledger, ctx.record, ctx.mission.tenant_id)


def _admitted(ctx: RunContext, envelope: MissionEnvelope) -> None:
    ctx.mission = replace(ctx.mission, envelope=envelope)
    ctx.ports = replace(ctx.ports, mission=ctx.mission)
    ctx.record.envelope = envelope


def _update(stage: Stage, state: MissionState, result: StepResult, gate: GateResult) -> MissionState:
    update: dict[str, Any] = dict(channels_of(result.artifacts, state["revision"], *_EXPECTED.get(stage, ())))
    update |= result.channels
    if result.envelope is not None:
        update["envelope"] = {"id": state["mission_id"], "sha256": result.envelope.sha256()}
    if gate.looks:
        update["looks"] = [*state.get("looks", []), *gate.looks]
    if gate.outcome is not None:
        update["outcome"] = gate.outcome
    if stage is Stage.REVIEWER and update.get("verdict") == "revise":
        update["revision"] = state["revision"] + 1
    if stage is Stage.REVIEWER and update.get("verdict") == "refuse":
        update["outcome"] = _refused(result.artifacts)
    return cast("MissionState", update)


def _refused(artifacts: tuple[Contract, ...]) -> dict[str, str]:
    reasons = "; ".join(r for a in artifacts if isinstance(a, ReviewPacket) for r in a.reasons)
    return {
        "status": Status.BLOCKED.value,
        "code": "review_refused",
        "reason": reasons,
        "stage": Stage.REVIEWER.value,
        "hint": "See the review packet among the mission's artifacts: it names every claim that does not hold.",
    }


async def _carry_over(unit: UnitPort, state: MissionState, update: MissionState, result: StepResult) -> None:
    """Copy the results of the tasks that a revision does not run again."""
    was, to = state["revision"], update.get("revision", state["revision"])
    if to > was:
        again = {key for a in result.artifacts if isinstance(a, ReviewPacket) for key in a.revise_tasks}
        await unit.copy_results(was, to, again=sorted(again))


async def _onwards(
    unit: UnitPort, stage: Stage, to: Stage | None, key: str, update: MissionState, result: StepResult
) -> None:
    if to is not None:
        unit.record(NewEvent(event_type=EventType.STAGE_ENTERED, payload={"stage": to.value}))
        await unit.enter(to, key, update)
        return
    await unit.enter(stage, key, update)
    status = next(TERMINAL_EVENTS[e.event_type] for e in result.events if e.event_type in TERMINAL_EVENTS)
    failure = result.channels.get("outcome") if status in {Status.BLOCKED, Status.FAILED} else None
    await unit.move(status, failure=failure)
    await unit.release_lease()
