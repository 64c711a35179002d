"""The order of calls: a support desk's flows as rules; what is out of order, repeated or unlisted is denied."""

import json
from pathlib import Path
from typing import Any

import pytest

from contracts.canonical import canonical_bytes, sha256_hex
from contracts.clock import SystemClock
from contracts.decisions import Outcome, PolicyQuestion
from contracts.errors import PassRefused
from contracts.ports import HeldPass
from contracts.tasks import ToolGrant
from graph.context import Record
from graph.guarded import GuardedTools
from graph.inforce import Asking
from policies.engine import Asks, PolicyEngine
from policies.limits import TOOLS, Tool
from policies.questions import call_question
from tests.nodes.bench import governance, in_force, mission
from tests.policies.build import envelope, librarian_pass
from tests.policies.flows import Flows, rule_file

MADE_UP = {"one": ["a"], "two": ["a", "b"], "again": ["a", "b", "a", "c"], 'odd "name"': ["x y", "z\\"]}


@pytest.fixture
def abcd(shared_data: Path) -> Flows:
    return dict(json.loads((shared_data / "chats_abcd_sample" / "kb.json").read_text()))


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make actions known as tools that read: what is judged here is their order."""

    def know(flows: Flows) -> None:
        for action in actions_of(flows):
            monkeypatch.setitem(TOOLS, action, Tool("desk"))  # type: ignore[arg-type]

    return know


def actions_of(flows: Flows) -> set[str]:
    return {a for actions in flows.values() for a in actions}


def under(flows: Flows) -> Asks:
    content = canonical_bytes({"scope.flows.cedar": rule_file(flows)})
    return PolicyEngine.load().over(sha256_hex(content), content)


def asked(flow: str, done: list[str], action: str) -> PolicyQuestion:
    return call_question(envelope(), flow, action, done=done, done_in_mission=done, calls=len(done))


def allowed(asks: Asks, flow: str, actions: list[str]) -> int:
    """Return how many of the actions are allowed, one after the other, until the first that is not."""
    for at, action in enumerate(actions):
        if asks.ask(asked(flow, actions[:at], action)).outcome is not Outcome.ALLOW:
            return at
    return len(actions)


@pytest.mark.parametrize("flows", ["abcd", MADE_UP], ids=["support-desk", "made-up"])
def test_only_a_flows_own_actions_in_their_order_are_allowed(flows: Any, request: Any, readers: Any) -> None:
    flows = request.getfixturevalue(flows) if isinstance(flows, str) else flows
    readers(flows)
    asks = under(flows)
    everything = actions_of(flows)
    questions = 0
    for flow, actions in flows.items():
        assert allowed(asks, flow, actions) == len(actions), flow
        for at in range(len(actions)):
            prefix = list(actions[:at])
            # After each correct beginning every other action of the flow is out of its turn; those of other flows are
            # tried once each, spread over the beginnings.
            unlisted = sorted(everything - set(actions))[at :: len(actions)]
            for other in [*(set(actions) - {actions[at]}), *unlisted]:
                decision = asks.ask(asked(flow, prefix, other))
                assert decision.outcome is Outcome.DENY, (flow, prefix, other)
                assert any("has no such action" in r for r in decision.reasons) is (other not in actions)
                questions += 1
        for at in range(len(actions) - 1):
            swapped = list(actions)
            swapped[at], swapped[at + 1] = swapped[at + 1], swapped[at]
            if swapped != list(actions):
                assert allowed(asks, flow, swapped) == at, (flow, swapped)
        assert allowed(asks, flow, [*actions, actions[-1]]) == len(actions), "nothing comes after the end"
        assert asks.ask(asked("another flow", [], actions[0])).outcome is Outcome.DENY
    assert questions > 10


class Desk:
    """Tools that do what they are told, and note it."""

    def __init__(self) -> None:
        self.did: list[str] = []

    async def call(self, task_key: str, tool: str, arguments: Any) -> dict[str, Any]:
        self.did.append(tool)
        return {"items": []}


class Ledger:
    """The store of a run with one pass; the tenant's rules are the ones given."""

    def __init__(self, held: HeldPass, rules: bytes) -> None:
        self._held, self._rules = held, rules

    async def passes(self) -> list[HeldPass]:
        return [self._held]

    async def calls_made(self) -> list[Any]:
        return []

    async def active_rules(self, known: Any) -> tuple[str, bytes]:
        return sha256_hex(self._rules), self._rules

    async def constitution(self) -> Any:
        return in_force()

    async def keep_rules(self, rules_sha256: str, content: bytes) -> None:
        return None

    def unit(self) -> Any:
        return Kept()


class Kept:
    """A unit of work that keeps nothing: what is judged here is what reaches the tools."""

    async def __aenter__(self) -> "Kept":
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    def record(self, *_: object) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        async def done(*_: object, **__: object) -> None:
            return None

        return done


async def at_the_port(flows: Flows, flow: str, wanted: list[str]) -> tuple[list[str], list[str]]:
    """Call actions at the guarded port, under a pass that grants them all; returns what was done, and the refusals."""
    grants = tuple(ToolGrant(tool=a, arguments={}, max_calls=9) for a in sorted(actions_of(flows)))
    one = librarian_pass(task_key=flow).model_copy(update={"grants": grants})
    signer = governance().passes
    here, now = mission(), SystemClock().now()
    desk = Desk()
    ledger: Any = Ledger(
        HeldPass(one, 1, (signer.sealed(here, one, 1, now),)),
        canonical_bytes({"scope.flows.cedar": rule_file(flows)}),
    )
    record = Record(envelope=envelope())
    tools = GuardedTools(desk, ledger, record, SystemClock(), here, Asking(governance(), ledger, record, "demo"))
    refused = []
    for action in wanted:
        try:
            await tools.call(flow, action, {})
        except PassRefused as exc:
            refused.append(exc.code)
    return desk.did, refused


async def test_the_guarded_port_holds_the_order(abcd: Flows, readers: Any) -> None:
    readers(abcd)
    for flow in ("recover_username", "missing", "return_stain"):
        actions = list(abcd[flow])
        assert await at_the_port(abcd, flow, actions) == (actions, [])
        did, refused = await at_the_port(abcd, flow, [actions[1], actions[0], "offer-refund", *actions[1:]])
        assert did == actions, "what is out of its turn does not even count"
        assert refused[:2] == ["call_forbidden"] * 2


async def test_without_the_question_at_the_port_any_order_goes(
    abcd: Flows, readers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers(abcd)
    allow = PolicyEngine.load().ask(call_question(envelope(), "t", "root.get_lead"))
    monkeypatch.setattr(GuardedTools, "_decided", lambda *_: allow)
    backwards = list(reversed(abcd["missing"]))
    assert await at_the_port(abcd, "missing", backwards) == (backwards, [])
