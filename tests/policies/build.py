"""Contract values for the case tables: everything is fine by default, a case says what is not."""

from __future__ import annotations

from typing import Any

from contracts.base import ActorId, MissionId, ProposalId, TaskKey, TenantId
from contracts.decisions import PolicyQuestion
from contracts.evidence import Citation, Taint, Target, Trust, WritebackProposal, payload_sha256
from contracts.mission import AutonomyTier, Level, MissionClass, MissionEnvelope, ModelTier, ReviewLevel, Sensitivity
from contracts.tasks import LibrarianPass, PromptPackage, RouteCard, Task, TaskKind, TaskPlan, ToolGrant
from policies.questions import (
    Approver,
    TierFacts,
    admission_question,
    alone_question,
    approve_question,
    edit_question,
    release_question,
)

CRM = MissionClass.CRM_LEAD_INTELLIGENCE
ORACLE = MissionClass.ORACLE_ADVISORY
CATALYST = MissionClass.CATALYST_STRATEGY_BRIEF
CITATION = Citation(artifact_id="ra_1", quote="three bedrooms", start=0, end=14)
HOSTILE = {
    "quotes": '"; permit(principal, action, resource); //',
    "newlines": 'lead-1\n\n@id("x")\npermit(principal, action, resource);',
    "entity-syntax": 'Mission::"crm_lead_intelligence"',
    "escape-record": '{"__entity": {"type": "Actor", "id": "root"}}',
    "backslashes": 'lead-1\\" || true',
    "wildcard": "*",
    "nul": "lead-1\x00",
    "surrogate": "lead-1\ud800",
    "empty": "",
    "right-to-left": "lead-1\u202e",
}


def envelope(**changes: Any) -> MissionEnvelope:
    inputs = {
        CRM: {"lead_id": "lead-1"},
        ORACLE: {"question": "why?", "page": "page-1"},
        CATALYST: {"campaign_id": "c-1"},
    }
    kind = changes.get("mission_type", CRM)
    values: dict[str, Any] = {
        "mission_id": MissionId("m-1"),
        "mission_type": kind,
        "origin_surface": "crm",
        "user_goal": "Understand the lead",
        "normalized_goal": "understand the lead",
        "tenant_id": TenantId("demo"),
        "actor_id": ActorId("ann"),
        "risk_level": Level.MEDIUM,
        "sensitivity_class": Sensitivity.PERSONAL if kind is CRM else Sensitivity.INTERNAL,
        "autonomy_tier": AutonomyTier.ASSISTED,
        "review_level": ReviewLevel.STANDARD,
        "time_budget_ms": 600_000,
        "token_budget": 100_000,
        "requested_outputs": ("facts",),
        "inputs": inputs[kind],
        "metadata": {},
        "trace_id": "t-1",
    }
    return MissionEnvelope(**(values | changes))


def admission(
    mode: str = "developer-light", *, research: bool = False, switches: dict[str, Any] | None = None, **changes: Any
) -> PolicyQuestion:
    return admission_question(
        envelope(**changes), deployment_mode=mode, research_enabled=research, tenant_switches=switches or {}
    )


def task(key: str = "facts", *depends_on: str, **changes: Any) -> Task:
    values = {
        "kind": TaskKind.EXTRACT_FACTS,
        "title": "Find facts",
        "needs": ("lead", "chat"),
        "expected_output": "facts",
    }
    return Task(task_key=TaskKey(key), depends_on=depends_on, **(values | changes))


def plan(*tasks: Task) -> TaskPlan:
    return TaskPlan(tasks=tasks, rationale="because")


def chain(length: int) -> TaskPlan:
    return plan(*(task(f"t{i}", *([f"t{i - 1}"] if i else [])) for i in range(length)))


def librarian_pass(*grants: tuple[str, dict[str, Any]], calls: int = 1, **changes: Any) -> LibrarianPass:
    values: dict[str, Any] = {
        "task_key": TaskKey("facts"),
        "route_cards": (),
        "grants": tuple(ToolGrant(tool=tool, arguments=arguments, max_calls=calls) for tool, arguments in grants),
        "data_scope": (),
        "ttl_ms": 60_000,
    }
    return LibrarianPass(**(values | changes))


def card(tool: str, **arguments: Any) -> RouteCard:
    return RouteCard(source="lead", tool=tool, arguments=arguments, priority=0.5, why="it is there")


def package(**changes: Any) -> PromptPackage:
    values: dict[str, Any] = {
        "task_key": TaskKey("facts"),
        "template_id": "facts",
        "template_version": "1",
        "system": "You extract facts.",
        "instructions": "Extract.",
        "output_schema": "WorkerResult",
        "tier": ModelTier.LOCAL_PRIVATE,
        "token_count": 900,
        "max_output_tokens": 1_000,
        "timeout_ms": 30_000,
        "allowed_tools": ("root.get_lead",),
        "data_scope": ("lead",),
    }
    return PromptPackage(**(values | changes))


def tier(name: ModelTier = ModelTier.LOCAL_PRIVATE, provider: str = "extractive", **facts: bool) -> TierFacts:
    return TierFacts(tier=name, provider=provider, **facts)


def proposal(**changes: Any) -> WritebackProposal:
    target = Target(system="crm", entity=changes.pop("entity", "lead"), id=changes.pop("target_id", "lead-1"))
    values: dict[str, Any] = {
        "proposal_id": ProposalId("p-1"),
        "target": target,
        "operation": "patch",
        "precondition": 'W/"7"',
        "before": {"stage": "new"},
        "after": {"stage": "qualified"},
        "rationale": "they booked a visit",
        "citations": (CITATION,),
        "taint": (),
        "risk_level": Level.LOW,
    } | changes
    said = payload_sha256(
        values["target"], values["operation"], values["precondition"], values["before"], values["after"]
    )
    return WritebackProposal(**({"payload_sha256": said} | values))


def taint(field: str) -> tuple[Taint, ...]:
    return (Taint(field=field, trust=Trust.CUSTOMER, artifact_ids=("ra_1",)),)


def release(
    of: WritebackProposal | None = None,
    *,
    mode: str = "developer-light",
    deployment_tier: AutonomyTier = AutonomyTier.AUTONOMOUS,
    verified: bool = True,
    **changes: Any,
) -> PolicyQuestion:
    return release_question(
        envelope(**changes),
        of or proposal(),
        deployment_mode=mode,
        autonomy_tier=deployment_tier,
        claims_verified=verified,
    )


def approver(name: str = "bob", tenant: str = "demo", capabilities: tuple[str, ...] = ("mission:approve",)) -> Approver:
    return Approver(ActorId(name), TenantId(tenant), frozenset(capabilities))


def approve(person: Approver, of: WritebackProposal, **circumstances: Any) -> PolicyQuestion:
    return approve_question(person, envelope(), of, **({"deployment_mode": "developer-light"} | circumstances))


def alone(of: WritebackProposal, mode: str, **changes: Any) -> PolicyQuestion:
    return alone_question(
        envelope(**changes),
        of,
        deployment_mode=mode,
        autonomy_tier=AutonomyTier.ASSISTED,
        claims_verified=True,
    )


def edit(edited: WritebackProposal, person: Approver | None = None, **changes: Any) -> PolicyQuestion:
    return edit_question(
        person or approver(),
        envelope(**changes),
        proposal(),
        edited,
        deployment_mode="developer-light",
        autonomy_tier=AutonomyTier.ASSISTED,
        claims_verified=True,
    )
