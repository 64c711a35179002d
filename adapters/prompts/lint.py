"""What is wrong with the prompts: names that do not exist, examples that are not true, changes without a version."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from adapters.models.tokens import count_tokens
from adapters.prompts.registry import TemplateRegistry, version_of
from contracts.errors import SettingInvalid
from contracts.outputs import OUTPUTS
from contracts.ports import Template
from contracts.tasks import Exemplar, TaskKind

VARIABLES = frozenset({"goal", "title", "output"})
MOST_TOKENS = 1_500
_VARIABLE = re.compile(r"\{([^{}]*)\}")
_EVIDENCE = {"evidence", "kind", "trust", "title", "text"}
_NO_MODEL = "none"


def problems(registry: TemplateRegistry) -> list[str]:
    """Return what is wrong, one sentence each; nothing when all can be used."""
    found = [f"{v} is there twice" for v, n in Counter(map(version_of, registry.entries)).items() if n > 1]
    for entry in registry.entries:
        about = _template(entry) if isinstance(entry, Template) else _exemplar(entry, registry)
        found += [f"{version_of(entry)} {what}" for what in about]
    templates = {e.template_id: e for e in registry.entries if isinstance(e, Template)}
    found += [f"{kind.value} has no template" for kind in TaskKind if kind.value not in templates]
    for name, template in templates.items():
        if template.output_schema != _NO_MODEL and not registry.exemplars(name):
            found.append(f"{name} has no exemplar")
    return [*found, *_versions(registry)]


def _template(template: Template) -> Iterator[str]:
    used = set(_VARIABLE.findall(template.system + template.instructions))
    needed = {"title"} if template.output_schema == _NO_MODEL else {"title", "goal"}
    yield from (f"names the unknown variable {{{name}}}" for name in sorted(used - VARIABLES))
    yield from (f"does not say {{{name}}}" for name in sorted(needed - used))
    if template.output_schema not in {*OUTPUTS, _NO_MODEL}:
        yield f"asks for the unknown schema {template.output_schema}"


def _exemplar(exemplar: Exemplar, registry: TemplateRegistry) -> Iterator[str]:
    schemas = {e.template_id: e.output_schema for e in registry.entries if isinstance(e, Template)}
    schema = OUTPUTS.get(schemas.get(exemplar.template_id, _NO_MODEL))
    if schema is None:
        yield f"is for {exemplar.template_id}, which no model answers"
        return
    try:
        schema.model_validate(exemplar.answer)
    except ValidationError as exc:
        yield f"answers what does not fit {schema.__name__}: {exc.errors()[0]['msg']}"
    if any(set(piece) != _EVIDENCE for piece in exemplar.evidence):
        yield "has evidence that is not labelled as in a prompt"
        return
    texts = {piece["evidence"]: piece["text"] for piece in exemplar.evidence}
    for label, quote in _quotes(exemplar.answer):
        if quote not in texts.get(label, ""):
            yield f"quotes what {label} does not say: {quote[:60]}"


def _quotes(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        if {"evidence", "quote"} <= value.keys():
            yield value["evidence"], value["quote"]
        for held in value.values():
            yield from _quotes(held)
    elif isinstance(value, list):
        for held in value:
            yield from _quotes(held)


def _versions(registry: TemplateRegistry) -> Iterator[str]:
    now = registry.versions()
    for version, sha256 in now.items():
        if registry.locked.get(version, sha256) != sha256:
            yield f"{version} was changed without a new version"
    if unknown := sorted(now.keys() - registry.locked.keys()):
        yield f"{unknown[0]} is not in versions.json: run python -m adapters.prompts"
    if gone := sorted(registry.locked.keys() - now.keys()):
        yield f"{gone[0]} was removed: packages that were made of it name it"


def checked(registry: TemplateRegistry) -> TemplateRegistry:
    """Return the registry, linted.

    Raises:
        SettingInvalid: a template or an exemplar can't be used; the message names it.
    """
    if found := problems(registry):
        raise SettingInvalid(f"the prompts can't be used: {found[0]}", code="prompts_invalid")
    return registry


def sizes(registry: TemplateRegistry) -> dict[str, int]:
    """Return how many tokens each template takes with its exemplars, before anything is put in."""
    templates = {e.template_id: e for e in registry.entries if isinstance(e, Template)}
    return {
        name: count_tokens(t.system + t.instructions)
        + sum(count_tokens(str(e.shown())) for e in registry.exemplars(name))
        for name, t in templates.items()
    }
