from __future__ import annotations

import pytest

from contracts.decisions import Outcome, PolicyQuestion
from contracts.mission import AutonomyTier, Level, ReviewLevel, Sensitivity
from policies.engine import PolicyEngine
from tests.policies.build import CATALYST, CRM, ORACLE, admission

ALLOW, ESCALATE, DENY = Outcome.ALLOW, Outcome.ESCALATE, Outcome.DENY
AUTONOMOUS = {"autonomy_tier": AutonomyTier.AUTONOMOUS, "risk_level": Level.LOW}
HIGH = {"risk_level": Level.HIGH, "review_level": ReviewLevel.PERSON}
FREE = {"autonomous_allowed": True}
RESEARCH = {"mission_type": ORACLE, "inputs": {"question": "why?", "external_research": True}}

CASES = [
    pytest.param(admission(mission_type=CRM), ALLOW, "admission.known-mission", id="crm"),
    pytest.param(admission(mission_type=ORACLE), ALLOW, "admission.known-mission", id="oracle"),
    pytest.param(admission(mission_type=CATALYST), ALLOW, "admission.known-mission", id="catalyst"),
    *(
        pytest.param(admission(mode), ALLOW, "admission.known-mission", id=mode)
        for mode in ("developer-light", "developer-full", "test", "test-debug", "production", "production-debug")
    ),
    pytest.param(admission("staging"), DENY, None, id="unknown-mode"),
    pytest.param(admission("Production"), DENY, None, id="mode-in-another-case"),
    pytest.param(admission(""), DENY, None, id="no-mode"),
    pytest.param(admission(**HIGH), ESCALATE, "admission.high-risk", id="high-risk-with-a-person"),
    pytest.param(admission(risk_level=Level.HIGH), DENY, None, id="high-risk-without-a-person"),
    pytest.param(
        admission("production", **AUTONOMOUS),
        DENY,
        "admission.no-autonomy-in-production",
        id="autonomous-in-production",
    ),
    pytest.param(
        admission("production-debug", switches=FREE, **AUTONOMOUS),
        DENY,
        "admission.no-autonomy-in-production",
        id="autonomous-in-production-whatever-the-tenant-says",
    ),
    pytest.param(admission(**AUTONOMOUS), DENY, None, id="autonomous-not-allowed-by-the-tenant"),
    pytest.param(
        admission(switches=FREE, **AUTONOMOUS),
        ALLOW,
        "admission.autonomous-outside-production",
        id="autonomous-allowed-by-the-tenant",
    ),
    pytest.param(
        admission(switches=FREE, **AUTONOMOUS | {"risk_level": Level.MEDIUM}),
        DENY,
        None,
        id="autonomous-of-medium-risk",
    ),
    pytest.param(admission("production", **RESEARCH), DENY, "admission.research-off", id="research-off"),
    pytest.param(
        admission("production", research=True, **RESEARCH), ALLOW, "admission.known-mission", id="research-enabled"
    ),
    pytest.param(
        admission(research=True, sensitivity_class=Sensitivity.PERSONAL, **RESEARCH),
        DENY,
        "admission.no-research-on-personal-data",
        id="research-on-personal-data",
    ),
    pytest.param(admission(switches={"disabled": True}), DENY, "admission.tenant-disabled", id="tenant-disabled"),
    pytest.param(
        admission(switches={"disabled_mission_types": [CRM.value]}),
        DENY,
        "admission.class-disabled",
        id="class-disabled",
    ),
    pytest.param(
        admission(switches={"disabled_mission_types": [ORACLE.value]}),
        ALLOW,
        "admission.known-mission",
        id="another-class-disabled",
    ),
    pytest.param(admission(switches={"disabeld": True}), DENY, "admission.unknown-switch", id="misspelt-switch"),
    pytest.param(admission(switches={"disabled": "no"}), DENY, None, id="switch-of-another-type"),
    pytest.param(admission(switches={"max_token_budget": 10**30}), DENY, None, id="limit-beyond-a-long"),
    pytest.param(admission(switches={"max_token_budget": 99_999}), DENY, "admission.token-budget", id="one-token-over"),
    pytest.param(
        admission(switches={"max_token_budget": 100_000}), ALLOW, "admission.known-mission", id="tokens-just-right"
    ),
    pytest.param(
        admission(switches={"max_time_budget_ms": 599_999}), DENY, "admission.time-budget", id="one-millisecond-over"
    ),
]


@pytest.mark.parametrize(("question", "outcome", "rule"), CASES)
def test_admission(engine: PolicyEngine, question: PolicyQuestion, outcome: Outcome, rule: str | None) -> None:
    decision = engine.ask(question)
    assert decision.outcome is outcome, decision.reasons
    assert decision.reasons
    assert decision.rules == ((rule,) if rule else ())


def test_an_actor_of_another_tenant_is_refused(engine: PolicyEngine) -> None:
    asked = admission()
    stranger = asked.principal | {"attrs": {"tenant": "other"}}
    decision = engine.ask(asked.model_copy(update={"principal": stranger}))
    assert decision.outcome is Outcome.DENY
    assert decision.rules == ("admission.other-tenant",)


def test_every_deny_by_a_limit_names_what_went_over(engine: PolicyEngine) -> None:
    decision = engine.ask(admission(switches={"max_token_budget": 1, "max_time_budget_ms": 1, "x\n@id": 1}))
    assert decision.rules == ("admission.time-budget", "admission.token-budget", "admission.unknown-switch")
    assert decision.reasons[2] == 'the tenant has switches that nobody here understands: "x\\n@id"'
