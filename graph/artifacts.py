"""Reading artifacts by the references in the state; every hash is checked, and nothing is read twice in a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from contracts.base import Contract, Ref, SetRef
from contracts.errors import IntegrityBroken
from contracts.events import EventType, NewEvent
from contracts.evidence import ResearchArtifact, WorkerResult
from contracts.ports import LedgerPort, UnitPort
from contracts.registry import SPECS, Kind
from graph.channels import set_ref
from graph.context import Record

StoredT = TypeVar("StoredT", bound=Contract)

FETCHED = 0
"""The revision that stands for none: what tasks fetched themselves is in no revision's set, its results name it."""


def kind_for(model: type[Contract]) -> Kind:
    """Return the kind that a contract is stored as."""
    return next(kind for kind, spec in SPECS.items() if model in spec.readers.values())


class StoredArtifacts:
    """Satisfies ``ArtifactPort`` over the run's ledger."""

    def __init__(self, ledger: LedgerPort) -> None:
        self._ledger = ledger
        self._seen: dict[str, tuple[Contract, ...]] = {}

    async def one(self, model: type[StoredT], ref: Mapping[str, Any]) -> StoredT:
        """Return the artifact a ``Ref`` points to.

        Raises:
            IntegrityBroken: it is gone, or is not what it was.
        """
        wanted = Ref.model_validate(ref)
        if wanted.sha256 not in self._seen:
            found = await self._ledger.fetch(kind_for(model), None, [wanted.id])
            if not found or found[0].sha256() != wanted.sha256:
                raise IntegrityBroken(f"a stored {kind_for(model)} is not what the mission's state refers to")
            self._seen[wanted.sha256] = (found[0],)
        return _as(model, self._seen[wanted.sha256])[0]

    async def all(self, model: type[StoredT], ref: Mapping[str, Any]) -> tuple[StoredT, ...]:
        """Return every artifact a ``SetRef`` points to, sorted by id.

        Raises:
            IntegrityBroken: one is gone, was added, or is not what it was.
        """
        wanted = SetRef.model_validate(ref)
        if wanted.sha256 not in self._seen:
            kind = Kind(wanted.kind)
            found = tuple(await self._ledger.fetch(kind, wanted.revision))
            if set_ref(kind, wanted.revision, found) != wanted.model_dump():
                raise IntegrityBroken(f"the stored {kind} set is not what the mission's state refers to")
            self._seen[wanted.sha256] = found
        return _as(model, self._seen[wanted.sha256])


def _as(model: type[StoredT], contracts: Sequence[Contract]) -> tuple[StoredT, ...]:
    return tuple(c for c in contracts if isinstance(c, model))


class StoredResults:
    """Satisfies ``ResultPort``: a task's result, its model calls and its events in one transaction."""

    def __init__(self, ledger: LedgerPort, record: Record) -> None:
        self._ledger = ledger
        self._record = record

    async def done(self, revision: int) -> dict[str, WorkerResult]:
        """Return the stored results by task key."""
        return await self._ledger.results(revision)

    async def save(
        self,
        revision: int,
        result: WorkerResult,
        events: Sequence[NewEvent],
        fetched: Sequence[ResearchArtifact] = (),
    ) -> None:
        """Store one task's result."""
        async with self._ledger.unit() as unit:
            await unit.put(FETCHED, fetched)
            await unit.put(revision, [result])
            await self._record.store(unit)
            await _noted(unit, events)

    async def note(self, events: Sequence[NewEvent]) -> None:
        """Record events about tasks."""
        async with self._ledger.unit() as unit:
            await _noted(unit, events)
            await self._record.store(unit)


_TASK_STATUS = {
    EventType.TASK_STARTED: "running",
    EventType.TASK_COMPLETED: "completed",
    EventType.TASK_FAILED: "failed",
}


async def _noted(unit: UnitPort, events: Sequence[NewEvent]) -> None:
    """Record events, and on the tasks they are about how far those are."""
    unit.record(*events)
    for kind, status in _TASK_STATUS.items():
        await unit.mark_tasks(status, [e.payload["task_key"] for e in events if e.event_type is kind])
