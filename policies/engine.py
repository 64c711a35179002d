"""The policy engine: one question, one Cedar evaluation, one decision. Whatever goes wrong denies."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, Self

import cedarpy

from contracts.canonical import sha256_hex
from contracts.decisions import Outcome, PolicyDecision, PolicyQuestion
from contracts.errors import SettingInvalid
from contracts.stateflow import Layer
from policies import tenants
from policies.nesting import too_deep
from policies.rulefiles import (
    SCHEMA_FILE,
    TOO_DEEP,
    Rule,
    RuleFile,
    RuleFiles,
    load_rules,
    parse_rules,
    refuse,
    without_rules,
)
from policies.spelling import Spelled, spelled

NO_RULE = "no rule allows this"
_MAX_TOLD = 300
_MOST_SETS = 256
_FAILED_RULE = re.compile(r"^error while evaluating policy `(policy\d+)`")
_UNEVALUATED = "it could not be evaluated: "
_PLACEHOLDER = re.compile(r"\{(context|resource|principal)\.([a-z_]+)\}")


Decided = dict[tuple[str, str], PolicyDecision]
"""What was decided, by the hashes of the rules and of the question: the two say all that a decision depends on."""


class Asks(Protocol):
    """Whatever decides questions under one set of rules."""

    @property
    def rules_sha256(self) -> str:
        """The name of the rules."""
        ...

    @property
    def content(self) -> bytes:
        """The rules as text, whose hash is their name."""
        ...

    def ask(self, question: PolicyQuestion, decided: Decided | None = None, /) -> PolicyDecision:
        """Decide one question; one that ``decided`` knows is not evaluated again, any other is added to it."""
        ...


class PolicyEngine:
    """Every layer's rules, parsed and checked once.

    Attributes:
        files: the rules as text.
        rules: every rule there is, for listings.
        rules_sha256: names the rule set; it is part of each decision.
    """

    files: RuleFiles
    rules: tuple[Rule, ...]
    rules_sha256: str

    def __init__(self, files: RuleFiles, base: PolicyEngine | None = None) -> None:
        """Parse rules; of what lies over ``base`` only what is new."""
        self._parsed: _Parsed = _grown(base._parsed, files) if base else _parsed(files)
        self.files = files
        self.rules = self._parsed.rules
        self.rules_sha256 = files.sha256()
        self._evaluated: list[int] = base._evaluated if base else [0]
        self._own: dict[str, Asks] = {}

    @property
    def evaluations(self) -> int:
        """How many questions were evaluated, under these rules and under any that lie over them."""
        return self._evaluated[0]

    @property
    def content(self) -> bytes:
        """The rules as text, whose hash is their name."""
        return self.files.content

    @classmethod
    def load(cls, directory: Path | None = None) -> Self:
        """Read, parse and validate a directory of rules, by default those that ship with Colony.

        Raises:
            SettingInvalid: ``policy_invalid``; it names the file and the rule that can't be used.
        """
        return cls(load_rules(directory))

    @property
    def known(self) -> tuple[str, ...]:
        """Which tenants' sets are parsed already, by their hashes."""
        return tuple(self._own)

    def over(self, sha256: str, content: bytes | None = None) -> Asks:
        """Return these rules with a tenant's set over them, parsed once; with one that can't be used all is denied.

        Raises:
            LookupError: it is not known, and its content was not given.
        """
        if content is None or sha256 in self._own:
            return self._own[sha256]
        made = self._over(content)
        # Several threads may be here at once.
        for name in list(self._own)[: len(self._own) + 1 - _MOST_SETS]:
            self._own.pop(name, None)
        self._own[sha256] = made
        return made

    def _over(self, content: bytes) -> Asks:
        try:
            return PolicyEngine(tenants.over(self.files, tenants.unpacked(content)), self)
        except SettingInvalid as exc:
            return UnusableRules(exc.message, content)

    def without(self, layer: Layer, rule_ids: Sequence[str]) -> PolicyEngine:
        """Return one layer's rules without some of them, to see what they change."""
        kept = (without_rules(file, rule_ids) for file in self.files.files if file.layer is layer)
        return PolicyEngine(RuleFiles(self.files.schema, tuple(kept)))

    def ask(self, question: PolicyQuestion, decided: Decided | None = None, /) -> PolicyDecision:
        """Decide one question by the rules of its layer; one that ``decided`` knows is not evaluated again.

        Raises:
            Malformed: the question is not plain JSON, so that not even a denial of it could be recorded.
        """
        spelt = spelled(question)
        question, asked = spelt.question, spelt.sha256
        if decided is not None and (known := decided.get((self.rules_sha256, asked))):
            return known
        self._evaluated[0] += 1
        outcome, rules, reasons = self._judge(spelt)
        decision = PolicyDecision(
            layer=question.layer,
            outcome=outcome,
            rules=rules,
            reasons=reasons,
            question=question,
            question_sha256=asked,
            rules_sha256=self.rules_sha256,
        )
        if decided is not None:
            decided[self.rules_sha256, asked] = decision
        return decision

    def _judge(self, spelt: Spelled) -> tuple[Outcome, tuple[str, ...], tuple[str, ...]]:
        question = spelt.question
        positions, policies = self._parsed.by_position[question.layer], self._parsed.policies[question.layer]
        try:
            result = cedarpy.is_authorized(spelt.request, policies, spelt.entities, schema=self._parsed.schema)
        except (KeyError, TypeError, ValueError) as exc:
            return Outcome.DENY, (), (_failure(f"{type(exc).__name__}: {exc}", positions),)
        determining = sorted((positions[p] for p in result.diagnostics.reasons), key=lambda rule: rule.rule_id)
        # Cedar passes over a rule that fails, and a forbid that was passed over would be an allow.
        errors = tuple(_failure(e, positions) for e in sorted(result.diagnostics.errors))
        # What a tenant's own rules permit, the shipped ones must permit, too: they can only tighten.
        if errors or not result.allowed or all(rule.of_tenant for rule in determining):
            forbids = [rule for rule in determining if rule.effect == "forbid"]
            told = tuple(_fill(rule.reason, question) for rule in forbids)
            return Outcome.DENY, _ids(forbids), (told + errors) or (NO_RULE,)
        if escalating := [rule for rule in determining if rule.escalate]:
            return (
                Outcome.ESCALATE,
                _ids(escalating),
                tuple(_fill(rule.escalate or "", question) for rule in escalating),
            )
        return Outcome.ALLOW, _ids(determining), tuple(_fill(rule.reason, question) for rule in determining)


