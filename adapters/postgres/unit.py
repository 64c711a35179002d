"""The unit of work: one transaction for one mission, and the only way anything about it is written."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from adapters.postgres.chaining import Holder, chained
from adapters.postgres.queries import Queries
from adapters.postgres.rows import call_params, encoded, event_params, taped_params, task_key, texts_of, tool_params
from adapters.postgres.steady import SteadyConnection
from adapters.postgres.vault import MissionVault
from contracts.base import Contract, InterruptId
from contracts.canonical import canonical_bytes, digest, sha256_hex
from contracts.clock import rfc3339
from contracts.decisions import ApprovalDecision, ApprovalRequest, PolicyDecision
from contracts.effects import effect_event
from contracts.errors import Conflict, Denied, FenceLost, IntegrityBroken
from contracts.events import TERMINAL_EVENTS, NewEvent
from contracts.evidence import WritebackProposal
from contracts.mission import MissionEnvelope
from contracts.ports import Clock, EffectOutcome, ModelCall, ToolCall
from contracts.registry import SPECS, artifact_id, kind_of
from contracts.stateflow import ENDED, STATUS_MOVES, Stage, Status
from contracts.tape import Taped
from contracts.tasks import LibrarianPass, PassSeal, PheromoneSignal, Task

Connection = SteadyConnection


class Unit:
    """One open transaction. Everything is written as the holder's epoch; a stale one fails closed."""

    def __init__(self, conn: Connection, holder: Holder, clock: Clock) -> None:
        self.conn = conn
        self.holder = holder
        self.released = False
        self.vault = MissionVault(conn.vault, holder.tenant_id, holder.mission_id)
        self._clock = clock
        self._events: list[NewEvent] = []
        self._q = Queries.load("unit")

    async def _run(self, statement: str, **params: Any) -> int:
        cursor = await self.conn.execute(self._q[statement], self._params(params))
        return cursor.rowcount

    async def _row(self, statement: str, **params: Any) -> DictRow | None:
        cursor = await self.conn.execute(self._q[statement], self._params(params))
        return await cursor.fetchone()

    def _params(self, params: dict[str, Any]) -> dict[str, Any]:
        h = self.holder
        return {"mission_id": h.mission_id, "epoch": h.epoch, "actor": h.actor_id, **params}

    def record(self, *events: NewEvent) -> None:
        """Add events to the mission's chain; they are written, in this order, when the unit ends."""
        self._events.extend(events)

    async def flush(self) -> None:
        """Write the recorded events, chained, and ring the doorbell; called once, just before the commit.

        Raises:
            FenceLost: the mission has moved to another epoch.
        """
        if not self._events:
            return
        row = await self._row("head")
        if row is None:
            raise FenceLost("another process has taken this mission over")
        was, prev = int(row["seq"]), str(row["head"])
        seq, rows = was, []
        for event in self._events:
            seq += 1
            made = chained(event, self.holder, seq, prev, rfc3339(self._clock.now()))
            rows.append(self._params(self.vault.sealed("colony_events", **event_params(made))))
            prev = made.hash
        await self._run("advance", seq=seq, head=prev, was=was)
        async with self.conn.cursor() as cursor:
            await cursor.executemany(self._q["event"], rows)
        await self._run("ring")
        self._events.clear()

    async def put(self, revision: int, artifacts: Sequence[Contract]) -> None:
        """Store artifacts, written once; the same content under the same name is left alone."""
        for contract, content in zip(artifacts, await asyncio.to_thread(encoded, artifacts), strict=True):
            kind = kind_of(contract)
            columns: dict[str, Any] = {
                "artifact_id": artifact_id(contract),
                "mission_id": self.holder.mission_id,
                "revision": revision,
                "actor_id": self.holder.actor_id,
                "task_key": task_key(contract),
                "status": "planned" if isinstance(contract, Task) else "stored",
                "payload": Jsonb(content, dumps=bytes),
                "content": content,
                "sha256": contract.sha256(),
            }
            if isinstance(contract, LibrarianPass):
                columns["expires_at"] = self._clock.now() + timedelta(milliseconds=contract.ttl_ms)
            if isinstance(contract, PolicyDecision):
                columns |= {"layer": contract.layer.value, "outcome": contract.outcome.value}
            names = ", ".join(columns)
            marks = ", ".join(f"%({c})s" for c in columns)
            columns = self.vault.sealed(SPECS[kind].table, **columns)
            # Table and columns come from the registry and the lines above, never from input.
            statement = f"insert into {SPECS[kind].table} ({names}) values ({marks}) on conflict do nothing"  # noqa: S608
            await self.conn.execute(statement.encode(), columns)

    async def seal(self, seals: Sequence[PassSeal]) -> None:
        """Store the signatures that this run puts on passes; one that is there already stays."""
        for seal in seals:
            await self._run("seal", **seal.model_dump(exclude={"epoch"}))

    async def mark_tasks(self, status: str, task_keys: Sequence[str]) -> None:
        """Note on the plan's tasks how far they are: ``running``, ``completed`` or ``failed``."""
        if task_keys:
            await self._run("mark_tasks", status=status, task_keys=list(task_keys))

    async def copy_results(self, was: int, to: int, *, again: Sequence[str]) -> None:
        """Carry results over to the next plan revision, all but those of the tasks that are to run again."""
        await self._run("copy_results", was=was, to=to, again=list(again))

    async def enter(self, stage: Stage, step_key: str, update: Mapping[str, Any]) -> None:
        """Note that a step is done, what it gave, and which stage comes next."""
        given = self.vault.sealed("colony_missions", step_update=Jsonb(dict(update)))
        await self._guarded("enter", stage=stage.value, step_key=step_key, **given)

    async def move(self, status: Status, *, failure: Mapping[str, Any] | None = None) -> None:
        """Change the mission's status; one that ends leaves no question open.

        Raises:
            Conflict: the mission is not in a state that allows the move.
        """
        was = [s.value for s, to in STATUS_MOVES.items() if status in to]
        if await self._run("move", to=status.value, was=was, failure=self.vault.part("failure", failure)) == 0:
            raise Conflict(f"the mission can't become {status.value} from where it is", code="illegal_move")
        if status in ENDED:
            await self._leave_open()
            closed = Status.EXPIRED if status is Status.EXPIRED else Status.CANCELLED
            await self._run("close_approval", status=closed.value)

    async def _leave_open(self) -> None:
        """A write that is under way when its mission ends has an unknown outcome; that is said before the end is."""
        outcome = EffectOutcome("unknown", {"code": "mission_ended", "reason": "its mission ended while it was sent"})
        cursor = await self.conn.execute(self._q["under_way"], self._params({}))
        rows = [self.vault.opened("colony_writebacks", row) for row in await cursor.fetchall()]
        left = [WritebackProposal.model_validate(row["payload"]) for row in rows]
        for proposal in left:
            await self.settle(proposal, outcome)
        ends = (n for n, event in enumerate(self._events) if event.event_type in TERMINAL_EVENTS)
        at = next(ends, len(self._events))
        self._events[at:at] = [effect_event(proposal, outcome) for proposal in left]

    async def _guarded(self, statement: str, **params: Any) -> None:
        if await self._run(statement, **params) == 0:
            raise FenceLost("another process has taken this mission over")

    async def admit(self, envelope: MissionEnvelope) -> None:
        """Store the admitted envelope."""
        await self._guarded("admit", envelope=self.vault.part("envelope", envelope.model_dump(mode="json")))

    async def open_budget(self, tokens: int, time_ms: int) -> None:
        """Open the mission's budget."""
        await self._run("open_budget", tokens=tokens, time_ms=time_ms)

    async def ask_person(
        self, interrupt_id: InterruptId, request: ApprovalRequest, timeout_ms: int, escalate_ms: int | None
    ) -> datetime:
        """Open the approval that people are to answer; returns its deadline. Asking the same again changes nothing."""
        content = request.canonical()
        stored = self.vault.sealed(
            "colony_approvals", interrupt_id=interrupt_id, payload=Jsonb(json.loads(content)), content=content
        )
        row = await self._row(
            "ask_person", **stored, sha256=sha256_hex(content), timeout_ms=timeout_ms, escalate_ms=escalate_ms
        )
        if row is None:
            raise FenceLost("another process has taken this mission over")
        return cast("datetime", row["expires_at"])

    async def decide(self, decision: ApprovalDecision) -> None:
        """Store a person's decision and what it grants; of several answers the first wins.

        Raises:
            Conflict: there is no such pending approval.
        """
        content = decision.canonical()
        said = {"decision": Jsonb(json.loads(content)), "decision_content": content}
        stored = self.vault.sealed("colony_approvals", interrupt_id=decision.interrupt_id, **said)
        if await self._run("decide", **stored) == 0:
            raise Conflict("this approval has been answered already", code="already_decided")
        for proposal in decision.granted:
            granted = canonical_bytes(proposal.model_dump(mode="json"))
            stored = self.vault.sealed(
                "colony_approval_grants",
                proposal_id=proposal.proposal_id,
                payload_sha256=proposal.payload_sha256,
                payload=Jsonb(json.loads(granted)),
                content=granted,
            )
            await self._run("grant", interrupt_id=decision.interrupt_id, **stored, sha256=sha256_hex(granted))

    async def reopen_approval(
        self, timeout_ms: int, escalate_ms: int | None
    ) -> tuple[InterruptId, ApprovalRequest, datetime] | None:
        """Ask a question that was closed unanswered again, and return it with its new deadline; None: there is none.

        Raises:
            IntegrityBroken: it is not what was asked before.
        """
        row = await self._row("reopen_approval", timeout_ms=timeout_ms, escalate_ms=escalate_ms)
        if row is None:
            return None
        content = bytes(self.vault.opened("colony_approvals", row)["content"])
        if sha256_hex(content) != row["sha256"]:
            raise IntegrityBroken("the stored approval request does not match its hash")
        return row["interrupt_id"], ApprovalRequest.model_validate_json(content), row["expires_at"]

    async def intend(self, proposal: WritebackProposal, idempotency_key: str) -> EffectOutcome | None:
        """Record the intent to write; returns the recorded outcome when there is one already.

        Raises:
            Denied: no grant covers exactly this payload.
        """
        name = {"proposal_id": proposal.proposal_id, "payload_sha256": proposal.payload_sha256}
        stored = self.vault.sealed("colony_writebacks", **name, payload=Jsonb(proposal.model_dump(mode="json")))
        if await self._row("intend", **stored, idempotency_key=idempotency_key) is not None:
            return None
        row = await self._row("effect", **name)
        if row is None:
            raise Denied("no approval covers exactly this payload", code="grant_missing")
        return EffectOutcome(row["status"], self.vault.opened("colony_writebacks", row, **name)["outcome"] or {})

    async def settle(self, proposal: WritebackProposal, outcome: EffectOutcome) -> None:
        """Record how a write ended."""
        name = {"proposal_id": proposal.proposal_id, "payload_sha256": proposal.payload_sha256}
        stored = self.vault.sealed("colony_writebacks", **name, outcome=Jsonb(dict(outcome.detail)))
        await self._run("settle", **stored, status=outcome.status)

    async def spend(self, calls: Sequence[ModelCall], tools: Sequence[ToolCall], revision: int) -> None:
        """Record model and tool calls and charge the budget for them."""
        for tool in tools:
            await self._run(
                "tool_call", revision=revision, **self.vault.sealed("colony_tool_calls", **tool_params(tool))
            )
        for call in calls:
            await self._run(
                "model_call", revision=revision, **self.vault.sealed("colony_model_calls", **call_params(call))
            )
        if calls:
            await self._run(
                "charge",
                tokens_in=sum(c.tokens_in for c in calls),
                tokens_out=sum(c.tokens_out for c in calls),
                cost_usd=sum(c.cost_usd for c in calls),
                calls=len(calls),
            )

    async def tape(self, taped: Sequence[Taped]) -> None:
        """Store what was asked and answered: each text once a tenant."""
        if taped:
            async with self.conn.cursor() as cursor:
                texts = [self.vault.sealed("colony_recorded", **text) for text in texts_of(taped)]
                await cursor.executemany(self._q["recorded"], texts)
                await cursor.executemany(self._q["tape"], [self._params(taped_params(one)) for one in taped])

    async def hold(self, tokens: int) -> None:
        """Note how many tokens are set aside for model calls that are under way."""
        await self._run("hold", tokens=tokens)

    async def leave(self, signals: Sequence[PheromoneSignal]) -> None:
        """Leave pheromone signals for later missions."""
        for signal in signals:
            said = signal.model_dump(mode="json")
            stored = self.vault.sealed(
                "colony_pheromone_signals",
                signal_id="ps_" + digest([self.holder.mission_id, said])[:24],
                payload=Jsonb(said),
            )
            await self._run(
                "leave",
                **stored,
                mission_type=signal.mission_type,
                kind=signal.kind,
                source=signal.source,
                strength=signal.strength,
                half_life_ms=signal.half_life_ms,
            )

    async def release_lease(self) -> None:
        """Give the mission's lease up: nobody runs it from here on. Its time is charged to the budget."""
        self.released = True
        await self._run("release_lease")
