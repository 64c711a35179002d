"""A whole mission told without a database: revised once, one claim withheld, one proposal edited, one turned down."""

from __future__ import annotations

from typing import Any

from adapters.postgres.reader import MissionRecord
from contracts.base import ActorId, Contract, InterruptId, MissionId, TaskKey
from contracts.canonical import ZERO_HASH, canonical_bytes, digest, sha256_hex
from contracts.clock import rfc3339
from contracts.decisions import (
    ApprovalDecision,
    ApprovalRequest,
    Outcome,
    PolicyDecision,
    PolicyQuestion,
    ProposalAnswer,
    Verdict,
)
from contracts.events import EventType, RuntimeEvent, chain_hash, phase_of
from contracts.evidence import Claim, ResearchArtifact, WorkerResult, WritebackProposal
from contracts.registry import artifact_id, kind_of
from contracts.released import proposals
from contracts.stateflow import Layer
from contracts.tasks import LibrarianPass, Task, TaskKind, TaskPlan, ToolGrant
from tests.server.verify.values import (
    ACTOR,
    ENVELOPE,
    INTERRUPT,
    MISSION,
    NOW,
    REQUEST,
    TASK,
    TENANT,
    TEXT,
    TRACE,
    aggregated,
    changes_of,
    claims_of,
    edited,
    evidence,
    reviewed,
)

RULES = "5" * 64
SAID = {"allow": "passed", "escalate": "escalated", "deny": "blocked"}


