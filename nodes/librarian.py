"""Librarian: where to look, most promising first, and one pass per task that allows exactly that and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from contracts.errors import BadInput
from contracts.events import EventType, NewEvent
from contracts.mission import MissionEnvelope
from contracts.ports import Ports, SourceCard, StepResult
from contracts.registry import artifact_id
from contracts.state import MissionState
from contracts.tasks import LibrarianPass, PheromoneSignal, RouteCard, Task, TaskPlan, ToolGrant
from nodes.refinement import SPLITTABLE

CALLS = 8
"""How often a source may be read: in each of two plan revisions thrice beforehand, if the root is away, and once by the
task's own model."""

Signals = Sequence[tuple[PheromoneSignal, datetime]]


async def librarian(state: MissionState, ports: Ports) -> StepResult:
    """Issue one scoped pass per task, bound to the mission's own inputs.

    Raises:
        BadInput: a task needs a source that the catalog doesn't have, or an input that the mission doesn't give.
    """
    envelope = ports.mission.envelope
    if envelope is None:
        raise BadInput("the mission was not admitted", code="not_admitted")
    plan = await ports.artifacts.one(TaskPlan, state["plan"])
    signals = await ports.catalog.signals(envelope.mission_type.value)
    cards = {card.source: card for card in ports.catalog.sources()}
    now = ports.clock.now()
    passes = tuple(_pass(task, cards, envelope, (signals, now), ports.limits.pass_ttl_ms) for task in plan.tasks)
    events = tuple(
        NewEvent(
            event_type=EventType.PASS_ISSUED,
            payload={"task_key": p.task_key, "tools": [g.tool for g in p.grants], "ttl_ms": p.ttl_ms},
            artifact_id=artifact_id(p),
        )
        for p in passes
    )
    return StepResult(artifacts=passes, events=events)


def _pass(
    task: Task,
    cards: Mapping[str, SourceCard],
    envelope: MissionEnvelope,
    signals: tuple[Signals, datetime],
    ttl_ms: int,
) -> LibrarianPass:
    routes = []
    for need in task.needs:
        if need not in cards:
            raise BadInput(f"the catalog has no source {need}", code="unknown_source")
        card = cards[need]
        # A part of a question is looked for by itself: its focus was planned before anything untrusted was read.
        arguments = bound(card, {**envelope.inputs, **({SPLITTABLE[task.kind]: task.focus} if task.focus else {})})
        strength, why = promise(need, *signals)
        routes.append(RouteCard(source=need, tool=card.tool, arguments=arguments, priority=round(strength, 3), why=why))
    routes.sort(key=lambda r: (-r.priority, r.source))
    return LibrarianPass(
        task_key=task.task_key,
        route_cards=tuple(routes),
        grants=tuple(ToolGrant(tool=r.tool, arguments=r.arguments, max_calls=CALLS) for r in routes),
        data_scope=task.needs,
        ttl_ms=ttl_ms,
    )


def bound(card: SourceCard, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tool's arguments, taken from the mission's inputs and from nowhere else.

    Raises:
        BadInput: the mission doesn't give an input that the source needs.
    """
    arguments = {}
    for argument, name in card.binds.items():
        if name in inputs:
            arguments[argument] = inputs[name]
        elif argument not in card.optional:
            raise BadInput(f"inputs.{name} is required to read {card.source}", code="missing_input")
    return arguments


def promise(source: str, signals: Signals, now: datetime) -> tuple[float, str]:
    """Return how promising a source is, from 0 to 1, and why: signals fade by half every half-life.

    Without a signal a source stands at 0.5; what was useful pulls it up, what was stale or empty down.
    """
    pull = 0.0
    heard = 0
    for signal, left_at in signals:
        if signal.source == source:
            age_ms = max(0.0, (now - left_at).total_seconds() * 1000)
            fade = 0.5 ** (age_ms / signal.half_life_ms)
            pull += fade * signal.strength * (1 if signal.kind == "useful" else -1)
            heard += 1
    if not heard:
        return 0.5, "no mission has been here yet"
    level = 0.5 + 0.5 * pull / (1 + abs(pull))
    return level, f"{heard} past missions: {'useful' if pull >= 0 else 'mostly empty or stale'}"
