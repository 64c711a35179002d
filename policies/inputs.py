"""A question's inputs by path: ``principal.tenant``, ``resource.fields``, ``context.change.requester``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from contracts.decisions import PolicyQuestion


def inputs(question: PolicyQuestion) -> dict[str, Any]:
    """Return every input by its path."""
    found: dict[str, Any] = {}
    for name, entity in (("principal", question.principal), ("resource", question.resource)):
        found[f"{name}.id"] = entity["id"]
        found |= _leaves(name, entity["attrs"])
    return found | dict(_leaves("context", question.context))


def _leaves(path: str, value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _leaves(f"{path}.{name}", inner)
        else:
            yield f"{path}.{name}", inner


def replaced(question: PolicyQuestion, path: str, instead: Any) -> PolicyQuestion:
    """Return the question with one input that is another.

    Raises:
        KeyError: it has no such input.
    """
    plain = question.model_dump(mode="json")
    first, *rest = path.split(".")
    place = plain[first]
    if first != "context" and rest != ["id"]:
        place = place["attrs"]
    for name in rest[:-1]:
        place = place[name]
    if rest[-1] not in place or isinstance(place[rest[-1]], Mapping):
        raise KeyError(path)
    place[rest[-1]] = instead
    return PolicyQuestion.model_validate(plain)
