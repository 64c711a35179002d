"""Asking for one run: no question is evaluated twice, and another set of rules answers anew."""

from collections.abc import Collection
from dataclasses import replace

import pytest

from contracts.canonical import canonical_bytes, sha256_hex
from contracts.constitution import StoredConstitution
from contracts.decisions import Outcome
from contracts.errors import ConstitutionUnverified
from graph.constitution import Guard, raw
from graph.context import Record
from graph.inforce import Asking
from graph.planning import GuardedPlans
from policies.engine import PolicyEngine
from policies.questions import plan_question
from tests.nodes.bench import SIGNER, governance, in_force
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


async def test_a_constitution_that_another_run_saw_first_is_looked_at_again() -> None:
    gov, rules = replace(governance(), kept=set(), guard=Guard([raw(SIGNER)])), Rules()
    older, newer = in_force(), in_force(2)
    gov.guard.verified(newer)
    looks = [older, newer]
    rules.constitution = lambda: _soon(looks.pop(0))  # type: ignore[method-assign]
    record = Record(envelope=envelope())
    await Asking(gov, rules, record, "demo").limits()
    assert record.constitution is not None
    assert record.constitution.sha256 == newer.sha256
    looks += [older, older]
    with pytest.raises(ConstitutionUnverified, match="put in its place"):
        await Asking(gov, rules, record, "demo").limits()


async def _soon(stored: StoredConstitution) -> StoredConstitution:
    return stored
