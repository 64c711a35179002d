"""What two states differ in, channel by channel, and in the artifacts that they refer to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_MOST = 200
_OWN = frozenset({"mission_id", "tenant_id"})
_ABSENT = object()


def changed(before: Mapping[str, Any], after: Mapping[str, Any], *, across: bool = False) -> dict[str, dict[str, Any]]:
    """Return the channels that differ, each ``{from, to}``; what is not there is null.

    ``across`` two missions their own names are no difference.
    """
    names = sorted((before.keys() | after.keys()) - (_OWN if across else frozenset()))
    found = {name: {"from": before.get(name), "to": after.get(name)} for name in names if differs(before, after, name)}
    if across and "envelope" in found:
        del found["envelope"]
    return found


def differs(before: Mapping[str, Any], after: Mapping[str, Any], name: str) -> bool:
    """Tell whether a channel differs."""
    return bool(before.get(name, _ABSENT) != after.get(name, _ABSENT))


def leaves(before: Any, after: Any, path: str = "") -> Iterator[dict[str, Any]]:
    """Return where two JSON values differ, value by value: ``{path, from, to}``; a long list is cut, and says so."""
    for n, one in enumerate(_leaves(before, after, path)):
        if n == _MOST:
            yield {"path": "…", "from": None, "to": None}
            return
        yield one


def _leaves(before: Any, after: Any, path: str) -> Iterator[dict[str, Any]]:
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            yield from _leaves(before.get(key), after.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(before, list) and isinstance(after, list):
        for n in range(max(len(before), len(after))):
            yield from _leaves(_nth(before, n), _nth(after, n), f"{path}[{n}]")
    else:
        yield {"path": path, "from": before, "to": after}


def _nth(values: list[Any], n: int) -> Any:
    return values[n] if n < len(values) else None
