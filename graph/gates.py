"""The policy between the roles: after a stage the graph asks the layer that the stateflow table names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from contracts.decisions import Ground, Outcome, PolicyDecision, PolicyQuestion
from contracts.events import EventType, NewEvent
from contracts.evidence import WritebackProposal
from contracts.mission import MissionEnvelope
from contracts.packets import AggregationPacket
from contracts.ports import StepResult
from contracts.state import OutcomeState
from contracts.stateflow import Layer, Stage, Status
from contracts.tasks import LibrarianPass, PromptPackage, TaskPlan
from graph.approvals import ground
from graph.context import Governance
from graph.inforce import Remembering
from policies.questions import (
    admission_question,
    alone_question,
    citations_verified,
    pass_question,
    plan_question,
    release_question,
    routing_question,
)

_EVENTS = {
    Layer.ADMISSION: EventType.GATE_ADMISSION,
    Layer.SCOPE: EventType.GATE_SCOPE,
    Layer.ROUTING: EventType.GATE_ROUTING,
    Layer.RELEASE: EventType.GATE_RELEASE,
}
_SAID = {Outcome.ALLOW: "passed", Outcome.ESCALATE: "escalated", Outcome.DENY: "blocked"}


@dataclass(frozen=True)
class GateResult:
    """What a gate decided: the decisions and events to store, and the outcome if the mission is blocked."""

    decisions: tuple[PolicyDecision, ...] = ()
    events: tuple[NewEvent, ...] = ()
    outcome: OutcomeState | None = None
    looks: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReleaseResult:
    """What the release layer let go on to people, why, and how many must agree to each."""

    gate: GateResult
    allowed: tuple[WritebackProposal, ...]
    grounds: tuple[Ground, ...]


def after(
    stage: Stage, layer: Layer, result: StepResult, envelope: MissionEnvelope, gov: Governance, ask: Remembering
) -> GateResult:
    """Ask the layer about what a stage made.

    A denial blocks the mission; an escalation lets it go on to a person, who must look before anything is released.
    """
    decisions = [(subject, ask(question)) for subject, question in _questions(stage, result, envelope, gov)]
    if not decisions:
        return silent(stage)
    denied = [d for _, d in decisions if d.outcome is Outcome.DENY]
    looks = [reason for _, d in decisions if d.outcome is Outcome.ESCALATE for reason in d.reasons]
    return GateResult(
        decisions=tuple({d.decision_id: d for _, d in decisions}.values()),
        events=tuple(event_of(layer, decision, subject) for subject, decision in decisions),
        outcome=_blocked(stage, denied[0]) if denied else None,
        looks=tuple(dict.fromkeys(looks)),
    )


def silent(stage: Stage) -> GateResult:
    """Block a mission whose stage put nothing before its policy: silence denies."""
    reason = "the stage put nothing before its policy, and silence denies"
    outcome = OutcomeState(
        status=Status.BLOCKED.value, code="policy_denied", reason=reason, stage=stage.value, hint="This is a defect."
    )
    return GateResult(outcome=outcome)


def _questions(
    stage: Stage, result: StepResult, envelope: MissionEnvelope, gov: Governance
) -> list[tuple[str, PolicyQuestion]]:
    research = gov.research_enabled
    if stage is Stage.ADMISSION:
        mode, switches = gov.deployment_mode, gov.tenant_switches
        question = admission_question(
            envelope, deployment_mode=mode, research_enabled=research, tenant_switches=switches
        )
        return [("mission", question)]
    made: Sequence[Any] = result.artifacts
    plans = [a for a in made if isinstance(a, TaskPlan)]
    packages = [a for a in made if isinstance(a, PromptPackage)]
    passes = [a for a in made if isinstance(a, LibrarianPass)]
    return [
        *(("plan", plan_question(envelope, p, research_enabled=research)) for p in plans),
        *((p.task_key, routing_question(envelope, p, gov.facts_of(p.tier))) for p in packages),
        *((p.task_key, pass_question(envelope, p, research_enabled=research)) for p in passes),
    ]


def release(packet: AggregationPacket, envelope: MissionEnvelope, gov: Governance, ask: Remembering) -> ReleaseResult:
    """Ask the release layer about every proposal of a released packet; a denied one is withheld, the others go on."""

    def circumstances(one: WritebackProposal) -> dict[str, Any]:
        verified = citations_verified(one, packet.claims)
        return {
            "deployment_mode": gov.deployment_mode,
            "autonomy_tier": gov.autonomy_tier,
            "claims_verified": verified,
        }

    decisions = [(p, ask(release_question(envelope, p, **circumstances(p)))) for p in packet.writebacks]
    let_on = [(p, d) for p, d in decisions if d.outcome is not Outcome.DENY]
    denied = [d for _, d in decisions if d.outcome is Outcome.DENY]
    alone = [ask(alone_question(envelope, p, **circumstances(p))) for p, _ in let_on]
    gate = GateResult(
        decisions=tuple({d.decision_id: d for d in (*(d for _, d in decisions), *alone)}.values()),
        events=tuple(event_of(Layer.RELEASE, d, p.proposal_id) for p, d in decisions),
        outcome=_blocked(Stage.RELEASE_GATE, denied[0]) if denied and not let_on else None,
    )
    grounds = tuple(ground(p, released, one, ask.limits) for (p, released), one in zip(let_on, alone, strict=True))
    return ReleaseResult(gate, tuple(p for p, _ in let_on), grounds)


def event_of(layer: Layer, decision: PolicyDecision, subject: str) -> NewEvent:
    """Return the gate event of a decision."""
    payload = {
        "outcome": _SAID[decision.outcome],
        "decision_id": decision.decision_id,
        "rules": list(decision.rules),
        "reasons": list(decision.reasons),
        "subject": subject,
    }
    return NewEvent(event_type=_EVENTS[layer], payload=payload, artifact_id=decision.decision_id)


def _blocked(stage: Stage, decision: PolicyDecision) -> OutcomeState:
    return OutcomeState(
        status=Status.BLOCKED.value,
        code="policy_denied" if decision.outcome is Outcome.DENY else "policy_escalated",
        reason="; ".join(decision.reasons),
        stage=stage.value,
        hint=f"See the decision {decision.decision_id}: rules {', '.join(decision.rules) or 'none'}.",
    )