class Story:
    """A mission as it is told: what happens is recorded as the service would record it."""

    def __init__(self, text: str = TEXT) -> None:
        self.text = text
        self.events: list[dict[str, Any]] = []
        self.head = ZERO_HASH
        self.artifacts: list[dict[str, Any]] = []
        self.approvals: list[dict[str, Any]] = []
        self.grants: list[dict[str, Any]] = []
        self.writebacks: list[dict[str, Any]] = []
        self.model_calls: list[dict[str, Any]] = []
        self.tool_calls: list[dict[str, Any]] = []
        self.status = "running"

    def event(self, kind: str, payload: dict[str, Any], named: str | None = None, actor: str = "colony") -> None:
        seq = len(self.events) + 1
        bare = RuntimeEvent(
            event_id="ev_" + digest([MISSION, seq])[:24],
            mission_id=MISSION,
            tenant_id=TENANT,
            seq=seq,
            trace_id=TRACE,
            span_id="0" * 16,
            actor=actor,
            intent="",
            artifact_id=named,
            phase=phase_of(EventType(kind)),
            event_type=EventType(kind),
            timestamp=rfc3339(NOW),
            payload=payload,
            prev_hash=self.head,
            hash="",
        )
        made = chain_hash(self.head, seq, bare.body())
        self.events.append({"seq": seq, "prev_hash": self.head, "hash": made, "content": bare.body()})
        self.head = made

    def put(self, contract: Contract, revision: int = 1) -> str:
        content = contract.canonical()
        row = {"kind": kind_of(contract).value, "artifact_id": artifact_id(contract), "revision": revision}
        key = getattr(contract, "task_key", "")
        self.artifacts.append(row | {"task_key": key, "content": content, "sha256": sha256_hex(content)})
        return str(row["artifact_id"])

    def decided(self, layer: str, action: str, name: str, outcome: str = "allow", who: str = "p") -> PolicyDecision:
        e = ENVELOPE
        attrs = {"tenant": TENANT, "risk_level": e.risk_level.value, "review_level": e.review_level.value}
        question = PolicyQuestion(
            layer=Layer(layer),
            action=action,
            principal={"type": "Actor", "id": who, "attrs": {}},
            resource={"type": "Thing", "id": name, "attrs": attrs},
            context={"token_budget": e.token_budget, "time_budget_ms": e.time_budget_ms},
        )
        decision = PolicyDecision(
            layer=Layer(layer),
            outcome=Outcome(outcome),
            rules=(f"{layer}.rule",),
            reasons=("because",),
            question=question,
            question_sha256=question.sha256(),
            rules_sha256=RULES,
        )
        self.put(decision, 0)
        return decision

    def gate(self, layer: str, action: str, subject: str, name: str, outcome: str = "allow") -> None:
        d = self.decided(layer, action, name, outcome)
        payload = {"outcome": SAID[outcome], "decision_id": d.decision_id, "rules": list(d.rules)}
        self.event(f"gate.{layer}", payload | {"reasons": list(d.reasons), "subject": subject}, d.decision_id)

    def begin(self) -> None:
        payload = {
            "mission_type": REQUEST.mission_type.value,
            "request_sha256": digest(REQUEST.model_dump(mode="json")),
        }
        self.event("intent.received", payload, actor=ACTOR)
        self.gate("admission", "admit", "mission", "mission")

    def plan(self) -> None:
        task = Task(task_key=TaskKey(TASK), kind=TaskKind.EXTRACT_FACTS, title="Find facts", expected_output="facts")
        named = self.put(TaskPlan(tasks=(task,), rationale="because"))
        self.put(task)
        self.event("plan.created", {}, named)
        self.gate("scope", "plan", "plan", "plan")
        self.gate("routing", "route", TASK, "tier_local_private")
        grant = ToolGrant(tool="root.get_chat", arguments={"lead_id": "L-1"})
        one = LibrarianPass(task_key=TaskKey(TASK), route_cards=(), grants=(grant,), data_scope=("chat",), ttl_ms=1)
        self.event("pass.issued", {}, self.put(one))
        self.gate("scope", "grant", TASK, TASK)

    def work(self) -> None:
        self._call()
        found = evidence(self.text)
        claims = claims_of(found)
        self._round(1, found, claims[:1], [], "revise")
        self._round(2, found, claims, changes_of(claims), "release")

    def _call(self) -> None:
        call = {"task_key": TASK, "revision": 1, "status": "ok", "response_sha256": "1" * 64, "created_at": NOW}
        model: dict[str, Any] = {
            "call_id": "mc_1",
            "provider": "extractive",
            "model": "rules",
            "request_sha256": "2" * 64,
        }
        model |= {"tier": "tier_local_private", "usage_source": "provider", "reason": None}
        costs = {"tokens_in": 5, "tokens_out": 2, "duration_ms": 1, "cost_usd": "0.000000"}
        tool = {"call_id": "tc_1", "tool": "root.get_chat", "arguments": {"lead_id": "L-1"}, "reason": None}
        self.model_calls.append(call | model | costs)
        self.tool_calls.append(call | tool)
        said = {"task_key": TASK, "tool": tool["tool"], "arguments": tool["arguments"], "status": "ok"}
        self.event("tool.called", said)

    def _round(
        self,
        revision: int,
        found: ResearchArtifact,
        claims: list[Claim],
        changes: list[WritebackProposal],
        verdict: str,
    ) -> None:
        self.put(found, revision)
        self.event("evidence.gathered", {"artifacts": 1})
        self.event("dataplane.dispatched", {"tasks": [TASK]})
        self.event("task.started", {"task_key": TASK})
        result = WorkerResult(task_key=TaskKey(TASK), claims=tuple(claims), proposals=tuple(changes))
        called = {"task_key": TASK, "call_id": "mc_1", "provider": "extractive", "model": "rules"}
        self.event("model.called", called | {"tokens_in": 5, "tokens_out": 2, "duration_ms": 1})
        self.event("task.completed", {"task_key": TASK}, self.put(result, revision))
        self.packet = aggregated(claims, changes)
        self.event("aggregation.completed", {}, self.put(self.packet, revision))
        self.review = reviewed(claims, verdict, claims[2:])
        kind = "review.completed" if verdict == "release" else "review.revised"
        self.event(kind, {"verdict": verdict}, self.put(self.review, revision))

    def ask(self) -> None:
        self.shown = proposals(self.packet, self.review)
        for one in self.shown:
            self.gate("release", "release", one.proposal_id, one.payload_sha256, "escalate")
        request = ApprovalRequest(proposals=self.shown, reasons=("a person approves every write",))
        names = [p.proposal_id for p in self.shown]
        self.event("approval.requested", {"interrupt_id": INTERRUPT, "proposals": names, "reasons": []})
        self.status = "awaiting_approval"
        content = request.canonical()
        row = {"interrupt_id": INTERRUPT, "status": "pending", "content": content, "sha256": sha256_hex(content)}
        moments = {"decided_at": None, "expires_at": NOW, "created_at": NOW}
        self.approvals.append(row | moments | {"decision_content": None, "decided_by": None})

    def answer(self) -> None:
        verdicts = (Verdict.APPROVE, Verdict.EDIT, Verdict.REJECT)
        after = {"text": "Wants three bedrooms"}
        changed = edited(self.shown[1], after)
        for action in ("edit", "release", "approve"):
            self.decided("release", action, changed.payload_sha256, who="bob")
        self.decided("release", "approve", self.shown[0].payload_sha256, who="bob")
        decision = ApprovalDecision(
            mission_id=MissionId(MISSION),
            interrupt_id=InterruptId(INTERRUPT),
            actor_id=ActorId("bob"),
            verdict="approved",
            answers=tuple(
                ProposalAnswer(
                    proposal_id=p.proposal_id,
                    payload_sha256=p.payload_sha256,
                    verdict=v,
                    after=after if v is Verdict.EDIT else None,
                )
                for p, v in zip(self.shown, verdicts, strict=True)
            ),
            granted=(self.shown[0], changed),
        )
        payload = {"interrupt_id": INTERRUPT, "verdict": "approved", "decision_sha256": decision.sha256()}
        granted = [p.proposal_id for p in decision.granted]
        self.event("approval.decided", payload | {"granted": granted}, actor="bob")
        decided = {"status": "decided", "decision_content": decision.canonical(), "decided_by": "bob"}
        self.approvals[0] |= decided | {"decided_at": NOW}
        for p in decision.granted:
            content = canonical_bytes(p.model_dump(mode="json"))
            row = {"proposal_id": p.proposal_id, "payload_sha256": p.payload_sha256, "interrupt_id": INTERRUPT}
            row |= {"actor_id": "bob", "content": content, "sha256": sha256_hex(content), "created_at": NOW}
            self.grants.append(row)
        self.granted = decision.granted

    def write(self) -> None:
        for p in self.granted:
            key = digest([MISSION, p.proposal_id, p.payload_sha256])
            said = {"proposal_id": p.proposal_id, "payload_sha256": p.payload_sha256}
            self.event("writeback.intended", said | {"idempotency_key": key}, p.proposal_id)
            self.event("writeback.applied", said | {"etag": '"8"'}, p.proposal_id)
            row = said | {"status": "applied", "outcome": {"etag": '"8"'}, "idempotency_key": key}
            self.writebacks.append(row | {"created_at": NOW, "updated_at": NOW})

    def end(self) -> None:
        self.status = "completed"
        reference = {"id": artifact_id(self.packet), "sha256": self.packet.sha256()}
        counts = {"claims": 2, "facts": 2, "effects": {"applied": len(self.writebacks)}}
        self.event("mission.completed", counts | {"packet": reference})

    def record(self) -> MissionRecord:
        """Return what is stored so far."""
        mission = {
            "mission_id": MISSION,
            "tenant_id": TENANT,
            "actor_id": ACTOR,
            "mission_type": REQUEST.mission_type.value,
            "status": self.status,
            "stage": "finalize",
            "graph_version": "1",
            "trace_id": TRACE,
            "payload": {"request": REQUEST.model_dump(mode="json"), "envelope": ENVELOPE.model_dump(mode="json")},
            "parent_mission_id": None,
            "parent_checkpoint_id": None,
            "lineage_kind": None,
            "token_budget": 100_000,
            "time_budget_ms": 600_000,
            "tokens_in": 5,
            "tokens_out": 2,
            "cost_usd": "0.000000",
            "model_calls": 1,
            "seq": len(self.events),
            "head": self.head,
            "created_at": NOW,
        }
        return MissionRecord(
            mission=mission,
            events=self.events,
            artifacts=self.artifacts,
            approvals=self.approvals,
            grants=self.grants,
            writebacks=self.writebacks,
            model_calls=self.model_calls,
            tool_calls=self.tool_calls,
        )


def told(text: str = TEXT) -> Story:
    """Return a mission told to its end."""
    story = Story(text)
    for chapter in (story.begin, story.plan, story.work, story.ask, story.answer, story.write, story.end):
        chapter()
    return story
