"""History under other rules: stored questions, asked again. No model, no tool and no person has a part in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from contracts.decisions import Outcome, PolicyDecision
from policies.constitution import beyond
from policies.engine import Decided, PolicyEngine, unanswerable


@dataclass(frozen=True)
class Flip:
    """A decision that would have been another, and what it would have been."""

    was: PolicyDecision
    now: PolicyDecision


@dataclass
class Reconsidered:
    """What came of asking a stretch of history again.

    Attributes:
        questions: how many different ones were asked.
        unanswerable: decisions whose question lacks what these rules look at, or has more: nothing can be said of them.
    """

    questions: int = 0
    flips: list[Flip] = field(default_factory=list)
    unanswerable: list[PolicyDecision] = field(default_factory=list)


def reconsidered(engine: PolicyEngine, history: Iterable[PolicyDecision]) -> Reconsidered:
    """Ask every question of a history again, each different one once."""
    found = Reconsidered()
    decided: Decided = {}
    for was in history:
        now = engine.ask(was.question, decided)
        # What the constitution denied, no rules let through.
        if beyond(was):
            continue
        if now.outcome is was.outcome:
            continue
        if now.outcome is Outcome.DENY and unanswerable(now):
            found.unanswerable.append(was)
        else:
            found.flips.append(Flip(was, now))
    found.questions = len(decided)
    return found
