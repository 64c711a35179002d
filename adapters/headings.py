"""Markdown headings, read by hand: linear in the line, whatever stands between its words."""

from __future__ import annotations

from typing import NamedTuple

_MARK = "#"
_DEEPEST = 6


class Heading(NamedTuple):
    """A heading's level, one to six, and its words."""

    level: int
    name: str


def heading(line: str) -> Heading | None:
    """Return the heading that a single line is, without its closing marks; None when it is none or has no words."""
    said = line.removesuffix("\n")
    named = said.lstrip(_MARK)
    level = len(said) - len(named)
    if not 1 <= level <= _DEEPEST or not named[:1].isspace() or "\n" in said:
        return None
    name = named.strip().rstrip(_MARK).rstrip()
    return Heading(level, name) if name else None
