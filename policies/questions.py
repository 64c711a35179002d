"""From contract values to policy questions: what is computed here are facts, what follows from them is in the rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from contracts.decisions import PolicyQuestion
from contracts.mission import MissionEnvelope, ModelTier
from contracts.stateflow import Layer
from contracts.tasks import LibrarianPass, PromptPackage, RouteCard, TaskPlan, ToolGrant
from policies import entities
from policies.entities import Approver, names, plain
from policies.limits import ALLOWANCES, EXTERNAL_SOURCES, LIMITS, OPEN_WHEN_ABSENT, TOOLS, Limits, Tool
from policies.release import (
    accept_question,
    alone_question,
    approve_question,
    citations_verified,
    edit_question,
    release_question,
)

__all__ = [
    "Approver",
    "TierFacts",
    "accept_question",
    "admission_question",
    "alone_question",
    "approve_question",
    "call_question",
    "citations_verified",
    "edit_question",
    "pass_question",
    "plan_question",
    "release_question",
    "routing_question",
]

RESEARCH_INPUT = "external_research"
_SWITCHES: Mapping[str, Any] = {
    "disabled": False,
    "disabled_mission_types": [],
    "autonomous_allowed": False,
    "max_token_budget": LIMITS.max_token_budget,
    "max_time_budget_ms": LIMITS.max_time_budget_ms,
}


@dataclass(frozen=True)
class TierFacts:
    """What the operator's model routes say about a tier.

    Attributes:
        private: nothing leaves the operator's machines; always so for the built-in ``extractive`` provider.
        personal_allowed: the operator named the tier as one that may see personal data.
    """

    tier: ModelTier
    provider: str
    private: bool = False
    personal_allowed: bool = False


def admission_question(
    envelope: MissionEnvelope, *, deployment_mode: str, research_enabled: bool, tenant_switches: Mapping[str, Any]
) -> PolicyQuestion:
    """May this mission run here at all?

    ``tenant_switches`` knows ``disabled``, ``disabled_mission_types``, ``autonomous_allowed``, ``max_token_budget`` and
    ``max_time_budget_ms``; another key, or a value of another type, denies.
    """
    switches = {**_SWITCHES, **tenant_switches}
    context = {
        "deployment_mode": deployment_mode,
        "research_enabled": research_enabled,
        "research_wanted": bool(envelope.inputs.get(RESEARCH_INPUT)),
        "tenant_disabled": switches["disabled"],
        "tenant_allows_autonomous": switches["autonomous_allowed"],
        "disabled_mission_types": switches["disabled_mission_types"],
        "unknown_switches": names(tenant_switches.keys() - _SWITCHES.keys()),
        "token_budget": envelope.token_budget,
        "max_token_budget": switches["max_token_budget"],
        "time_budget_ms": envelope.time_budget_ms,
        "max_time_budget_ms": switches["max_time_budget_ms"],
    }
    return _question(Layer.ADMISSION, "admit", entities.actor(envelope), entities.mission(envelope), context)


def plan_question(
    envelope: MissionEnvelope, plan: TaskPlan, limits: Limits = LIMITS, *, research_enabled: bool = False
) -> PolicyQuestion:
    """Does this plan stay within what its mission class may need?"""
    allowance = ALLOWANCES[envelope.mission_type]
    sources = {need for task in plan.tasks for need in task.needs}
    depth = _depth(plan)
    context = {
        "well_formed": depth is not None,
        "tasks": len(plan.tasks),
        "max_tasks": limits.max_tasks,
        "depth": len(plan.tasks) if depth is None else depth,
        "max_depth": limits.max_depth,
        "kinds": names(task.kind.value for task in plan.tasks),
        "allowed_kinds": names(kind.value for kind in allowance.kinds),
        "sources": names(sources),
        "allowed_sources": names(allowance.sources),
        "external_sources": names(sources & EXTERNAL_SOURCES),
        "research_enabled": research_enabled,
    }
    return _question(Layer.SCOPE, "plan", entities.mission(envelope), entities.entity("Plan", "plan"), context)


def pass_question(
    envelope: MissionEnvelope, pass_: LibrarianPass, limits: Limits = LIMITS, *, research_enabled: bool = False
) -> PolicyQuestion:
    """May this task be given this pass?"""
    allowance = ALLOWANCES[envelope.mission_type]
    granted = {grant.tool for grant in pass_.grants}
    wanted = granted | {card.tool for card in pass_.route_cards}
    sources = {*pass_.data_scope, *(card.source for card in pass_.route_cards)}
    calls: tuple[ToolGrant | RouteCard, ...] = (*pass_.grants, *pass_.route_cards)
    context = {
        "tools": names(wanted),
        "allowed_tools": names(allowance.tools),
        "writing_tools": names(_writing(wanted)),
        "external_tools": names(t for t in wanted if t in TOOLS and TOOLS[t].external),
        "research_enabled": research_enabled,
        "foreign_arguments": names(f for c in calls for f in _foreign_arguments(envelope, c.tool, c.arguments)),
        "ungranted_tools": names(wanted - granted),
        "sources": names(sources | {TOOLS[t].source for t in wanted if t in TOOLS}),
        "allowed_sources": names(allowance.sources),
        "calls": sum(grant.max_calls for grant in pass_.grants),
        "usual_calls": limits.usual_calls,
        "max_calls": limits.max_calls,
        "ttl_ms": pass_.ttl_ms,
        "max_ttl_ms": limits.max_ttl_ms,
    }
    resource = entities.entity("Pass", pass_.task_key)
    return _question(Layer.SCOPE, "grant", entities.mission(envelope), resource, context)


def call_question(
    envelope: MissionEnvelope,
    task_key: str,
    tool: str,
    *,
    done: Iterable[str] = (),
    done_in_mission: Iterable[str] = (),
    calls: int = 0,
    research_enabled: bool = False,
) -> PolicyQuestion:
    """May this task call this tool now, after what was called before?"""
    context = {
        "task": plain(task_key),
        "done": names(done),
        "done_in_mission": names(done_in_mission),
        "calls": calls,
        "research_enabled": research_enabled,
    }
    known = TOOLS.get(tool, Tool("unknown", writes=True))
    resource = entities.entity("Tool", tool, source=known.source, writes=known.writes, external=known.external)
    return _question(Layer.SCOPE, "call", entities.mission(envelope), resource, context)


def routing_question(envelope: MissionEnvelope, package: PromptPackage, facts: TierFacts) -> PolicyQuestion:
    """May this prompt go to this model tier?"""
    context = {
        "package_tier": package.tier.value,
        "personal_allowed": facts.personal_allowed,
        "prompt_tokens": package.token_count + package.max_output_tokens,
        "token_budget": envelope.token_budget,
        "sources": names(package.data_scope),
        "allowed_sources": names(ALLOWANCES[envelope.mission_type].sources),
        "writing_tools": names(_writing(package.allowed_tools)),
    }
    resource = entities.entity(
        "Tier",
        facts.tier.value,
        provider=facts.provider,
        private=facts.private or facts.provider == "extractive",
    )
    return _question(Layer.ROUTING, "route", entities.mission(envelope), resource, context)


def _question(
    layer: Layer, action: str, principal: dict[str, Any], resource: dict[str, Any], context: dict[str, Any]
) -> PolicyQuestion:
    return PolicyQuestion(layer=layer, action=action, principal=principal, resource=resource, context=context)


def _writing(tools: Iterable[str]) -> set[str]:
    return {tool for tool in tools if tool in TOOLS and TOOLS[tool].writes}


def _depth(plan: TaskPlan) -> int | None:
    """Return how many tasks the longest chain has; none if the plan is not a proper acyclic graph."""
    waiting = {task.task_key: set(task.depends_on) for task in plan.tasks}
    if len(waiting) < len(plan.tasks) or any(not deps <= waiting.keys() for deps in waiting.values()):
        return None
    depth = 0
    while waiting:
        ready = {key for key, deps in waiting.items() if not deps & waiting.keys()}
        if not ready:
            return None
        waiting = {key: deps for key, deps in waiting.items() if key not in ready}
        depth += 1
    return depth


def _foreign_arguments(envelope: MissionEnvelope, tool: str, arguments: Mapping[str, Any]) -> Iterable[str]:
    """Name the arguments that identify something other than what the mission was started on, or that nobody knows."""
    known = TOOLS.get(tool, Tool(""))
    if known.one_of and not arguments.keys() & set(known.one_of):
        yield f"{tool}.{known.one_of[0]}"
    for name, value in arguments.items():
        own_inputs = known.arguments.get(name)
        if own_inputs is None or not _is_own(envelope.inputs, own_inputs, value):
            yield f"{tool}.{name}"


def _is_own(inputs: Mapping[str, Any], own_inputs: tuple[str, ...], value: Any) -> bool:
    if value is None and not own_inputs:
        return True
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(v, str | int) for v in values):
        return False
    given = [inputs[name] for name in own_inputs if inputs.get(name) is not None]
    if not own_inputs or (not given and own_inputs in OPEN_WHEN_ABSENT):
        return True
    # With its type, since Python holds 1 and True to be equal.
    own = [(type(v), v) for item in given for v in (item if isinstance(item, list) else [item])]
    return bool(values) and all((type(v), v) in own for v in values)
