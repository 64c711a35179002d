"""What would have changed a decision: the same question asked again with one input, or one rule, taken away or changed.

Nothing here reasons about rules. Each line of an explanation is an evaluation that was made.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from contracts.constitution import Constitution
from contracts.decisions import Outcome, PolicyDecision, PolicyQuestion
from policies.constitution import beyond, held
from policies.engine import PolicyEngine, unanswerable
from policies.inputs import inputs, replaced
from policies.literals import Beside, beside

_MOST_VALUES = 24
_NOTHING = Beside()


@dataclass(frozen=True)
class Change:
    """One input that would have been another, and what would have come of it.

    Attributes:
        path: which input, as ``resource.fields``.
        stilled: the rules that determined the decision and would not have any more.
    """

    path: str
    was: Any
    instead: Any
    outcome: Outcome
    rules: tuple[str, ...]
    stilled: tuple[str, ...]


@dataclass(frozen=True)
class Without:
    """Rules that would not have been there, and what would have come of it."""

    removed: tuple[str, ...]
    outcome: Outcome
    rules: tuple[str, ...]


def reproduced(engine: PolicyEngine, decision: PolicyDecision) -> bool:
    """Tell whether asking the recorded question again gives what was recorded, but for the constitution's part."""
    again = engine.ask(decision.question)
    limits = beyond(decision)
    rules, reasons = decision.rules[len(limits) :], decision.reasons[len(limits) :]
    if limits and again.outcome is not Outcome.DENY:
        return decision.outcome is Outcome.DENY and not rules
    now = (again.outcome, again.rules, again.reasons, again.question_sha256)
    return now == (decision.outcome, rules, reasons, decision.question_sha256)


def without(engine: PolicyEngine, decision: PolicyDecision, law: Constitution | None = None) -> list[Without]:
    """Ask again without each rule or limit that determined a decision, and without all of them."""
    asked: list[tuple[str, ...]] = [(rule,) for rule in decision.rules]
    if len(asked) > 1:
        asked.append(decision.rules)
    found = []
    for removed in asked:
        limits = beyond(decision.model_copy(update={"rules": removed}))
        rules = [rule for rule in removed if rule not in limits]
        asked_of = engine.without(decision.layer, rules) if rules else engine
        now = _under(law, asked_of.ask(decision.question), decision, limits)
        found.append(Without(removed, now.outcome, now.rules))
    return found


def _under(
    law: Constitution | None, now: PolicyDecision, was: PolicyDecision, but: Collection[str] = ()
) -> PolicyDecision:
    """Hold an answer against the constitution of then; its pin on rules is on the whole set, not on a part of it."""
    return now if law is None else held(law, now.model_copy(update={"rules_sha256": was.rules_sha256}), but=but)


def changes(engine: PolicyEngine, decision: PolicyDecision, law: Constitution | None = None) -> list[Change]:
    """Ask again with one input changed, for each input and each value that the rules compare it with.

    Of several changes of one input with the same outcome the nearest is kept; where nothing comes of it, it is kept if
    it stills a rule.
    """
    found: dict[tuple[str, Outcome, tuple[str, ...]], Change] = {}
    for path, was, instead, question in alternatives(engine, decision.question):
        now = engine.ask(question)
        if unanswerable(now):
            continue
        now = _under(law, now, decision)
        stilled = tuple(rule for rule in decision.rules if rule not in now.rules)
        if now.outcome is decision.outcome and (now.outcome is not Outcome.DENY or not stilled):
            continue
        name = (path, now.outcome, stilled if now.outcome is decision.outcome else ())
        found.setdefault(name, Change(path, was, instead, now.outcome, now.rules, stilled))
    return sorted(found.values(), key=lambda c: (c.outcome is decision.outcome, c.path))


def alternatives(asks: PolicyEngine, question: PolicyQuestion) -> Iterator[tuple[str, Any, Any, PolicyQuestion]]:
    """Return questions that differ in one input: its path, what it was, what it is instead, the question."""
    compared = beside(rule for rule in asks.rules if rule.layer is question.layer)
    given = inputs(question)
    for path, was in given.items():
        known = compared.get(path, _NOTHING)
        others = [given[name] for name in known.attributes if name in given]
        for instead in _instead(was, list(known.values), others):
            yield path, was, instead, replaced(question, path, instead)


def _instead(was: Any, values: list[str | int], others: list[Any]) -> Iterable[Any]:
    """Return other values, the nearest first."""
    match was:
        case bool():
            return [not was]
        case int():
            near = {n + step for n in (*values, *others) if isinstance(n, int) for step in (-1, 0, 1)} - {was}
            return sorted(near, key=lambda n: (abs(n - was), n))[:_MOST_VALUES]
        case str():
            said = [v for v in (*others, *values) if isinstance(v, str) and v != was]
            return [*dict.fromkeys(said[:_MOST_VALUES]), f"another than {was}"[:60]] if values or others else []
        case list():
            return _sets(was, [v for v in values if isinstance(v, str)], others)
        case _:
            return []


def _sets(was: list[Any], values: list[str], others: list[Any]) -> list[list[Any]]:
    """Return other sets: without one of its names, without those that rules name, with only those, with one more."""
    named = {*values, *(name for other in others if isinstance(other, list) for name in other)}
    more = [*(name for name in sorted(named) if name not in was), "anything else"]
    made = [
        *([name for name in was if name != gone] for gone in was),
        [name for name in was if name not in named],
        [name for name in was if name in named],
        *(sorted([*was, name]) for name in more[:_MOST_VALUES]),
        sorted({*was, *named}),
        [],
    ]
    return [m for n, m in enumerate(made) if m != was and m not in made[:n]]
