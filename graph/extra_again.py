"""What a run said before its process died, so that whoever takes it over says none of it a second time.

A graph that goes on from a checkpoint tells of that checkpoint again, and the step that was under way is done anew.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

Said = tuple[str, tuple[str, ...], Any]
"""What a graph said: the kind of frame, the namespace, the data."""
STEP = "step"
"""The kind of frame that notes a checkpoint. It is kept, and sent to nobody."""


class Again:
    """Leaves out of what a run says what it has said already."""

    def __init__(self, before: Iterable[Said]) -> None:
        self._steps: set[tuple[tuple[str, ...], str]] = set()
        self._left: defaultdict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
        self._held: dict[tuple[str, ...], Said] = {}
        self._begun: set[tuple[str, ...]] = set()
        self._known: set[tuple[str, ...]] = set()
        for one in before:
            method, within, data = one
            if method == STEP:
                self._steps.add((within, data["id"]))
                self._left[within].clear()
            else:
                self._left[within][_key(one)] += 1

    def new(self, one: Said) -> Iterator[Said]:
        """Give what of it is new."""
        method, within, data = one
        if method == "values" and within not in self._begun:
            self._held[within] = one  # whether it was said is told by the checkpoint that follows
            return
        held = self._held.pop(within, None)
        if method == STEP:
            known = (within, data["id"]) in self._steps
            self._begun.add(within)
            (self._known.add if known else self._known.discard)(within)
            if known:
                return
            yield from self._unsaid(held)
            self._left.pop(within, None)
            yield one
            return
        yield from self._unsaid(held)
        if within in self._known and _of_checkpoint(method, data):
            return
        self._known.discard(within)
        yield from self._unsaid(one)

    def _unsaid(self, one: Said | None) -> Iterator[Said]:
        if one is None:
            return
        left, key = self._left.get(one[1]), _key(one)
        if left and left[key]:
            left[key] -= 1
        else:
            yield one


def _of_checkpoint(method: str, data: Any) -> bool:
    return method == "checkpoints" or (method == "debug" and data.get("type") == "checkpoint")


def _key(one: Said) -> str:
    method, _, data = one
    if isinstance(data, dict):  # when it was told, and that it was kept, are not what was told
        data = {name: value for name, value in data.items() if name not in {"__metadata__", "timestamp"}}
    return json.dumps([method, data], sort_keys=True)
