"""What a counterfactual replay has otherwise: rules, prompt templates, the preferred tier."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from contracts.errors import BadInput
from contracts.lineage import Overrides
from contracts.mission import ModelTier
from contracts.ports import Route, RoutePort, Template, TemplatePort
from contracts.tasks import Exemplar
from policies.engine import PolicyEngine
from policies.rulefiles import SCHEMA_FILE, rules_from
from policies.tenants import over, packed, unpacked


def engine_with(shipped: PolicyEngine, rules: Mapping[str, str]) -> PolicyEngine:
    """Return the engine for other rules: a tenant's files over the shipped ones or, with a schema, a whole set.

    Raises:
        SettingInvalid: ``policy_invalid``; they can't be used.
    """
    if SCHEMA_FILE in rules:
        return PolicyEngine(rules_from(rules))
    return PolicyEngine(over(shipped.files, unpacked(packed(rules))), shipped)


@dataclass(frozen=True)
class OtherTemplates:
    """Satisfies ``TemplatePort``: some templates in other words, under another version."""

    inner: TemplatePort
    changed: Mapping[str, Mapping[str, str]]

    def get(self, template_id: str) -> Template:
        """Return a template, in its other words if it has some."""
        found = self.inner.get(template_id)
        words = self.changed.get(template_id)
        return replace(found, version=f"{found.version}+override", **words) if words else found

    def exemplars(self, template_id: str) -> Sequence[Exemplar]:
        """Return a template's worked examples."""
        return self.inner.exemplars(template_id)


@dataclass(frozen=True)
class OtherRoute:
    """Satisfies ``RoutePort``: every task prefers one tier. What may go there is for the routing policy to say."""

    inner: RoutePort
    routes: Mapping[ModelTier, Route]
    preferred: ModelTier

    def route(self, _sensitivity: str, _kind: str, /) -> Route:
        """Return the preferred tier's route."""
        return self.routes[self.preferred]

    def count_tokens(self, text: str) -> int:
        """Count a text's tokens."""
        return self.inner.count_tokens(text)


def check_usable(
    overrides: Overrides, shipped: PolicyEngine, templates: Callable[[], TemplatePort], tiers: Sequence[ModelTier]
) -> None:
    """See that overrides can be used before a mission is made with them.

    Raises:
        BadInput: rules don't validate, or there is no such template or tier.
        NotFound: there is no such template.
    """
    if overrides.rules:
        engine_with(shipped, overrides.rules)
    if overrides.templates:
        known = templates()
        for template_id in overrides.templates:
            known.get(template_id)
    if overrides.route is not None and overrides.route not in tiers:
        raise BadInput(f"no model is configured for {overrides.route.value}", code="tier_unavailable")
