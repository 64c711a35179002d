"""Writing a mission from outside a run: submission, a person's answer, an operator's command.

Each takes the mission's row for itself and raises its epoch first, which also evicts a worker that may be running it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from adapters.postgres.chaining import Holder
from adapters.postgres.claims import holder_of
from adapters.postgres.constitutions import in_force
from adapters.postgres.guard import store_errors
from adapters.postgres.halts import let_on
from adapters.postgres.pools import Pool
from adapters.postgres.queries import Queries
from adapters.postgres.queue import NoQueue
from adapters.postgres.records import decisions_of, intact, mission_of
from adapters.postgres.rulesets import Active, active_of
from adapters.postgres.submissions import Submission, Submitted, received
from adapters.postgres.unit import Connection, Unit
from adapters.postgres.vault import MissionVault, Vault
from adapters.tracing import span_id, traceparent
from contracts.base import ActorId, InterruptId
from contracts.canonical import sha256_hex
from contracts.constitution import StoredConstitution
from contracts.decisions import ApprovalRequest, GivenAnswer, PolicyDecision
from contracts.errors import BadInput, IntegrityBroken, NotFound
from contracts.events import TERMINAL_EVENTS, EventType, NewEvent
from contracts.ports import Clock, Dispatcher, Mission

Sow = Callable[[Unit], Awaitable[None]]
TAKEN = "colony_taken"
"""The channel that says which mission was taken over from outside a run."""


@dataclass(frozen=True)
class Pending:
    """The approval that a mission waits for."""

    interrupt_id: InterruptId
    request: ApprovalRequest
    expires_at: datetime
    given: tuple[GivenAnswer, ...] = ()
    escalated: bool = False
    overdue: bool = False


class Takeover:
    """A mission in the hands of somebody outside a run, inside one transaction."""

    def __init__(self, mission: Mission, unit: Unit, pending: Pending | None, conn: Connection) -> None:
        self.mission = mission
        self.unit = unit
        self.pending = pending
        self.connection = conn
        self._q = Queries.load("missions")

    async def _rows(self, statement: str, **params: Any) -> list[DictRow]:
        named = {"mission_id": self.mission.mission_id, "actor": self.unit.holder.actor_id, **params}
        cursor = await self.connection.execute(self._q[statement], named)
        return await cursor.fetchall() if cursor.description else []

    async def give(self, answer: GivenAnswer) -> None:
        """Store one person's answer in its place."""
        content = answer.canonical()
        names = {"interrupt_id": answer.interrupt_id, "number": answer.number, "on_behalf_of": answer.on_behalf_of}
        stored = {"payload": Jsonb(json.loads(content)), "content": content}
        sealed = self.unit.vault.sealed("colony_approval_answers", **names, **stored)
        await self._rows("give", **sealed, sha256=sha256_hex(content))

    async def escalate(self, interrupt_id: str) -> bool:
        """Mark the pending approval as escalated; False when it has been."""
        return bool(await self._rows("escalate", interrupt_id=interrupt_id))

    async def delegators(self, roles: Collection[str]) -> list[ActorId]:
        """Return who lets the acting person answer in their place at present."""
        return [ActorId(row["actor_id"]) for row in await self._rows("delegators", roles=sorted(roles))]

    async def decided(self) -> list[PolicyDecision]:
        """Return what the release layer has decided about the mission so far; see ``decisions_of``."""
        return decisions_of(await self._rows("decided"), self.unit.vault)

    async def active_rules(self, known: Collection[str]) -> Active | None:
        """Return the active rules' hash and content, the latter unless it is known; None: the tenant has none.

        Raises:
            IntegrityBroken: they are not what was activated.
        """
        rules = await self.connection.execute(Queries.load("rulesets")["active"], {"known": list(known)})
        return active_of(await rules.fetchall())

    async def constitution(self) -> StoredConstitution | None:
        """Return what the store has as the constitution in force, unverified."""
        return await in_force(self.connection)

    async def refusals(self) -> list[dict[str, Any]]:
        """Return the refused answers that the mission's chain records: interrupt id, who, code, rules."""
        rows = [self.unit.vault.opened("colony_events", row) for row in await self._rows("refusals")]
        said = [(row["actor_id"], json.loads(bytes(row["content"]))["payload"]) for row in rows]
        return [{"actor_id": who, **{k: p.get(k) for k in ("interrupt_id", "code", "rules")}} for who, p in said]

    async def was_asked(self, interrupt_id: str) -> bool:
        """Tell whether this is, or was, one of the mission's approvals."""
        return bool(await self._rows("asked", interrupt_id=interrupt_id))


