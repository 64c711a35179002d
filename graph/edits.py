"""Editing what a fork inherits: read by its contract, bound to what it replaces, and never less tainted than that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import ValidationError

from contracts.base import Contract
from contracts.errors import BadInput
from contracts.events import NewEvent
from contracts.evidence import ResearchArtifact, WorkerResult, WritebackProposal
from contracts.mission import Level
from contracts.packets import AggregationPacket
from contracts.tasks import PromptPackage, TaskPlan
from graph.artifacts import renamed
from graph.forking import Held
from graph.taint import labelled, packet_labelled
from nodes.aggregator import matrix, merged
from nodes.packages import told as told_to
from nodes.planner import in_order
from nodes.work.proposals import RISKS

ReadT = TypeVar("ReadT", bound=Contract)
Count = Callable[[str], int]
_MOST = 1_000
_LEVELS = list(Level)
_WORDS = frozenset({"system", "instructions", "exemplars", "tier", "token_count"})
"""What of a prompt package is a person's to edit: what is said, and to which tier. The tokens are counted again."""
_PROVEN = ("claims", "facts", "metrics", "contradictions", "writebacks")
"""What a packet says on proof: it can be taken out by hand, and not put in."""


def edited(
    held: Held, events: Sequence[NewEvent], updates: Mapping[str, Any], count: Count
) -> tuple[Held, list[NewEvent]]:
    """Return what is held, and what was recorded of it, with the updates made.

    ``plan`` and ``packet`` are given whole; ``packages``, ``evidence`` and ``results`` as lists of those that replace
    the one of the same task, or the same source. What is not in the list stays. ``count`` counts a text's tokens.

    Raises:
        BadInput: an update is not what its channel holds, or replaces nothing.
    """
    told = list(events)
    if "plan" in updates:
        plan = _read(TaskPlan, updates["plan"], "plan")
        plan = plan.model_copy(update={"tasks": in_order(plan.tasks)})
        told = renamed(told, held.plan, plan) if held.plan else told
        held = replace(held, plan=plan)
    if "packages" in updates:
        given = _several(PromptPackage, updates["packages"], "packages")
        packages = [(was, _reworded(was, to, count)) for was, to in _by_task(held.packages, given, "packages")]
        told = _renamed(told, packages)
        held = replace(held, packages=tuple(to for _, to in packages))
    if "evidence" in updates:
        held = replace(held, evidence=_evidence(held, _several(ResearchArtifact, updates["evidence"], "evidence")))
    if "results" in updates:
        made = _by_task(held.results, _several(WorkerResult, updates["results"], "results"), "results")
        judged = [(was, to if to is was else _judged(was, to, held)) for was, to in made]
        told = _renamed(told, judged)
        held = replace(held, results=tuple(to for _, to in judged))
        _merged(held)
    if "packet" in updates:
        packet = _on_proof(_read(AggregationPacket, updates["packet"], "packet"), held)
        told = renamed(told, held.packet, packet) if held.packet else told
        held = replace(held, packet=packet)
    return held, told


def _read(model: type[ReadT], given: Any, channel: str) -> ReadT:
    try:
        return model.model_validate(given)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, (channel, *first["loc"])))
        raise BadInput(f"{where}: {first['msg']}", code="invalid_update") from exc


def _several(model: type[ReadT], given: Any, channel: str) -> list[ReadT]:
    if not isinstance(given, list) or not 0 < len(given) <= _MOST:
        raise BadInput(f"{channel} must be a list of those that are edited", code="invalid_update")
    return [_read(model, one, f"{channel}.{n}") for n, one in enumerate(given)]


KeyedT = TypeVar("KeyedT", PromptPackage, WorkerResult)


def _by_task(held: Sequence[KeyedT], given: Sequence[KeyedT], channel: str) -> list[tuple[KeyedT, KeyedT]]:
    instead = {one.task_key: one for one in given}
    if len(instead) < len(given):
        raise BadInput(f"{channel}: a task is given twice", code="invalid_update")
    if unknown := sorted(instead.keys() - {one.task_key for one in held}):
        raise BadInput(f"{channel}: there is no task {unknown[0][:60]}", code="invalid_update")
    return [(one, instead.get(one.task_key, one)) for one in held]


