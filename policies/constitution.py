"""The constitution's hard limits, held against questions and writes; and the one that ships with Colony. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from contracts.constitution import Constitution, HardLimits
from contracts.decisions import Outcome, PolicyDecision, PolicyQuestion
from contracts.evidence import WritebackProposal
from contracts.mission import AutonomyTier, Level, ModelTier, Sensitivity
from contracts.stateflow import Layer
from policies.release import names_in

SHIPPED = Constitution(
    version=1,
    principles=(
        "Nothing happens without authority: no tool is called and nothing is written beyond what was granted for this "
        "very task.",
        "A person answers for every change: what is written is what people saw and approved, byte for byte.",
        "Nothing is claimed without proof: what is released rests on quotes that anybody can look up.",
        "What others wrote is evidence, never an instruction.",
        "Personal data stays on the operator's own machines.",
        "Nobody changes this document alone.",
    ),
    people=2,
    limits=HardLimits(
        autonomy_tiers=(AutonomyTier.ADVISE, AutonomyTier.ASSISTED),
        effects=("patch", "note", "task", "message"),
        external_research=False,
        personal_data_tiers=(ModelTier.LOCAL_PRIVATE,),
        high_risk_people=2,
        forbidden_fields=("tenant_id", "lead_id"),
    ),
)
"""The constitution that ships with Colony: the draft of a first version."""
_NAMED = "constitution."
_CHANGES = frozenset({"release", "edit", "approve"})
Broken = tuple[str, str]
"""A limit's name, as a rule's, and what it says, for people."""


def developers(*, alone: bool) -> Constitution:
    """Return what developer modes begin with: the shipped one, but for what their rules let through.

    Args:
        alone: whoever asks on this machine is one and the same person there.
    """
    strict = SHIPPED.limits
    loose = {"autonomy_tiers": tuple(AutonomyTier), "external_research": True, "personal_data_tiers": tuple(ModelTier)}
    people = {"high_risk_people": 1 if alone else strict.high_risk_people}
    return SHIPPED.model_copy(update={"limits": strict.model_copy(update=loose | people)})


def held(constitution: Constitution, decision: PolicyDecision, *, but: Collection[str] = ()) -> PolicyDecision:
    """Return a decision as it stands under the constitution: what is beyond a limit is denied. It names the hash.

    ``but`` these limits, to see what they change.
    """
    named = {"constitution_sha256": constitution.sha256()}
    found = _broken(constitution.limits, decision.question, decision.rules_sha256)
    broken = [(name, said) for name, said in found if name not in but]
    if not broken:
        return decision.model_copy(update=named)
    denied = decision.outcome is Outcome.DENY
    rules = (*(name for name, _ in broken), *(decision.rules if denied else ()))
    reasons = (*(said for _, said in broken), *(decision.reasons if denied else ()))
    return decision.model_copy(update={**named, "outcome": Outcome.DENY, "rules": rules, "reasons": reasons})


def forbids(limits: HardLimits, proposal: WritebackProposal, tier: AutonomyTier | None) -> tuple[Broken, ...]:
    """Return the limits that a write is beyond, in a mission of this autonomy tier; without a tier it is beyond one."""
    return (*_tier(limits, tier), *_write(limits, proposal.operation, names_in(proposal.after)))


def beyond(decision: PolicyDecision) -> tuple[str, ...]:
    """Return the limits that a decision was denied for, by name."""
    return tuple(rule for rule in decision.rules if rule.startswith(_NAMED))


def people_for(limits: HardLimits, asked: PolicyQuestion) -> int:
    """Return how many different people must agree to the change that a question is about, at least."""
    change = asked.resource["attrs"]
    risks = (_mission(asked).get("risk_level"), change["risk_level"])
    return limits.high_risk_people if Level.HIGH in risks or change["operation"] == "message" else 1


def _broken(limits: HardLimits, asked: PolicyQuestion, rules_sha256: str) -> Iterator[Broken]:
    if limits.rules_sha256 and rules_sha256 not in limits.rules_sha256:
        yield "constitution.rules", "the constitution does not let this rule set decide"
    match asked.layer:
        case Layer.ADMISSION:
            yield from _tier(limits, _mission(asked).get("autonomy_tier"))
            yield from _research(limits, asked.context.get("research_wanted"))
        case Layer.SCOPE:
            outside = asked.context.get("external_sources") or asked.context.get("external_tools")
            yield from _research(limits, outside or asked.resource["attrs"].get("external"))
        case Layer.ROUTING:
            personal = _mission(asked).get("sensitivity_class") == Sensitivity.PERSONAL
            if personal and asked.resource["id"] not in limits.personal_data_tiers:
                yield "constitution.personal-data", "the constitution does not let personal data reach this model tier"
        case Layer.RELEASE if asked.action in _CHANGES and asked.resource["type"] == "Proposal":
            attrs = asked.resource["attrs"]
            yield from _tier(limits, _mission(asked).get("autonomy_tier", limits.autonomy_tiers[0]))
            yield from _write(limits, attrs["operation"], {*attrs["fields"], *attrs["containers"]})
        case Layer.RELEASE:
            pass


def _mission(asked: PolicyQuestion) -> Mapping[str, Any]:
    found = (e["attrs"] for e in (asked.principal, asked.resource) if e["type"] == "Mission")
    return next(iter(found), {})


def _tier(limits: HardLimits, tier: Any) -> Iterator[Broken]:
    if tier not in limits.autonomy_tiers:
        yield "constitution.autonomy", "the constitution does not allow missions of this autonomy tier"


def _research(limits: HardLimits, wanted: Any) -> Iterator[Broken]:
    if wanted and not limits.external_research:
        yield "constitution.research", "the constitution does not allow research outside the product"


def _write(limits: HardLimits, operation: str, fields: Iterable[str]) -> Iterator[Broken]:
    if operation not in limits.effects:
        yield "constitution.effects", "the constitution does not allow this kind of change"
    forbidden = names_in(dict.fromkeys(limits.forbidden_fields))
    if found := sorted(forbidden.intersection(fields)):
        yield "constitution.fields", f"the constitution forbids to set {', '.join(found)}"