class UnusableRules:
    """In the place of rules that can't be used: whatever is asked is denied, and says why."""

    def __init__(self, why: str, content: bytes) -> None:
        self._why = why
        self.content = content
        self.rules_sha256 = sha256_hex(content)

    def ask(self, question: PolicyQuestion, _decided: Decided | None = None, /) -> PolicyDecision:
        """Deny it."""
        spelt = spelled(question)
        return PolicyDecision(
            layer=question.layer,
            outcome=Outcome.DENY,
            rules=(),
            reasons=(f"the tenant's rules can't be used: {self._why}"[:_MAX_TOLD],),
            question=spelt.question,
            question_sha256=spelt.sha256,
            rules_sha256=self.rules_sha256,
        )


def unanswerable(decision: PolicyDecision) -> bool:
    """Tell whether the question does not fit the rules' schema, so that no rule was even tried."""
    beyond, failed = _UNEVALUATED, f"{_UNEVALUATED}error while evaluating"
    return any(reason.startswith(beyond) and not reason.startswith(failed) for reason in decision.reasons)


@dataclass(frozen=True)
class _Parsed:
    """Rules, parsed and held against their schema. By layer: what Cedar evaluates, and which rules its names mean."""

    files: tuple[RuleFile, ...]
    schema: cedarpy.Schema
    rules: tuple[Rule, ...]
    policies: Mapping[Layer, cedarpy.PolicySet]
    by_position: Mapping[Layer, Mapping[str, Rule]]


@lru_cache(maxsize=16)
def _parsed(files: RuleFiles) -> _Parsed:
    if too_deep(files.schema, schema=True):
        refuse(SCHEMA_FILE, None, TOO_DEEP)
    try:
        schema = cedarpy.Schema.from_str(files.schema)
    except ValueError as exc:
        refuse(SCHEMA_FILE, None, str(exc), exc)
    nothing = cedarpy.PolicySet.from_str("")
    return _grown(_Parsed((), schema, (), dict.fromkeys(Layer, nothing), {layer: {} for layer in Layer}), files)


def _grown(base: _Parsed, files: RuleFiles) -> _Parsed:
    """Parse those of the files that ``base`` has not, and what their layers are together."""
    new = [file for file in files.files if file not in base.files]
    rules = _unique((*base.rules, *(rule for file in new for rule in parse_rules(file, base.schema))))
    texts = {file.layer: files.text_of(file.layer) for file in new}
    policies = {layer: cedarpy.PolicySet.from_str(text, release_gil=True) for layer, text in texts.items()}
    by_position = {layer: _positions(text, rules) for layer, text in texts.items()}
    return _Parsed(files.files, base.schema, rules, {**base.policies, **policies}, {**base.by_position, **by_position})


def _positions(text: str, rules: Iterable[Rule]) -> dict[str, Rule]:
    """Map Cedar's positional names (``policy0``) to the rules they stand for."""
    by_id = {rule.rule_id: rule for rule in rules}
    policies = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"]
    return {position: by_id[policy["annotations"]["id"]] for position, policy in policies.items()}


def _unique(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    seen: dict[str, Rule] = {}
    for rule in rules:
        if first := seen.get(rule.rule_id):
            refuse(rule.file, rule.rule_id, f"{first.file} has a rule of this @id already")
        seen[rule.rule_id] = rule
    return tuple(seen.values())


def _ids(rules: Iterable[Rule]) -> tuple[str, ...]:
    return tuple(rule.rule_id for rule in rules)


def _failure(error: str, positions: Mapping[str, Rule]) -> str:
    """Say what went wrong in a line, with the rule's own name instead of its position."""
    found = _FAILED_RULE.match(error)
    if found and (rule := positions.get(found[1])):
        error = error.replace(found[1], rule.rule_id, 1)
    return _UNEVALUATED + " ".join(error.split())[:_MAX_TOLD]


def _fill(sentence: str, question: PolicyQuestion) -> str:
    """Put the question's own values where a reason names them, so that people see which fields or tools are meant."""
    parts = {
        "context": question.context,
        "resource": question.resource["attrs"],
        "principal": question.principal["attrs"],
    }

    def told(match: re.Match[str]) -> str:
        if match[2] not in parts[match[1]]:
            return match[0]
        value = parts[match[1]][match[2]]
        names = value if isinstance(value, list) else [value]
        return ", ".join(_name(n) for n in names)[:_MAX_TOLD] or "none"

    return _PLACEHOLDER.sub(told, sentence)


def _name(value: Any) -> str:
    """Show a value on one line; what an attacker chose must not look like a sentence of ours."""
    text = str(value)
    return text if re.fullmatch(r"[\w.-]{1,60}", text, re.ASCII) else json.dumps(text[:60])
