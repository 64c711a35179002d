"""Tests of rules, beside the rules: a question, told by what is otherwise than usual, and the outcome it must have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import yaml

from contracts.decisions import Outcome, PolicyDecision, PolicyQuestion
from contracts.errors import Malformed
from policies.engine import PolicyEngine, unanswerable
from policies.inputs import replaced
from policies.rulefiles import readable, refuse, shipped_text
from policies.spelling import spelled
from policies.tenants import TESTS_FILE

QUESTIONS_FILE = "questions.yaml"
_MOST_CASES = 500
_MOST_LEVELS = 10
_KEYS = frozenset({"name", "action", "given", "expect", "rules"})


@dataclass(frozen=True)
class Case:
    """One test.

    Attributes:
        given: inputs by path, as ``resource.fields``, that are otherwise than in the usual question of that action.
        rules: rules that must be among those that determine the outcome.
    """

    name: str
    question: PolicyQuestion
    expect: Outcome
    rules: tuple[str, ...] = ()


@dataclass(frozen=True)
class Failed:
    """A test that did not hold, and what came instead."""

    case: Case
    decision: PolicyDecision

    def __str__(self) -> str:
        got = f"{self.decision.outcome.value} by {', '.join(self.decision.rules) or 'no rule'}"
        if unanswerable(self.decision):
            got = f"no question: {'; '.join(self.decision.reasons)}"
        wanted = f"{self.case.expect.value}{' by ' + ', '.join(self.case.rules) if self.case.rules else ''}"
        return f"test '{self.case.name}': it is {got}, not {wanted}"


@dataclass
class Results:
    """What came of the tests; ``determined`` are the rules that determined at least one outcome."""

    passed: int = 0
    failed: list[Failed] = field(default_factory=list)
    determined: set[str] = field(default_factory=set)


@cache
def usual_questions() -> Mapping[str, PolicyQuestion]:
    """Return a complete question of every action, each of them fine: what tests begin from."""
    written = yaml.safe_load(shipped_text(QUESTIONS_FILE))
    return {action: PolicyQuestion(action=action, **said) for action, said in written.items()}


def cases_in(text: str) -> tuple[Case, ...]:
    """Read tests.

    Raises:
        SettingInvalid: ``policy_invalid``; it names the test that can't be read.
    """
    try:
        _plain(text)
        written = yaml.safe_load(readable(TESTS_FILE, text))
    # A date that there is not, or a number of thousands of digits, is no YAML error.
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        refuse(TESTS_FILE, None, "it is not YAML", exc)
    items = written.get("tests") if isinstance(written, dict) else None
    if not isinstance(items, list) or written.keys() - {"tests"}:
        refuse(TESTS_FILE, None, "it is a list of tests under the name `tests`")
    if len(items) > _MOST_CASES:
        refuse(TESTS_FILE, None, f"there are more than {_MOST_CASES} tests")
    return tuple(_case(number, item) for number, item in enumerate(items, 1))


def _plain(text: str) -> None:
    """Refuse what grows while it is read, as far as it has been read by then."""
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        # Each level is read again and again for those in it.
        if depth > _MOST_LEVELS:
            refuse(TESTS_FILE, None, "it nests too deep")
        # An alias of an alias of an alias is a text of any size.
        if isinstance(event, yaml.AliasEvent):
            refuse(TESTS_FILE, None, "it has an alias (*name); write the value out")


def _case(number: int, item: Any) -> Case:
    where = f"test {number}"
    if not isinstance(item, dict) or item.keys() - _KEYS or not {"name", "action", "expect"} <= item.keys():
        refuse(TESTS_FILE, None, f"{where} has name, action, expect, and may have given and rules; nothing else")
    where = f"test {number} ({str(item['name'])[:80]})"
    usual = usual_questions().get(str(item["action"]))
    if usual is None:
        refuse(TESTS_FILE, None, f"{where}: its action is one of {', '.join(usual_questions())}")
    given, rules = item.get("given") or {}, item.get("rules") or []
    if not isinstance(given, dict) or not isinstance(rules, list) or item["expect"] not in [*Outcome]:
        refuse(TESTS_FILE, None, f"{where}: given is a mapping, rules a list, expect one of {', '.join(Outcome)}")
    return Case(str(item["name"]), _asked(where, usual, given), Outcome(item["expect"]), tuple(map(str, rules)))


def _asked(where: str, question: PolicyQuestion, given: Mapping[Any, Any]) -> PolicyQuestion:
    for path, value in given.items():
        try:
            question = replaced(question, str(path), value)
            spelled(question)
        except (KeyError, TypeError, ValueError, IndexError) as exc:
            refuse(TESTS_FILE, None, f"{where}: {question.action} has no input {str(path)[:80]}", exc)
        except Malformed as exc:
            refuse(TESTS_FILE, None, f"{where}: {str(path)[:80]} is given what is no text, number, list or truth", exc)
    return question


def tried(engine: PolicyEngine, cases: Iterable[Case]) -> Results:
    """Ask each test's question and hold the outcome against what it expects."""
    results = Results()
    for case in cases:
        decision = engine.ask(case.question)
        results.determined |= set(decision.rules)
        # What does not fit the schema is denied, too, but by no rule: such a test would hold whatever the rules say.
        if decision.outcome is case.expect and set(case.rules) <= set(decision.rules) and not unanswerable(decision):
            results.passed += 1
        else:
            results.failed.append(Failed(case, decision))
    return results


def untested(engine: PolicyEngine, results: Results, *, own: bool = False) -> Sequence[str]:
    """Return the rules that determined no test's outcome; of a tenant's set only its own."""
    return [r.rule_id for r in engine.rules if r.rule_id not in results.determined and (r.of_tenant or not own)]
