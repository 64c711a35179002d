"""A running mission's own view of the store: one stamped connection for its units, its reads and its checkpoints."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from psycopg.rows import DictRow

from adapters.postgres.claims import holder_of
from adapters.postgres.constitutions import IN_FORCE, stored
from adapters.postgres.guard import store_errors
from adapters.postgres.queries import Queries
from adapters.postgres.records import intact, taped_of
from adapters.postgres.rulesets import Active, active_of
from adapters.postgres.saver import StepSaver
from adapters.postgres.sealed_checkpoints import TenantSerializer
from adapters.postgres.steady import Tenure
from adapters.postgres.unit import Connection, Unit
from adapters.postgres.vault import MissionVault
from contracts.base import Contract, InterruptId, MissionId
from contracts.canonical import canonical_bytes, sha256_hex
from contracts.constitution import StoredConstitution
from contracts.decisions import ApprovalDecision
from contracts.errors import IntegrityBroken
from contracts.evidence import WorkerResult, WritebackProposal
from contracts.ports import Clock, Granted, HeldPass, Mission
from contracts.registry import SPECS, Kind, artifact_id, read
from contracts.tape import Taped
from contracts.tasks import LibrarianPass, PassSeal, PheromoneSignal


class RunLedger:
    """Satisfies ``LedgerPort``. The checkpointer and the units take turns under one lock."""

    def __init__(self, conn: Connection, mission: Mission, clock: Clock) -> None:
        self._conn = conn
        self._mission = mission
        self._clock = clock
        self._vault = MissionVault(conn.vault, mission.tenant_id, mission.mission_id)
        self._lock = Tenure()
        self._unit: Unit | None = None
        self._q = Queries.load("ledger")
        self._rules = Queries.load("rulesets")
        self._history = Queries.load("history")

    @property
    def released(self) -> bool:
        """Whether the run has given the mission's lease up, or is about to."""
        return self._unit is not None and self._unit.released

    def saver(self) -> StepSaver:
        """Return LangGraph's checkpointer over the same connection and lock."""
        saver = StepSaver(self._conn, serde=TenantSerializer(self._conn.vault, self._mission.tenant_id))
        saver.lock = self._lock
        return saver

    async def end(self) -> None:
        """End the run's hold on its connection: ledger and checkpointer refuse from here on, with ``FenceLost``.

        Returns when nothing is in flight on it, within seconds.
        """
        await self._lock.end(self._conn)

    @asynccontextmanager
    async def unit(self) -> AsyncIterator[Unit]:
        """Open a unit of work; it commits when the block ends and leaves nothing when the block raises."""
        async with self._lock:
            with store_errors():
                async with self._conn.transaction():
                    self._unit = unit = Unit(self._conn, holder_of(self._mission), self._clock)
                    yield unit
                    await unit.flush()

    async def _rows(self, statement: str, **params: object) -> list[DictRow]:
        async with self._lock:
            with store_errors():
                cursor = await self._conn.execute(
                    statement.encode(), {"mission_id": self._mission.mission_id, **params}
                )
                return await cursor.fetchall() if cursor.description else []

    async def fetch(self, kind: Kind, revision: int | None, ids: Sequence[str] | None = None) -> list[Contract]:
        """Return stored artifacts of one kind, verified, sorted by id."""
        statement = (
            f"select artifact_id, revision, task_key, content, sha256 from {SPECS[kind].table} "  # noqa: S608
            "where mission_id = %(mission_id)s and (%(revision)s::int is null or revision = %(revision)s) "
            "and (%(ids)s::text[] is null or artifact_id = any(%(ids)s)) order by artifact_id"
        )
        rows = await self._rows(statement, revision=revision, ids=list(ids) if ids is not None else None)
        return await asyncio.to_thread(_decoded, kind, rows, self._vault)

    async def results(self, revision: int) -> dict[str, WorkerResult]:
        """Return the task results of one plan revision by task key."""
        rows = await self._rows(self._q["results"], revision=revision)
        rows = [self._vault.opened(SPECS[Kind.WORKER_RESULT].table, row) for row in rows]
        found = (read(Kind.WORKER_RESULT, bytes(row["content"]), row["sha256"]) for row in rows)
        return {result.task_key: result for result in found if isinstance(result, WorkerResult)}

    async def passes(self) -> list[HeldPass]:
        """Return the mission's passes with their seals, those of the newest plan revision last."""
        seals = [PassSeal(**row) for row in await self._rows(self._q["seals"])]
        table = SPECS[Kind.LIBRARIAN_PASS].table
        rows = [self._vault.opened(table, row) for row in await self._rows(self._q["passes"])]
        found = [(read(Kind.LIBRARIAN_PASS, bytes(r["content"]), r["sha256"]), r["revision"]) for r in rows]
        return [
            HeldPass(one, revision, tuple(s for s in seals if s.pass_id == artifact_id(one) and s.revision == revision))
            for one, revision in found
            if isinstance(one, LibrarianPass)
        ]

    async def calls_made(self) -> list[tuple[str, str, Mapping[str, Any], int]]:
        """Return how often each tool call was made, as (task key, tool, arguments, times), since the last retry."""
        rows = await self._rows(self._q["calls_made"])
        calls = [self._vault.opened("colony_tool_calls", row) for row in rows]
        same = Counter((c["task_key"], c["tool"], canonical_bytes(c["arguments"])) for c in calls)
        return [(task_key, tool, json.loads(arguments), n) for (task_key, tool, arguments), n in same.items()]

    async def constitution(self) -> StoredConstitution | None:
        """Return what the store has as the constitution in force, unverified; None if none was ever activated."""
        rows = await self._rows(IN_FORCE)
        return stored(rows[0]) if rows else None

    async def decision(self, interrupt_id: InterruptId) -> ApprovalDecision | None:
        """Return the stored decision on an approval, or None while it is pending."""
        found = await self._rows(self._q["decision"], interrupt_id=interrupt_id)
        rows = [self._vault.opened("colony_approvals", row, interrupt_id=interrupt_id) for row in found]
        with intact("decision"):
            return ApprovalDecision.model_validate_json(bytes(rows[0]["decision_content"])) if rows else None

    async def grants(self) -> list[WritebackProposal]:
        """Return what the mission's approvals grant, byte for byte as it was approved.

        Raises:
            IntegrityBroken: a stored grant was changed.
        """
        rows = [self._vault.opened("colony_approval_grants", r) for r in await self._rows(self._q["grants"])]
        for row in rows:
            if sha256_hex(bytes(row["content"])) != row["sha256"]:
                raise IntegrityBroken("a stored approval grant does not match its hash")
        with intact("approval grant"):
            return [WritebackProposal.model_validate_json(bytes(row["content"])) for row in rows]

    async def granted(self, proposal: WritebackProposal) -> Granted | None:
        """Return how a proposal was let through, exactly so; None when it was not."""
        rows = await self._rows(
            self._q["granted"], proposal_id=proposal.proposal_id, payload_sha256=proposal.payload_sha256
        )
        if not rows:
            return None
        row = rows[0]
        return Granted(row["interrupt_id"], row["actor_id"], row["created_at"], row["intended"])

    async def tape(self, mission_id: MissionId) -> list[Taped]:
        """Return what a mission of the same tenant asked and was answered, in order.

        Raises:
            IntegrityBroken: a recorded text is not what it was.
        """
        rows = await self._rows(self._history["tape"], mission_id=mission_id)
        return await asyncio.to_thread(taped_of, rows, self._conn.vault, self._mission.tenant_id)

    async def signals(self, mission_type: str) -> list[tuple[PheromoneSignal, datetime]]:
        """Return the tenant's pheromone signals for a mission class."""
        rows = await self._rows(self._q["signals"], mission_type=mission_type)
        vault, tenant_id = self._conn.vault, self._mission.tenant_id
        rows = [vault.opened("colony_pheromone_signals", tenant_id, row) for row in rows]
        with intact("signal"):
            return [(PheromoneSignal.model_validate(row["payload"]), row["created_at"]) for row in rows]

    async def active_rules(self, known: Collection[str]) -> Active | None:
        """Return the active rules' hash and content, the latter unless it is known; None: the tenant has none.

        Raises:
            IntegrityBroken: they are not what was activated.
        """
        return active_of(await self._rows(self._rules["active"], known=list(known)))

    async def keep_rules(self, rules_sha256: str, content: bytes) -> None:
        """Store rules beside the decisions that they are about to make."""
        await self._rows(self._rules["keep"], rules_sha256=rules_sha256, content=content)


def _decoded(kind: Kind, rows: Sequence[DictRow], vault: MissionVault) -> list[Contract]:
    """Read and verify what was stored, every hash made anew; large evidence must not keep the process waiting."""
    opened = (vault.opened(SPECS[kind].table, row) for row in rows)
    found = [read(kind, bytes(row["content"]), row["sha256"]) for row in opened]
    for contract in found:
        contract.sha256()
    return found
