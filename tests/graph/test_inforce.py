"""Asking for one run: no question is evaluated twice, and another set of rules answers anew."""

from collections.abc import Collection
from dataclasses import replace

from contracts.canonical import canonical_bytes, sha256_hex
from contracts.constitution import StoredConstitution
from contracts.decisions import Outcome
from graph.context import Record
from graph.inforce import Asking
from graph.planning import GuardedPlans
from policies.engine import PolicyEngine
from policies.questions import plan_question
from tests.nodes.bench import governance, in_force
from tests.policies.build import envelope, plan, task

NO_PLANS = canonical_bytes(
    {"scope.x.cedar": '@id("scope.our-x") @reason("no") forbid (principal, action == Action::"plan", resource);'}
)


class Rules:
    """A tenant whose active set a test exchanges."""

    def __init__(self) -> None:
        self.active: bytes | None = None
        self.kept: list[str] = []
        self.sent = 0

    async def active_rules(self, known: Collection[str]) -> tuple[str, bytes | None] | None:
        if self.active is None:
            return None
        name = sha256_hex(self.active)
        self.sent += name not in known
        return name, None if name in known else self.active

    async def keep_rules(self, rules_sha256: str, content: bytes) -> None:
        assert sha256_hex(content) == rules_sha256
        self.kept.append(rules_sha256)

    async def constitution(self) -> StoredConstitution:
        return in_force()


async def test_what_was_tried_before_the_gate_is_not_evaluated_again_at_it_unless_the_rules_are_others() -> None:
    engine, rules, record = PolicyEngine.load(), Rules(), Record(envelope=envelope())
    asking = Asking(replace(governance(), engine=engine, kept=set()), rules, record, "demo")
    wanted = plan(task())
    await asking.renewed()
    assert GuardedPlans(record, asking)(wanted, wanted) == ()
    question = plan_question(envelope(), wanted)
    for _ in range(3):
        assert (await asking.renewed())(question).outcome is Outcome.ALLOW
    assert engine.evaluations == 1
    rules.active = NO_PLANS
    for _ in range(3):
        assert (await asking.renewed())(question).rules == ("scope.our-x",)
    assert engine.evaluations == 2
    rules.active = None
    assert (await asking.renewed())(question).outcome is Outcome.ALLOW
    assert (engine.evaluations, rules.sent, len(rules.kept)) == (2, 1, 2)
