"""The shapes of answers about rules."""

from __future__ import annotations

from typing import Any

from server.shape import Shape


class RuleShown(Shape):
    """One rule: for an escalation ``escalate`` is what people are told."""

    rule_id: str
    layer: str
    effect: str
    file: str
    reason: str
    escalate: str | None


class RuleFinding(Shape):
    """What is certainly wrong with a rule that validates."""

    rule_id: str
    file: str
    code: str
    severity: str
    message: str


class RuleVersion(Shape):
    """One version of a tenant's rules; 0 is the shipped rules alone."""

    version: int
    note: str
    made_by: str | None
    created_at: str | None
    active: bool


class RuleVersionWhole(RuleVersion):
    """A version with its files; ``problems`` say why it can't be activated, ``rules_sha256`` names the whole."""

    files: dict[str, str]
    ok: bool
    problems: list[str]
    findings: list[RuleFinding]
    tests_passed: int
    untested: list[str]
    rules: list[RuleShown]
    rules_sha256: str | None


class Activated(Shape):
    """Who put which version in force, and when."""

    number: int
    version: int
    rules_sha256: str
    activated_by: str
    reason: str
    activated_at: str


class RuleState(Shape):
    """What is in force: ``usable`` is false where the active version does not fit the rules that ship by now."""

    active_version: int
    rules_sha256: str
    usable: bool
    shipped_sha256: str
    items: list[RuleVersion]
    activations: list[Activated]


class RulesChecked(Shape):
    """Whether rules could be put in force, what is wrong with them otherwise, and which no test is about."""

    ok: bool
    problems: list[str]
    findings: list[RuleFinding]
    tests_passed: int
    untested: list[str]
    rules: list[RuleShown]
    rules_sha256: str | None


class RuleTold(RuleShown):
    """A rule that determined a decision, as its author wrote it."""

    text: str


class Place(Shape):
    """Where a decision was made: the same question has the same decision in every mission."""

    mission_id: str
    revision: int
    decided_at: str


class Otherwise(Shape):
    """What would have come of it, by which rules."""

    outcome: str
    rules: list[str]


class WithoutRules(Otherwise):
    """Without these rules."""

    removed: list[str]


class WithAnother(Otherwise):
    """With another value of one input; ``stilled`` are the rules that would not have determined it any more."""

    path: str
    was: Any
    instead: Any
    stilled: list[str]


class Now(Otherwise):
    """Asked again under the rules that are in force now."""

    rules_sha256: str


class Explanation(Shape):
    """Why something was decided; ``reproduced``: asked again under the rules of then, it is decided the same.

    ``constitution`` names the limits that it was denied for, whatever the rules say.
    """

    decision_id: str
    layer: str
    action: str
    outcome: str
    reasons: list[str]
    rules: list[RuleTold]
    rules_sha256: str
    inputs: dict[str, Any]
    missions: list[Place]
    reproduced: bool | None
    constitution: list[str]
    without: list[WithoutRules]
    changes: list[WithAnother]
    now: Now


class FlipShown(Shape):
    """A decision that would have been another."""

    mission_id: str
    decision_id: str
    revision: int
    decided_at: str
    layer: str
    action: str
    subject: str
    was: str
    now: str
    rules_was: list[str]
    rules_now: list[str]
    reasons_now: list[str]


class CantSay(Shape):
    """A decision whose question does not fit what the rules look at."""

    mission_id: str
    decision_id: str
    why: str


class WhatIfPage(Shape):
    """A page of history under other rules: ``examined`` decisions, as ``questions`` different ones.

    ``total``, on the first page alone, is how many decisions there are to examine.
    """

    rules_sha256: str
    total: int | None
    examined: int
    questions: int
    flips: list[FlipShown]
    unanswerable: list[CantSay]
    next_cursor: str | None
