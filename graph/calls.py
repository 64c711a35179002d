"""What a mission's tasks have called so far: how often each call was made, and which tools have answered."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from contracts.canonical import digest


@dataclass(frozen=True)
class Call:
    """One call that a task wants to make."""

    task_key: str
    tool: str
    arguments: Mapping[str, Any]

    @cached_property
    def name(self) -> str:
        """The call's own name: the same task, tool and arguments are the same call."""
        return digest([self.task_key, self.tool, self.arguments])


class CallsMade:
    """Counts calls from what earlier processes stored on; a call that failed, and may be tried again, is none."""

    def __init__(self, stored: Iterable[tuple[str, str, Mapping[str, Any], int]]) -> None:
        self._times: Counter[str] = Counter()
        self._of_task: Counter[str] = Counter()
        self._done: defaultdict[str, set[str]] = defaultdict(set)
        for task_key, tool, arguments, times in stored:
            call = Call(task_key, tool, arguments)
            self._count(call, times)
            self.answered(call)

    def _count(self, call: Call, times: int) -> None:
        self._times[call.name] += times
        self._of_task[call.task_key] += times

    def begun(self, call: Call) -> None:
        """Count a call that is about to be made."""
        self._count(call, 1)

    def failed(self, call: Call, *, again: bool) -> None:
        """Take a call back that failed, if it may be made ``again``."""
        if again:
            self._count(call, -1)

    def answered(self, call: Call) -> None:
        """Note that a call's tool has answered."""
        self._done[call.task_key].add(call.tool)

    def times(self, call: Call) -> int:
        """Return how often exactly this call was made."""
        return self._times[call.name]

    def calls_of(self, task_key: str) -> int:
        """Return how many calls a task has made."""
        return self._of_task[task_key]

    def done_by(self, task_key: str) -> frozenset[str]:
        """Return the tools that have answered a task."""
        return frozenset(self._done.get(task_key, ()))

    def done(self) -> frozenset[str]:
        """Return the tools that have answered any task."""
        return frozenset().union(*self._done.values())
