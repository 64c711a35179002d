"""What rules compare the inputs with: the values beside each attribute, and the attributes that it is held against."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from policies.rulefiles import Rule

_COMPARING = frozenset(
    {"==", "!=", "<", "<=", ">", ">=", "in", "contains", "containsAll", "containsAny", "+", "-", "*"}
)


@dataclass
class Beside:
    """What stands beside one attribute, as ``resource.fields``, in any comparison.

    Attributes:
        values: strings and numbers, in the order in which the rules name them.
        attributes: other attributes.
    """

    values: dict[str | int, None] = field(default_factory=dict)
    attributes: dict[str, None] = field(default_factory=dict)


def beside(rules: Iterable[Rule]) -> dict[str, Beside]:
    """Return for every attribute that the rules compare what they compare it with."""
    found: defaultdict[str, Beside] = defaultdict(Beside)
    for rule in rules:
        for node in nodes(rule.policy.get("conditions", [])):
            for name in sorted(node.keys() & _COMPARING):
                _compared(list(_operands(node[name])), found)
    return dict(found)


def _compared(operands: list[Any], found: defaultdict[str, Beside]) -> None:
    paths = [path for one in operands if (path := attribute(one))]
    values = [value for one in operands for value in _values(one)]
    for path in paths:
        found[path].values |= dict.fromkeys(values)
        found[path].attributes |= {other: None for other in paths if other != path}


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Return every part of a rule's conditions."""
    waiting = [value]
    while waiting:
        match waiting.pop():
            case dict() as node:
                yield node
                waiting.extend(reversed(node.values()))
            case list() as items:
                waiting.extend(reversed(items))
            case _:
                pass


def attribute(node: Any) -> str | None:
    """Return an attribute's name, as ``context.change.deployment_mode``; the entity itself is ``resource.id``."""
    parts: list[str] = []
    while isinstance(node, Mapping) and "." in node:
        parts.insert(0, str(node["."]["attr"]))
        node = node["."]["left"]
    if not isinstance(node, Mapping) or "Var" not in node:
        return None
    return ".".join([str(node["Var"]), *(parts or ["id"])])


def _operands(node: Any) -> Iterator[Any]:
    if isinstance(node, Mapping):
        yield from (node[side] for side in ("left", "right", "arg") if side in node)


def _values(node: Any) -> Iterator[str | int]:
    match node:
        case {"Value": {"__entity": {"id": name}}}:
            yield str(name)
        case {"Value": bool()}:
            return
        case {"Value": str() | int() as value}:
            yield value
        case {"Set": list() as items}:
            for item in items:
                yield from _values(item)
        case _:
            return
