"""From what a role brings to what the state keeps: references, one small channel per kind of artifact."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

from contracts.base import Contract, Ref, SetRef
from contracts.canonical import digest
from contracts.registry import Kind, artifact_id, kind_of
from contracts.state import MissionState

_ONE = {Kind.PLAN: "plan", Kind.AGGREGATION_PACKET: "packet", Kind.REVIEW_PACKET: "review"}
_MANY = {
    Kind.PROMPT_PACKAGE: "packages",
    Kind.LIBRARIAN_PASS: "passes",
    Kind.RESEARCH_ARTIFACT: "evidence",
    Kind.WORKER_RESULT: "results",
}


def ref_of(contract: Contract) -> dict[str, Any]:
    """Return a reference to one artifact."""
    return Ref(id=artifact_id(contract), sha256=contract.sha256()).model_dump()


def set_ref(kind: Kind, revision: int, contracts: Iterable[Contract]) -> dict[str, Any]:
    """Return a reference to a set of artifacts, the same size however many there are."""
    names = sorted([artifact_id(c), c.sha256()] for c in contracts)
    return SetRef(kind=kind.value, revision=revision, count=len(names), sha256=digest(names)).model_dump()


def channels_of(artifacts: Sequence[Contract], revision: int, *expected: Kind) -> MissionState:
    """Return the channel values that refer to the artifacts; an expected kind without any refers to the empty set."""
    by_kind: dict[Kind, list[Contract]] = {kind: [] for kind in expected}
    for contract in artifacts:
        by_kind.setdefault(kind_of(contract), []).append(contract)
    update: dict[str, Any] = {}
    for kind, contracts in by_kind.items():
        if kind in _ONE:
            update[_ONE[kind]] = ref_of(contracts[-1])
        elif kind in _MANY:
            update[_MANY[kind]] = set_ref(kind, revision, contracts)
    return cast("MissionState", update)
