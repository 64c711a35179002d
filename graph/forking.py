"""What a fork begins with: a past state with what it refers to, edited or not, and every gate behind it asked anew.

State is inherited, authority is not: what the stages before the fork made is put before the policies that are in force
now, and passes are signed for the new mission. Whatever checks an edited artifact is still to come: the fork begins
right after the stage that made it. A fork never begins behind the release gate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.base import Contract
from contracts.errors import BadInput, Denied, IntegrityBroken
from contracts.events import EventType, NewEvent
from contracts.evidence import ResearchArtifact, WorkerResult
from contracts.lineage import EDITABLE
from contracts.mission import MissionEnvelope
from contracts.packets import AggregationPacket, ReviewPacket
from contracts.ports import StepResult
from contracts.registry import Kind, artifact_id
from contracts.stateflow import STATEFLOW, Stage
from contracts.tasks import LibrarianPass, PromptPackage, TaskPlan
from graph import gates
from graph.channels import ref_of, set_ref
from graph.context import Governance
from graph.gates import GateResult
from graph.inforce import Remembering

FRESH = frozenset({"__start__", Stage.ADMISSION.value})
"""What comes next where nothing was done yet: such a fork begins like a submission."""
_BEHIND = frozenset({Stage.WRITEBACK.value, Stage.FINALIZE.value, Stage.BLOCKED.value, Stage.FAILED.value})
_ORDER = list(Stage)
AFTER: Mapping[str, Stage] = dict(
    zip(
        EDITABLE,
        (Stage.PROMPT_MASTER, Stage.LIBRARIAN, Stage.WORKERS, Stage.AGGREGATOR, Stage.REVIEWER),
        strict=True,
    )
)
"""The channels that can be edited, and the stage that comes after the one that made them."""


@dataclass(frozen=True)
class Held:
    """What a state refers to; ``done`` are results that were carried over to a plan revision that is still to run."""

    revision: int
    made_at: int = 1
    plan: TaskPlan | None = None
    packages: tuple[PromptPackage, ...] = ()
    passes: tuple[LibrarianPass, ...] = ()
    evidence: tuple[ResearchArtifact, ...] = ()
    evidence_at: int = 1
    fetched: tuple[ResearchArtifact, ...] = ()
    results: tuple[WorkerResult, ...] = ()
    done: tuple[WorkerResult, ...] = ()
    packet: AggregationPacket | None = None
    review: ReviewPacket | None = None

    def by_revision(self) -> list[tuple[int, Sequence[Contract]]]:
        """Return what is stored, under the plan revisions that it is looked for under."""
        planned = (*([self.plan, *self.plan.tasks] if self.plan else []), *self.packages, *self.passes)
        merged = [one for one in (self.packet, self.review) if one is not None]
        return [
            (1, planned),
            (self.evidence_at, self.evidence),
            (0, self.fetched),
            (self.made_at, (*self.results, *merged)),
            (self.revision, self.done),
        ]


@dataclass(frozen=True)
class Seed:
    """What is written before a fork's first run."""

    stage: Stage
    values: Mapping[str, Any]
    envelope: MissionEnvelope
    held: Held
    gates: tuple[GateResult, ...]
    events: tuple[NewEvent, ...]
    edited: tuple[str, ...]


def begins_at(following: Sequence[str], values: Mapping[str, Any], edited: Sequence[str]) -> bool:
    """Tell whether a fork may begin at a checkpoint, given the channels that are edited."""
    if not following or following[0] in _BEHIND or values.get("outcome"):
        return False
    if following[0] in FRESH:
        return not edited
    first = min((_ORDER.index(AFTER[channel]) for channel in edited), default=None)
    return first is None or _ORDER.index(Stage(following[0])) <= first


def check_editable(updates: Mapping[str, Any]) -> None:
    """See that only what may be edited is.

    Raises:
        BadInput: a channel is not one, or is the gates' own word.
    """
    for channel in updates:
        if channel not in AFTER:
            raise BadInput(
                f"{channel[:60]} can't be edited",
                code="not_editable",
                hint=f"What can be: {', '.join(AFTER)}. Passes, reviews and approvals are made by the mission itself.",
            )


