"""The shapes of answers about rules."""

from __future__ import annotations

from server.shape import Shape


class RuleShown(Shape):
    """One rule: for an escalation ``escalate`` is what people are told."""

    rule_id: str
    layer: str
    effect: str
    file: str
    reason: str
    escalate: str | None


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
    rules: list[RuleShown]
    problems: list[str]
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
    """Whether rules could be put in force, and what is wrong with them otherwise."""

    ok: bool
    problems: list[str]
    rules: list[RuleShown]
    rules_sha256: str | None
