"""How deep a text of rules nests, found out before Cedar reads it.

Its parser works on the thread's own stack: two kilobytes that nest a thousand deep end the whole process, and with it
every other tenant's missions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MOST_BRACKETS = 40
"""In one another. Measured: some 8 kB of stack each, and a thread has 8 MB."""
MOST_DEPTH = 200
"""Of operators that hold one another, brackets included: as JSON a rule is twice as deep; Python reads about 900."""
_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|&&|\|\||\bif\b|[-+*.,;(){}\[\]<>]')
_OPENS, _CLOSES = frozenset("([{"), frozenset(")]}")
_JOINS = frozenset({"&&", "||", "+", "-", "*", "if"})


@dataclass
class _Level:
    """One pair of brackets, or the whole text: its longest chains of operators and of ``a.b[c]``, and what it holds."""

    joined: int = 0
    reached: int = 0
    longest: int = 0
    inner: int = 0
    deepest: int = 0

    def reach(self) -> None:
        self.reached += 1
        self.longest = max(self.longest, self.reached)

    def join(self) -> None:
        self.joined += 1
        self.reached = 0

    def part(self) -> None:
        """End a part of a list, an argument or a rule: what follows does not hold it."""
        self.deepest = max(self.deepest, self.joined + self.longest + self.inner)
        self.joined = self.reached = self.longest = self.inner = 0


def too_deep(text: str, *, schema: bool = False) -> bool:
    """Tell whether a text of rules, or a schema, nests deeper than any that people write."""
    opens = _OPENS | {"<"} if schema else _OPENS
    closes = _CLOSES | {">"} if schema else _CLOSES
    levels = [_Level()]
    for match in _TOKEN.finditer(text):
        sign, level = match[0], levels[-1]
        if sign in opens:
            level.reach()
            levels.append(_Level())
            if len(levels) > MOST_BRACKETS:
                return True
        elif sign in closes and len(levels) > 1:
            level.part()
            levels.pop()
            levels[-1].inner = max(levels[-1].inner, level.deepest + 1)
        elif sign in _JOINS:
            level.join()
        elif sign == ".":
            level.reach()
        elif sign in {",", ";"}:
            level.part()
        if level.joined + level.longest + level.inner > MOST_DEPTH:
            return True
    return False
