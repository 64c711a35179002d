from __future__ import annotations

import pytest

from contracts.decisions import Outcome
from contracts.mission import ModelTier, Sensitivity
from contracts.tasks import PromptPackage
from policies.engine import PolicyEngine
from policies.questions import TierFacts, routing_question
from tests.policies.build import envelope, package, tier

ALLOW, DENY = Outcome.ALLOW, Outcome.DENY
PUBLIC, INTERNAL, PERSONAL = Sensitivity.PUBLIC, Sensitivity.INTERNAL, Sensitivity.PERSONAL
LOCAL, CLOUD, HIGH = ModelTier.LOCAL_PRIVATE, ModelTier.CLOUD_STANDARD, ModelTier.HIGH_REASONING

CASES = [
    pytest.param(PERSONAL, package(), tier(), ALLOW, "private-tier", id="personal-to-built-in"),
    pytest.param(PERSONAL, package(), tier(private=False), ALLOW, "private-tier", id="built-in-is-always-private"),
    pytest.param(PERSONAL, package(), tier(provider="openai", private=True), ALLOW, "private-tier", id="own-vllm"),
    pytest.param(
        PERSONAL, package(), tier(provider="openai"), DENY, "personal-stays-private", id="local-tier-misrouted"
    ),
    pytest.param(
        PERSONAL, package(tier=CLOUD), tier(CLOUD, "openai"), DENY, "personal-stays-private", id="personal-to-cloud"
    ),
    pytest.param(
        PERSONAL,
        package(tier=HIGH),
        tier(HIGH, "anthropic", personal_allowed=True),
        ALLOW,
        "personal-where-allowed",
        id="personal-to-a-named-tier",
    ),
    pytest.param(INTERNAL, package(tier=CLOUD), tier(CLOUD, "openai"), ALLOW, "cloud-tier", id="internal-to-cloud"),
    pytest.param(
        PUBLIC, package(tier=HIGH), tier(HIGH, "anthropic"), ALLOW, "cloud-tier", id="public-to-high-reasoning"
    ),
    pytest.param(INTERNAL, package(tier=CLOUD), tier(CLOUD, "acme"), DENY, None, id="unknown-provider"),
    pytest.param(PERSONAL, package(), tier(provider="acme", private=True), DENY, None, id="unknown-private-provider"),
    pytest.param(INTERNAL, package(tier=LOCAL), tier(CLOUD, "openai"), DENY, "another-tier", id="swapped-tier"),
    pytest.param(INTERNAL, package(token_count=99_001), tier(), DENY, "over-budget", id="one-token-over"),
    pytest.param(INTERNAL, package(token_count=99_000), tier(), ALLOW, "private-tier", id="tokens-just-right"),
    pytest.param(INTERNAL, package(token_count=2**63), tier(), DENY, None, id="tokens-beyond-a-long"),
    pytest.param(INTERNAL, package(data_scope=("documents",)), tier(), DENY, "prompt-source", id="foreign-source"),
    pytest.param(INTERNAL, package(allowed_tools=("root.add_note",)), tier(), DENY, "prompt-writes", id="write-tool"),
]


@pytest.mark.parametrize(("sensitivity", "prompt", "facts", "outcome", "rule"), CASES)
def test_routing(
    engine: PolicyEngine,
    sensitivity: Sensitivity,
    prompt: PromptPackage,
    facts: TierFacts,
    outcome: Outcome,
    rule: str | None,
) -> None:
    decision = engine.ask(routing_question(envelope(sensitivity_class=sensitivity), prompt, facts))
    assert decision.outcome is outcome, decision.reasons
    assert (f"routing.{rule}" in decision.rules) if rule else not decision.rules
