"""Editing what a fork inherits: read by its contract, bound to what it replaces, and never less tainted than that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import ValidationError

from contracts.base import Contract
from contracts.errors import BadInput
from contracts.events import NewEvent
from contracts.evidence import ResearchArtifact, WorkerResult
from contracts.packets import AggregationPacket
from contracts.tasks import PromptPackage, TaskPlan
from graph.artifacts import renamed
from graph.forking import Held
from graph.taint import labelled, packet_labelled

ReadT = TypeVar("ReadT", bound=Contract)
_MOST = 1_000


def edited(held: Held, events: Sequence[NewEvent], updates: Mapping[str, Any]) -> tuple[Held, list[NewEvent]]:
    """Return what is held, and what was recorded of it, with the updates made.

    ``plan`` and ``packet`` are given whole; ``packages``, ``evidence`` and ``results`` as lists of those that replace
    the one of the same task, or the same source. What is not in the list stays.

    Raises:
        BadInput: an update is not what its channel holds, or replaces nothing.
    """
    told = list(events)
    if "plan" in updates:
        plan = _read(TaskPlan, updates["plan"], "plan")
        told = renamed(told, held.plan, plan) if held.plan else told
        held = replace(held, plan=plan)
    if "packages" in updates:
        pairs = _by_task(held.packages, _several(PromptPackage, updates["packages"], "packages"), "packages")
        told = _renamed(told, pairs)
        held = replace(held, packages=tuple(to for _, to in pairs))
    if "evidence" in updates:
        held = replace(held, evidence=_evidence(held, _several(ResearchArtifact, updates["evidence"], "evidence")))
    if "results" in updates:
        made = _by_task(held.results, _several(WorkerResult, updates["results"], "results"), "results")
        tainted = [(was, to if to is was else _tainted(was, to, held)) for was, to in made]
        told = _renamed(told, tainted)
        held = replace(held, results=tuple(to for _, to in tainted))
    if "packet" in updates:
        packet = packet_labelled(_read(AggregationPacket, updates["packet"], "packet"), held.results)
        _rests_on_results(packet, held.results)
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
    if unknown := sorted(instead.keys() - {one.task_key for one in held}):
        raise BadInput(f"{channel}: there is no task {unknown[0][:60]}", code="invalid_update")
    return [(one, instead.get(one.task_key, one)) for one in held]


def _renamed(events: list[NewEvent], pairs: Sequence[tuple[Contract, Contract]]) -> list[NewEvent]:
    for was, to in pairs:
        events = renamed(events, was, to)
    return events


def _evidence(held: Held, given: Sequence[ResearchArtifact]) -> tuple[ResearchArtifact, ...]:
    """Put edited evidence in the place of what comes from the same source, whose label it keeps."""
    instead = {_origin(one): one for one in given}
    if instead.keys() - {_origin(one) for one in held.evidence}:
        raise BadInput(
            "evidence: an edited piece must keep need, kind, source and trust of the one it replaces",
            code="invalid_update",
        )
    return tuple(instead.get(_origin(one), one) for one in held.evidence)


def _origin(one: ResearchArtifact) -> tuple[str, ...]:
    return (one.need, one.kind, one.source.model_dump_json(), one.trust.value)


def _tainted(was: WorkerResult, to: WorkerResult, held: Held) -> WorkerResult:
    """Return an edited result with the taint that it had, and what it now cites."""
    read = {i for taint in was.taint for i in taint.artifact_ids}
    trusts = {a.artifact_id: a.trust for a in (*held.evidence, *held.fetched)}
    return labelled(to, [read], (), trusts)


def _rests_on_results(packet: AggregationPacket, results: Sequence[WorkerResult]) -> None:
    claims = {c.claim_id for r in results for c in r.claims}
    proposals = {(p.proposal_id, p.payload_sha256) for r in results for p in r.proposals}
    if any(c.claim_id not in claims for c in packet.claims):
        raise BadInput("packet: a claim is no task's; edit the result instead", code="invalid_update")
    if any((p.proposal_id, p.payload_sha256) not in proposals for p in packet.writebacks):
        raise BadInput("packet: a proposal is no task's; edit the result instead", code="invalid_update")