def seeded(
    stage: Stage,
    values: Mapping[str, Any],
    held: Held,
    envelope: MissionEnvelope,
    events: Sequence[NewEvent],
    edited: Mapping[str, Any],
    gov: Governance,
    ask: Remembering,
) -> Seed:
    """Return what a fork begins with.

    Args:
        stage: the stage that it begins with.
        values: the state at the checkpoint.
        held: what the state refers to, edited.
        envelope: the new mission's.
        events: what the stages before recorded in the original, in order.
        edited: by channel who edited it; each is a reason for a person to look before anything is released.
        gov: the circumstances.
        ask: the rules in force.

    Raises:
        Denied: a policy in force does not let on what is inherited.
    """
    asked = _asked(stage, held, envelope, gov, ask)
    looks = [reason for one in asked for reason in one.looks]
    looks += [f"{channel} was edited by {who} when the mission was forked" for channel, who in edited.items()]
    updated = {
        **values,
        **_refs(held, values),
        "mission_id": envelope.mission_id,
        "envelope": {"id": envelope.mission_id, "sha256": envelope.sha256()},
        "looks": list(dict.fromkeys(looks)),
    }
    return Seed(stage, updated, envelope, held, asked, _inherited(events, held, updated), tuple(edited))


def _asked(
    stage: Stage, held: Held, envelope: MissionEnvelope, gov: Governance, ask: Remembering
) -> tuple[GateResult, ...]:
    made: dict[Stage, StepResult] = {
        Stage.ADMISSION: StepResult(envelope=envelope),
        Stage.PLANNER: StepResult(artifacts=(held.plan,) if held.plan else ()),
        Stage.PROMPT_MASTER: StepResult(artifacts=held.packages),
        Stage.LIBRARIAN: StepResult(artifacts=held.passes),
    }
    found = []
    for before, result in made.items():
        layer = STATEFLOW[before].asks
        if _ORDER.index(before) >= _ORDER.index(stage) or layer is None:
            break
        gate = gates.after(before, layer, result, envelope, gov, ask)
        if gate.outcome is not None:
            raise Denied(f"the rules in force do not let the fork begin: {gate.outcome['reason']}")
        found.append(gate)
    return tuple(found)


def _refs(held: Held, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the references again, to what is held now."""
    made: dict[str, Callable[[], Any]] = {
        "plan": lambda: ref_of(_there(held.plan)),
        "packages": lambda: set_ref(Kind.PROMPT_PACKAGE, values["packages"]["revision"], held.packages),
        "evidence": lambda: set_ref(Kind.RESEARCH_ARTIFACT, held.evidence_at, held.evidence),
        "results": lambda: set_ref(Kind.WORKER_RESULT, held.made_at, held.results),
        "packet": lambda: ref_of(_there(held.packet)),
    }
    return {channel: make() for channel, make in made.items() if channel in values}


def _there(one: Contract | None) -> Contract:
    if one is None:
        raise IntegrityBroken("the state refers to something that is not stored")
    return one


_KEPT = frozenset(
    {
        EventType.PLAN_CREATED,
        EventType.PROMPT_PACKAGED,
        EventType.PASS_ISSUED,
        EventType.EVIDENCE_GATHERED,
        EventType.TASK_COMPLETED,
        EventType.AGGREGATION_COMPLETED,
        EventType.REVIEW_COMPLETED,
        EventType.REVIEW_REVISED,
    }
)


def _inherited(events: Sequence[NewEvent], held: Held, values: Mapping[str, Any]) -> tuple[NewEvent, ...]:
    """Return what the original recorded of what is held, so that the fork's own record names all of it."""
    names = {artifact_id(one) for _, made in held.by_revision() for one in made}
    kept = []
    for event in events:
        if event.event_type not in _KEPT or (event.artifact_id is not None and event.artifact_id not in names):
            continue
        if event.event_type is EventType.EVIDENCE_GATHERED:
            payload = {**event.payload, "evidence": values["evidence"], "artifacts": len(held.evidence)}
            event = event.model_copy(update={"payload": payload})  # noqa: PLW2901
        kept.append(event.model_copy(update={"intent": "inherited", "actor": "colony"}))
    gathered = [n for n, e in enumerate(kept) if e.event_type is EventType.EVIDENCE_GATHERED]
    return tuple(e for n, e in enumerate(kept) if n not in gathered[:-1])


def envelope_for(was: MissionEnvelope, mission_id: str, actor_id: str, trace_id: str) -> MissionEnvelope:
    """Return the envelope of a mission that comes of another: the same request, in its own name."""
    return was.model_copy(update={"mission_id": mission_id, "actor_id": actor_id, "trace_id": trace_id})
