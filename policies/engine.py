"""The policy engine: one question, one Cedar evaluation, one decision. Whatever goes wrong denies."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import cedarpy

from contracts.decisions import Outcome, PolicyDecision, PolicyQuestion
from contracts.errors import Malformed
from contracts.stateflow import Layer
from policies.rulefiles import SCHEMA_FILE, Rule, RuleFiles, load_rules, parse_rules, refuse

NO_RULE = "no rule allows this"
_MAX_TOLD = 300
_FAILED_RULE = re.compile(r"^error while evaluating policy `(policy\d+)`")
_PLACEHOLDER = re.compile(r"\{(context|resource|principal)\.([a-z_]+)\}")


class PolicyEngine:
    """Every layer's rules, parsed and checked once.

    Attributes:
        rules: every rule there is, for listings.
        rules_sha256: names the rule set; it is part of each decision.
        evaluations: how many questions were evaluated.
    """

    def __init__(self, files: RuleFiles) -> None:
        try:
            self._schema = cedarpy.Schema.from_str(files.schema)
        except ValueError as exc:
            refuse(SCHEMA_FILE, None, str(exc), exc)
        self.rules: tuple[Rule, ...] = _unique(rule for f in files.files for rule in parse_rules(f, self._schema))
        self.rules_sha256 = files.sha256()
        self.evaluations = 0
        self._policies = {layer: cedarpy.PolicySet.from_str(files.text_of(layer)) for layer in Layer}
        self._by_position = {layer: self._positions(files.text_of(layer)) for layer in Layer}

    @classmethod
    def load(cls, directory: Path | None = None) -> Self:
        """Read, parse and validate a directory of rules, by default those that ship with Colony.

        Raises:
            SettingInvalid: ``policy_invalid``; it names the file and the rule that can't be used.
        """
        return cls(load_rules(directory))

    def ask(self, question: PolicyQuestion) -> PolicyDecision:
        """Decide one question by the rules of its layer.

        Raises:
            Malformed: the question is not plain JSON, so that not even a denial of it could be recorded.
        """
        try:
            # Evaluated is exactly what is recorded, so that asking again from the store gives the same answer.
            question = PolicyQuestion.model_validate(question.model_dump(mode="json"))
            asked = question.sha256()
        except (TypeError, ValueError, RecursionError) as exc:
            raise Malformed("a policy question must be plain JSON") from exc
        self.evaluations += 1
        outcome, rules, reasons = self._judge(question)
        return PolicyDecision(
            layer=question.layer,
            outcome=outcome,
            rules=rules,
            reasons=reasons,
            question=question,
            question_sha256=asked,
            rules_sha256=self.rules_sha256,
        )

    def _judge(self, question: PolicyQuestion) -> tuple[Outcome, tuple[str, ...], tuple[str, ...]]:
        positions = self._by_position[question.layer]
        try:
            result = cedarpy.is_authorized(
                _request(question), self._policies[question.layer], _entities(question), schema=self._schema
            )
        except (KeyError, TypeError, ValueError) as exc:
            return Outcome.DENY, (), (_failure(f"{type(exc).__name__}: {exc}", positions),)
        determining = sorted((positions[p] for p in result.diagnostics.reasons), key=lambda rule: rule.rule_id)
        # Cedar passes over a rule that fails, and a forbid that was passed over would be an allow.
        errors = tuple(_failure(e, positions) for e in sorted(result.diagnostics.errors))
        if errors or not result.allowed:
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

    def _positions(self, text: str) -> dict[str, Rule]:
        """Map Cedar's positional names (``policy0``) to the rules they stand for."""
        by_id = {rule.rule_id: rule for rule in self.rules}
        policies = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"]
        return {position: by_id[policy["annotations"]["id"]] for position, policy in policies.items()}


def _unique(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    seen: dict[str, Rule] = {}
    for rule in rules:
        if first := seen.get(rule.rule_id):
            refuse(rule.file, rule.rule_id, f"{first.file} has a rule of this @id already")
        seen[rule.rule_id] = rule
    return tuple(seen.values())


def _request(question: PolicyQuestion) -> dict[str, Any]:
    return {
        "principal": _uid(question.principal),
        "action": {"type": "Action", "id": question.action},
        "resource": _uid(question.resource),
        "context": question.context,
    }


def _entities(question: PolicyQuestion) -> list[dict[str, Any]]:
    return [{"uid": _uid(e), "attrs": e["attrs"], "parents": []} for e in (question.principal, question.resource)]


def _uid(entity: Mapping[str, Any]) -> dict[str, str]:
    return {"type": entity["type"], "id": entity["id"]}


def _ids(rules: Iterable[Rule]) -> tuple[str, ...]:
    return tuple(rule.rule_id for rule in rules)


def _failure(error: str, positions: Mapping[str, Rule]) -> str:
    """Say what went wrong in a line, with the rule's own name instead of its position."""
    found = _FAILED_RULE.match(error)
    if found and (rule := positions.get(found[1])):
        error = error.replace(found[1], rule.rule_id, 1)
    return "it could not be evaluated: " + " ".join(error.split())[:_MAX_TOLD]


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
