"""Reading artifacts by the references in the state; every hash is checked, and nothing is read twice in a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from contracts.base import ArtifactId, Contract, Ref, SetRef
from contracts.errors import IntegrityBroken
from contracts.events import EventType, NewEvent
from contracts.evidence import ResearchArtifact, Trust, WorkerResult
from contracts.ports import LedgerPort, UnitPort
from contracts.registry import SPECS, Kind, artifact_id
from contracts.tasks import Task
from graph.channels import set_ref
from graph.context import Record
from graph.taint import labelled

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

    def trusts(self) -> dict[ArtifactId, Trust]:
        """Return who wrote each piece of evidence that this run has read."""
        read = (one for found in self._seen.values() for one in found if isinstance(one, ResearchArtifact))
        return {one.artifact_id: one.trust for one in read}


def _as(model: type[StoredT], contracts: Sequence[Contract]) -> tuple[StoredT, ...]:
    return tuple(c for c in contracts if isinstance(c, model))


class StoredResults:
    """Satisfies ``ResultPort``: a task's result, its model calls and its events in one transaction.

    What a result owes to untrusted text is worked out here, from what was read, before it is stored.
    """

    def __init__(self, ledger: LedgerPort, record: Record, artifacts: StoredArtifacts) -> None:
        self._ledger = ledger
        self._record = record
        self._artifacts = artifacts
        self._needs: dict[str, tuple[str, ...]] | None = None

    async def done(self, revision: int) -> dict[str, WorkerResult]:
        """Return the stored results by task key."""
        return await self._ledger.results(revision)

    async def save(
        self,
        revision: int,
        result: WorkerResult,
        events: Sequence[NewEvent],
        fetched: Sequence[ResearchArtifact] = (),
    ) -> WorkerResult:
        """Store one task's result with its taint, and return it."""
        stored = await self._labelled(revision, result, fetched)
        async with self._ledger.unit() as unit:
            await self._record.put(unit, FETCHED, fetched)
            await self._record.put(unit, revision, [stored])
            await self._record.store(unit)
            await _noted(unit, renamed(events, result, stored))
        return stored

    async def _labelled(self, revision: int, result: WorkerResult, fetched: Sequence[ResearchArtifact]) -> WorkerResult:
        if self._needs is None:
            tasks = await self._ledger.fetch(Kind.TASK, None)
            self._needs = {t.task_key: t.depends_on for t in tasks if isinstance(t, Task)}
        needs = self._needs.get(result.task_key, ())
        done = await self._ledger.results(revision) if needs else {}
        before = [done[key] for key in needs if key in done]
        trusts = self._artifacts.trusts() | {a.artifact_id: a.trust for a in fetched}
        return labelled(result, self._record.read.pop(result.task_key, []), before, trusts)

    async def note(self, events: Sequence[NewEvent]) -> None:
        """Record events about tasks."""
        async with self._ledger.unit() as unit:
            await _noted(unit, events)
            await self._record.store(unit)


def renamed(events: Sequence[NewEvent], was: Contract, to: Contract) -> list[NewEvent]:
    """Return the events with the name that an artifact has now."""
    old, new = artifact_id(was), artifact_id(to)
    return [e.model_copy(update={"artifact_id": new}) if e.artifact_id == old else e for e in events]


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
