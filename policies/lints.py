"""What is certainly wrong with rules that validate. Nothing here guesses: each finding can be proven from the text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from contracts.canonical import canonical_bytes
from contracts.decisions import PolicyQuestion
from policies.inputs import inputs
from policies.literals import attribute, beside
from policies.rulefiles import Rule
from policies.vocabulary import ACTIONS, NOBODY_LOOKS, VALUES

_PLACEHOLDER = re.compile(r"\{((?:context|resource|principal)\.[a-z_]+)\}")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a rule; an ``error`` is never meant, a ``warning`` may be."""

    rule_id: str
    file: str
    code: str
    severity: Literal["error", "warning"]
    message: str


def findings(rules: Sequence[Rule], questions: Mapping[str, PolicyQuestion]) -> list[Finding]:
    """Lint rules; ``questions`` are complete ones of each action, for what can be looked at."""
    found = [
        Finding(rule.rule_id, rule.file, code, severity, message)
        for rule in rules
        for code, severity, message in _of_rule(rule, questions)
    ]
    return [*found, *_of_pairs(rules)]


def actions_of(rule: Rule) -> frozenset[str]:
    """Return the actions of its layer that a rule is about."""
    match rule.policy["action"]:
        case {"op": "All"}:
            return ACTIONS[rule.layer]
        case {"op": "==", "entity": {"id": name}}:
            return frozenset({name}) & ACTIONS[rule.layer]
        case {"op": "in", "entities": list() as entities}:
            return frozenset(e["id"] for e in entities) & ACTIONS[rule.layer]
        case {"op": "in", "entity": {"id": name}}:
            return frozenset({name}) & ACTIONS[rule.layer]
        case _:
            return frozenset()


Said = tuple[str, Literal["error", "warning"], str]


def _of_rule(rule: Rule, questions: Mapping[str, PolicyQuestion]) -> Iterator[Said]:
    actions = actions_of(rule)
    bare = not rule.policy["conditions"] and all(rule.policy[s]["op"] == "All" for s in ("principal", "resource"))
    if not actions:
        yield "never-asked", "error", f"the {rule.layer} layer is never asked what this rule is about"
    elif bare and rule.effect == "permit" and not rule.escalate:
        yield "permits-everything", "error", f"it has no condition: every {_listed(actions)} is permitted"
    elif bare and rule.effect == "forbid":
        yield "forbids-everything", "warning", f"it has no condition: every {_listed(actions)} is refused"
    if why := _impossible(rule):
        yield "never-applies", "error", why
    for path, known in beside([rule]).items():
        values = VALUES.get(path.rpartition(".")[2])
        if wrong := [v for v in known.values if isinstance(v, str) and values and v not in values]:
            yield "unknown-value", "warning", f"{path} is never {_listed(wrong)}"
    if rule.escalate:
        for action in sorted(actions & NOBODY_LOOKS.keys()):
            yield "nobody-looks", "warning", f"on {action}, {NOBODY_LOOKS[action]}"
    yield from _placeholders(rule, actions, questions)


def _placeholders(rule: Rule, actions: Iterable[str], questions: Mapping[str, PolicyQuestion]) -> Iterator[Said]:
    for name in dict.fromkeys(_PLACEHOLDER.findall(f"{rule.reason} {rule.escalate or ''}")):
        lacking = sorted(a for a in actions if a in questions and name not in inputs(questions[a]))
        if lacking:
            yield "unknown-placeholder", "warning", f"on {_listed(lacking)} there is no {name} to show in its reason"


def _impossible(rule: Rule) -> str:
    """Say why a rule can never apply; nothing if it may."""
    equal: dict[str, set[str]] = {}
    holds: set[bytes] = set()
    fails: set[bytes] = set()
    for condition in rule.policy["conditions"]:
        terms = _terms(condition["body"]) if condition["kind"] == "when" else [{"!": {"arg": condition["body"]}}]
        for term in terms:
            if term == {"Value": False} or term == {"!": {"arg": {"Value": True}}}:
                return "one of its conditions is never true"
            match term:
                case {"!": {"arg": inner}}:
                    fails.add(canonical_bytes(inner))
                case {"==": {"left": left, "right": {"Value": str() as value}}} if path := attribute(left):
                    equal.setdefault(path, set()).add(value)
                    holds.add(canonical_bytes(term))
                case _:
                    holds.add(canonical_bytes(term))
    if twice := [path for path, values in equal.items() if len(values) > 1]:
        return f"{twice[0]} can't be {' and '.join(sorted(equal[twice[0]]))} at once"
    return "two of its conditions contradict each other" if holds & fails else ""


def _terms(body: Any) -> list[Any]:
    """Split a condition at its ``&&``."""
    found, waiting = [], [body]
    while waiting:
        match waiting.pop():
            case {"&&": {"left": left, "right": right}}:
                waiting += [right, left]
            case term:
                found.append(term)
    return found


def _of_pairs(rules: Sequence[Rule]) -> Iterator[Finding]:
    """Find rules that say what another one says, and permits that a forbid leaves nothing of."""
    first: dict[bytes, Rule] = {}
    opposite = {_said(rule): rule for rule in rules if rule.effect == "forbid"}
    walls = [rule for rule in rules if rule.effect == "forbid" and not rule.policy["conditions"] and _open(rule)]
    for rule in rules:
        name = canonical_bytes([_plain(rule.policy), bool(rule.escalate)])
        if other := first.get(name):
            yield _finding(rule, "says-the-same", f"it says exactly what {other.rule_id} says")
        first.setdefault(name, rule)
        if rule.effect != "permit":
            continue
        shadow = opposite.get(_said(rule)) or next(
            (w for w in walls if w.layer is rule.layer and actions_of(rule) and actions_of(rule) <= actions_of(w)), None
        )
        if shadow is not None:
            yield _finding(rule, "shadowed", f"{shadow.rule_id} forbids whatever it would let through")


def _open(rule: Rule) -> bool:
    return all(rule.policy[scope]["op"] == "All" for scope in ("principal", "resource"))


def _finding(rule: Rule, code: str, message: str) -> Finding:
    return Finding(rule.rule_id, rule.file, code, "warning", message)


def _plain(policy: Mapping[str, Any]) -> dict[str, Any]:
    return dict(policy)


def _said(rule: Rule) -> bytes:
    return canonical_bytes({part: said for part, said in rule.policy.items() if part != "effect"})


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