def _renamed(events: list[NewEvent], pairs: Sequence[tuple[Contract, Contract]]) -> list[NewEvent]:
    for was, to in pairs:
        events = renamed(events, was, to)
    return events


def _evidence(held: Held, given: Sequence[ResearchArtifact]) -> tuple[ResearchArtifact, ...]:
    """Put edited evidence in the place of what comes from the same source, whose label it keeps."""
    there = Counter(_origin(one) for one in held.evidence)
    instead = {_origin(one): one for one in given}
    if instead.keys() - there.keys():
        raise BadInput(
            "evidence: an edited piece must keep need, kind, source, start and trust of the one it replaces",
            code="invalid_update",
        )
    if len(instead) < len(given) or any(there[origin] > 1 for origin in instead):
        raise BadInput("evidence: there are several pieces of this source", code="invalid_update")
    return tuple(instead.get(_origin(one), one) for one in held.evidence)


def _origin(one: ResearchArtifact) -> tuple[str, ...]:
    # Passages of one document are told apart by where they begin.
    return (one.need, one.kind, one.source.model_dump_json(), one.trust.value, str(one.data.get("start")))


def _reworded(was: PromptPackage, to: PromptPackage, count: Count) -> PromptPackage:
    """Return an edited package with its tokens counted: by hand it neither reads nor takes more than was granted."""
    if other := _differing(was, to) - _WORDS:
        raise BadInput(f"packages: {min(other)} is not edited by hand", code="invalid_update")
    return to.model_copy(update={"token_count": count(told_to(to.system, to.instructions, to.exemplars))})


def _differing(was: Contract, to: Contract) -> set[str]:
    return {name for name in type(was).model_fields if getattr(was, name) != getattr(to, name)}


def _judged(was: WorkerResult, to: WorkerResult, held: Held) -> WorkerResult:
    """Return an edited result with the taint that it had, and what it now cites, and risks that are no lower."""
    if not set(to.fetched) <= set(was.fetched):
        raise BadInput(f"results: {was.task_key} did not fetch this", code="invalid_update")
    risks = {p.proposal_id: p.risk_level for p in was.proposals}
    proposals = tuple(p.model_copy(update={"risk_level": _risk(p, risks.get(p.proposal_id))}) for p in to.proposals)
    read = {i for taint in was.taint for i in taint.artifact_ids}
    trusts = {a.artifact_id: a.trust for a in (*held.evidence, *held.fetched)}
    return labelled(to.model_copy(update={"proposals": proposals}), [read], (), trusts)


def _risk(proposal: WritebackProposal, was: Level | None) -> Level:
    """Return a proposal's risk: by hand it is raised, and never lowered."""
    return max(proposal.risk_level, was or Level.LOW, RISKS[proposal.operation], key=_LEVELS.index)


def _merged(held: Held) -> AggregationPacket:
    """Return what the results make together.

    Raises:
        BadInput: an edited one does not go with the others.
    """
    by_task = {one.task_key: one for one in held.results}
    order = [task.task_key for task in held.plan.tasks] if held.plan else list(by_task)
    try:
        return packet_labelled(merged([by_task[key] for key in order if key in by_task]), held.results)
    except (ValidationError, LookupError, TypeError, ValueError, AttributeError) as exc:
        raise BadInput(
            "results: an edited result's outputs are not what its task gives", code="invalid_update"
        ) from exc


def _on_proof(given: AggregationPacket, held: Held) -> AggregationPacket:
    """Return an edited packet with its taint; what stands on proof is what the tasks' results say, word for word."""
    packet, made = packet_labelled(given, held.results), _merged(held)
    for part in _PROVEN:
        if any(one not in getattr(made, part) for one in getattr(packet, part)):
            raise BadInput(f"packet: one of its {part} is no task's; edit the result instead", code="invalid_update")
    if packet.answer not in {None, made.answer}:
        raise BadInput("packet: its answer is no task's; edit the result instead", code="invalid_update")
    return packet.model_copy(update={"evidence_matrix": matrix(packet.claims)})