class MissionStore:
    """Missions as the API writes them."""

    def __init__(self, pool: Pool, dispatcher: Dispatcher, clock: Clock) -> None:
        self._pool = pool
        self._dispatcher = dispatcher
        self._clock = clock
        self._q = Queries.load("missions")

    @property
    def vault(self) -> Vault:
        """How payloads of this database are sealed."""
        return self._pool.vault

    def undispatched(self) -> MissionStore:
        """Return the same for missions that no worker is to run: nothing is enqueued for them."""
        return MissionStore(self._pool, NoQueue(), self._clock)

    @asynccontextmanager
    async def _transaction(self, tenant_id: str) -> AsyncIterator[Connection]:
        with store_errors():
            async with self._pool.connection() as conn, conn.transaction():
                await self._pool.stamp(conn, tenant_id)
                yield conn

    async def submit(self, s: Submission, sow: Sow | None = None) -> Submitted:
        """Commit the mission, its first event and its job together; the same key gives the same mission.

        What a mission that comes of another begins with is written by ``sow``.

        Raises:
            BadInput: the key was used for something else.
            Halted: the tenant is halted.
            StoreUnavailable: Postgres does not answer; nothing was kept.
        """
        async with self._transaction(s.tenant_id) as conn:
            await let_on(conn, s.tenant_id)
            if s.idempotency_key is not None and not await self._reserve(conn, s.idempotency_key, s):
                if (earlier := await self._under_key(conn, s.idempotency_key, s.keyed_sha256)) is None:
                    raise NotFound("the earlier submission with this key is gone")
                return Submitted(earlier, fresh=False)
            unit = await self._opened(conn, s)
            if sow is not None:
                await sow(unit)
            await unit.flush()
            await self._dispatcher.dispatch(s.mission_id, s.tenant_id, connection=conn)
        return Submitted(s.mission_id, fresh=True)

    async def under_key(self, tenant_id: str, key: str, asked_sha256: str) -> str | None:
        """Return the mission that this was answered with before, if it was.

        Raises:
            BadInput: the key was used for something else.
        """
        async with self._transaction(tenant_id) as conn:
            return await self._under_key(conn, key, asked_sha256)

    async def _opened(self, conn: Connection, s: Submission) -> Unit:
        """Insert the mission with its budget and its first event."""
        payload: dict[str, Any] = {"request": s.request.model_dump(mode="json")}
        payload["approval_timeout_ms"] = s.approval_timeout_ms
        payload["approval_escalate_ms"] = s.approval_escalate_ms
        payload["traceparent"] = traceparent(s.trace_id)
        kin = s.lineage
        if kin is not None and kin.rehearsal is not None:
            payload["rehearsal"] = kin.rehearsal.model_dump(mode="json")
        names = {"mission_id": s.mission_id, "actor_id": s.actor_id, "mission_type": s.request.mission_type.value}
        versions = {"graph_version": s.graph_version, "trace_id": s.trace_id}
        come_of = {
            "parent": kin.parent_mission_id if kin else None,
            "checkpoint": kin.parent_checkpoint_id if kin else None,
            "kind": kin.kind.value if kin else None,
        }
        await conn.execute(self._q["scope_epoch"], {"epoch": "1"})
        row = conn.vault.sealed("colony_missions", s.tenant_id, {**names, "payload": Jsonb(payload)})
        await conn.execute(self._q["insert"], {**versions, **come_of, **row})
        holder = Holder(s.mission_id, s.tenant_id, 1, s.trace_id, s.actor_id, span_id(s.trace_id))
        unit = Unit(conn, holder, self._clock)
        await unit.open_budget(s.token_budget, s.time_budget_ms)
        unit.record(received(s))
        return unit

    async def _reserve(self, conn: Connection, key: str, s: Submission) -> bool:
        params = {"key": key, "request_sha256": s.keyed_sha256, "mission_id": s.mission_id}
        return await (await conn.execute(self._q["reserve"], params)).fetchone() is not None

    async def _under_key(self, conn: Connection, key: str, asked_sha256: str) -> str | None:
        row = await (await conn.execute(self._q["reserved"], {"key": key})).fetchone()
        if row is not None and row["request_sha256"] != asked_sha256:
            raise BadInput("this Idempotency-Key was used for another request", code="idempotency_key_reused")
        return None if row is None else str(row["mission_id"])

    @asynccontextmanager
    async def take(self, tenant_id: str, mission_id: str, actor_id: str) -> AsyncIterator[Takeover]:
        """Lock the mission, raise its epoch and open a unit; everything in the block commits together.

        Raises:
            NotFound: there is no such mission for this tenant.
            IntegrityBroken: it, or its pending approval, can't be read.
        """
        async with self._transaction(tenant_id) as conn:
            names = {"mission_id": mission_id}
            row = await self._locked(conn, names)
            pending = await self._pending(conn, MissionVault(conn.vault, tenant_id, mission_id), names)
            await conn.execute(self._q["scope_epoch"], {"epoch": str(row["epoch"] + 1)})
            await conn.execute(self._q["take_over"], names)
            await conn.execute(self._q["evict"], names)
            mission = mission_of({**row, "epoch": row["epoch"] + 1})
            unit = Unit(conn, holder_of(mission, actor_id=actor_id), self._clock)
            yield Takeover(mission, unit, pending, conn)
            await unit.flush()

    async def end_again(self, takeover: Takeover) -> None:
        """Say once more how a mission ended, as it is now: what became known after its end is not the last word.

        To be called when everything else about it is written.
        """
        names = {"mission_id": takeover.mission.mission_id}
        row = await (await takeover.connection.execute(self._q["ending"], names)).fetchone()
        if row is None or EventType(row["event_type"]) not in TERMINAL_EVENTS:
            return
        said = json.loads(bytes(takeover.unit.vault.opened("colony_events", row)["content"]))["payload"]
        counted = {"effects": row["effects"]} if "effects" in said else {}
        payload = {**said, **counted}
        takeover.unit.record(NewEvent(event_type=EventType(row["event_type"]), payload=payload, actor=row["actor_id"]))

    async def writing(self, takeover: Takeover) -> bool:
        """Whether the mission has begun to write, or has written."""
        names = {"mission_id": takeover.mission.mission_id}
        row = await (await takeover.connection.execute(self._q["writing"], names)).fetchone()
        return bool(row and row["writing"])

    @asynccontextmanager
    async def beside(self, tenant_id: str, mission_id: str, actor_id: str) -> AsyncIterator[Takeover]:
        """Lock the mission to note something about it, whoever runs it: the epoch stays, and so does the run.

        Raises:
            NotFound: there is no such mission for this tenant.
        """
        async with self._transaction(tenant_id) as conn:
            row = await self._locked(conn, {"mission_id": mission_id})
            await conn.execute(self._q["scope_epoch"], {"epoch": str(row["epoch"])})
            mission = mission_of(row)
            unit = Unit(conn, holder_of(mission, actor_id=actor_id), self._clock)
            yield Takeover(mission, unit, None, conn)
            await unit.flush()

    async def _locked(self, conn: Connection, names: dict[str, Any]) -> DictRow:
        row = await (await conn.execute(self._q["lock"], names)).fetchone()
        if row is None:
            raise NotFound("there is no such mission", code="mission_not_found")
        return conn.vault.opened("colony_missions", row["tenant_id"], row)

    async def resume(self, takeover: Takeover, *, although_halted: bool = False) -> None:
        """Enqueue the mission inside the takeover's transaction; nobody runs it before a halt is lifted.

        Raises:
            Halted: the tenant is halted; what the transaction has done so far is not kept either.
        """
        m = takeover.mission
        if not although_halted:
            await let_on(takeover.connection, m.tenant_id)
        await self._dispatcher.dispatch(m.mission_id, m.tenant_id, connection=takeover.connection)

    async def _pending(self, conn: Connection, vault: MissionVault, names: dict[str, Any]) -> Pending | None:
        row = await (await conn.execute(self._q["pending"], names)).fetchone()
        if row is None:
            return None
        content = bytes(vault.opened("colony_approvals", row)["content"])
        if sha256_hex(content) != row["sha256"]:
            raise IntegrityBroken("the stored approval request does not match its hash")
        which = {"interrupt_id": row["interrupt_id"]}
        answers = await (await conn.execute(self._q["answers"], names | which)).fetchall()
        stored = [vault.opened("colony_approval_answers", one, **which) for one in answers]
        if any(sha256_hex(bytes(one["content"])) != one["sha256"] for one in stored):
            raise IntegrityBroken("a stored answer does not match its hash")
        with intact("approval"):
            return Pending(
                interrupt_id=row["interrupt_id"],
                request=ApprovalRequest.model_validate_json(content),
                expires_at=row["expires_at"],
                given=tuple(GivenAnswer.model_validate_json(bytes(one["content"])) for one in stored),
                escalated=row["escalated"],
                overdue=row["overdue"],
            )
