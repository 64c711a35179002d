"""Forks: a mission that goes on from a past state of another, as a new one that asks for everything itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from adapters.models.tokens import count_tokens
from adapters.postgres.constitutions import in_force as constitution_in_force
from adapters.postgres.history import History
from adapters.postgres.missions import MissionStore
from adapters.postgres.pasts import Checkpoint, Past, plant, recorded_events
from adapters.postgres.rulesets import RuleSetStore
from adapters.postgres.submissions import Submission
from adapters.postgres.unit import Unit
from contracts.base import SetRef
from contracts.clock import SystemClock
from contracts.errors import BadInput, Conflict, IntegrityBroken, NotFound
from contracts.events import EventType, NewEvent
from contracts.evidence import ResearchArtifact, WorkerResult
from contracts.packets import AggregationPacket, ReviewPacket
from contracts.ports import Mission
from contracts.registry import Kind
from contracts.stateflow import Stage
from contracts.tasks import LibrarianPass, PromptPackage, TaskPlan
from graph.artifacts import FETCHED, StoredArtifacts
from graph.context import Governance
from graph.edits import edited
from graph.forking import FRESH, Held, Seed, begins_at, check_editable, envelope_for, seeded
from graph.inforce import Remembering, in_force


@dataclass(frozen=True)
class Start:
    """Where a mission that comes of another begins; without a seed it begins like a submission."""

    checkpoint: Checkpoint
    seed: Seed | None


@contextmanager
def as_conflicts() -> Iterator[None]:
    """Turn what is missing or does not fit into a conflict: the path's mission is there, and the body's words are.

    Raises:
        Conflict: what is asked for does not go with what the mission has.
    """
    try:
        yield
    except (NotFound, BadInput) as exc:
        raise Conflict(exc.message, code=exc.code, hint=exc.hint) from exc


@dataclass(frozen=True)
class Forking:
    """Works out what a mission begins with, and writes it."""

    store: MissionStore
    history: History
    rules: RuleSetStore
    governance: Governance

    async def start(
        self, parent: Mission, child: Submission, checkpoint_id: str | None, updates: Mapping[str, Any], editor: str
    ) -> Start:
        """Return where a new mission begins, with its updates made and every gate on the way passed anew.

        Raises:
            BadInput: what is updated may not be.
            Conflict: there is no such checkpoint, none before it that this could begin at, or an update does not fit
                what the mission has there.
            Denied: a policy in force does not let on what is inherited.
            ConstitutionUnverified: no constitution that holds is in force.
        """
        check_editable(updates)
        with as_conflicts():
            return await self._start(parent, child, checkpoint_id, updates, editor)

    async def _start(
        self, parent: Mission, child: Submission, checkpoint_id: str | None, updates: Mapping[str, Any], editor: str
    ) -> Start:
        async with self.history.connection(parent.tenant_id) as conn:
            past = Past(conn, parent, SystemClock())
            chosen = await past.at(checkpoint_id)
            if missing := [c for c in updates if c not in chosen.values]:
                raise BadInput(f"there is no {missing[0]} yet at this checkpoint", code="nothing_to_edit")
            found = await past.before(chosen, lambda c: begins_at(c.next, c.values, list(updates)))
            if found.next[0] in FRESH:
                return Start(found, None)
            held = await _held(past, found)
            stage = Stage(found.next[0])
            stored = await self.history.on(conn, "all_events", mission_id=parent.mission_id)
            names = {"mission_id": parent.mission_id}
            rows = [conn.vault.opened("colony_events", parent.tenant_id, row, **names) for row in stored]
            told = recorded_events(rows, stage.value, held.revision)
            law = self.governance.guard.verified(await constitution_in_force(conn))
        held, told = edited(held, told, updates, count_tokens)
        if parent.envelope is None:
            raise IntegrityBroken("the mission has a state, but was not admitted")
        envelope = envelope_for(parent.envelope, child.mission_id, child.actor_id, child.trace_id)
        asks = await in_force(self.governance, self.rules.of(parent.tenant_id), parent.tenant_id)
        by = dict.fromkeys(updates, editor)
        seed = seeded(stage, found.values, held, envelope, told, by, self.governance, Remembering(asks, law))
        return Start(found, seed)

    async def first(self, parent: Mission) -> str:
        """Return the checkpoint that a mission began at.

        Raises:
            NotFound: it has none.
        """
        async with self.history.connection(parent.tenant_id) as conn:
            past = Past(conn, parent, SystemClock())
            return (await past.before(await past.at(None), lambda c: c.parent_id is None)).checkpoint_id

    async def begin(self, parent: Mission, child: Submission, start: Start | None) -> str:
        """Commit a mission that comes of another, with what it begins with and its job; returns its id.

        Raises:
            BadInput: its idempotency key was used for something else.
            Halted: the tenant is halted.
        """

        async def sow(unit: Unit) -> None:
            if start is not None:
                unit.record(_derived(child, start))
                if start.seed is not None:
                    await self._sow(unit, parent, child, start.checkpoint, start.seed)

        return (await self.store.submit(child, sow)).mission_id

    async def _sow(self, unit: Unit, parent: Mission, child: Submission, was: Checkpoint, seed: Seed) -> None:
        mission = replace(parent, mission_id=seed.envelope.mission_id, actor_id=seed.envelope.actor_id, epoch=1)
        await unit.admit(seed.envelope)
        for revision, made in seed.held.by_revision():
            await unit.put(revision, made)
        for gate in seed.gates:
            await unit.put(seed.held.revision, gate.decisions)
        signer, now = self.governance.passes, SystemClock().now()
        await unit.seal([signer.sealed(mission, one, 1, now) for one in seed.held.passes])
        await unit.mark_tasks("completed", [r.task_key for r in (*seed.held.results, *seed.held.done)])
        unit.record(*(event for gate in seed.gates for event in gate.events), *seed.events)
        await unit.enter(seed.stage, f"forked:{was.checkpoint_id}", {})
        await plant(unit.conn, parent.tenant_id, child.mission_id, was, seed.values)


async def _held(past: Past, at: Checkpoint) -> Held:
    """Return what a state refers to; every hash is checked.

    Raises:
        IntegrityBroken: something is gone, or is not what it was.
    """
    values, stored = at.values, StoredArtifacts(past.ledger)
    revision = int(values["revision"])
    results, made_at = await _all(stored, WorkerResult, values.get("results"))
    evidence, evidence_at = await _all(stored, ResearchArtifact, values.get("evidence"))
    review = await stored.one(ReviewPacket, values["review"]) if "review" in values else None
    again = set(review.revise_tasks) if review is not None else set()
    done = tuple(r for r in results if r.task_key not in again) if results and made_at < revision else ()
    wanted = {ref.id for r in results for ref in r.fetched}
    fetched = await past.ledger.fetch(Kind.RESEARCH_ARTIFACT, FETCHED, sorted(wanted)) if wanted else []
    return Held(
        revision=revision,
        made_at=made_at,
        plan=await stored.one(TaskPlan, values["plan"]) if "plan" in values else None,
        packages=(await _all(stored, PromptPackage, values.get("packages")))[0],
        passes=(await _all(stored, LibrarianPass, values.get("passes")))[0],
        evidence=evidence,
        evidence_at=evidence_at,
        fetched=tuple(a for a in fetched if isinstance(a, ResearchArtifact)),
        results=results,
        done=done,
        packet=await stored.one(AggregationPacket, values["packet"]) if "packet" in values else None,
        review=review,
    )


async def _all(stored: StoredArtifacts, model: type[Any], ref: Mapping[str, Any] | None) -> tuple[tuple[Any, ...], int]:
    if ref is None:
        return (), 1
    return await stored.all(model, ref), SetRef.model_validate(ref).revision


def _derived(child: Submission, start: Start) -> NewEvent:
    """Return the event that says where a mission begins, and what was edited."""
    payload: dict[str, Any] = {"stage": Stage.ADMISSION.value, "edited": []}
    if start.seed is not None:
        payload = {"stage": start.seed.stage.value, "edited": list(start.seed.edited)}
        payload |= {"inherited": len(start.seed.events), "revision": start.seed.held.revision}
    kin = child.lineage
    if kin is not None:
        payload |= kin.told()
    payload["begins_at"] = start.checkpoint.checkpoint_id
    return NewEvent(event_type=EventType.MISSION_FORKED, payload=payload, actor=child.actor_id, intent="fork")
