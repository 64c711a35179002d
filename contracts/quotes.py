"""How much of a text a quote takes in, so that a person can judge it by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator

_FRAME = re.compile(r"(\[[^\]\n]{1,40}\] )?(lead|agent): ")
# A run of marks is taken in whole, an end or not: a search that began again at each of its marks would be quadratic.
_MARKS = re.compile(
    r"(?<!\bMr)(?<!\bMs)(?<!\bDr)(?<!\bSt)(?<!\bMrs)(?<!\be\.g)(?<!\bi\.e)[.!?]++"
    r"(?P<end>[\"'\u201d\u2019)*]{0,3}(?=\s|$)\s*+)?"
)
_ITEM = re.compile(r"[ \t]*(?:[*+\u2022-]|\d{1,3}[.)]|#{1,6})[ \t]+")
_APART = re.compile(r"[ \t]*(?:$|\||(?:[*+\u2022-]|\d{1,3}[.)]|#{1,6})[ \t]|(?:[-=*_][ \t]*){3,}$|[\w .-]{1,40}:[ \t])")
_ALONE = re.compile(r"[ \t]*(?:$|\||#{1,6}[ \t]|(?:[-=*_][ \t]*){3,}$)|[^|]* \| ")
_CELL = re.compile(r",(?!\s|\d{3}(?!\d))")
_FEWEST_CELLS = 3
_LONGEST_QUOTE = 400
_WRAPPED = 50
_WIDEST = 2_000
"""No line that is longer is soft-wrapped."""


def widened(text: str, start: int, end: int) -> tuple[int, int]:
    """Widen a span to whole sentences, so that a person can judge the quote by itself.

    A chat's message ends with its line, and its frame (time and author) stays outside. In other text a sentence goes on
    over a soft-wrapped line's end, but not over a blank line, a heading, an item or a row. A sentence that would make
    the quote too long stays out.
    """
    first, stop = _paragraph(text, start, end)
    # No further than a quote may reach: a message of a megabyte is not read through for each of its quotes.
    floor, roof = max(first, start - _LONGEST_QUOTE - 1), min(stop, end + _LONGEST_QUOTE + 1)
    before = list(_ends(text, floor, start))
    after = next(_ends(text, max(end - 1, start), roof), roof)
    wide = before[-1] if before else first, end + len(text[end:after].rstrip())
    return wide if wide[1] - wide[0] <= _LONGEST_QUOTE else (start, end)


def _ends(text: str, start: int, stop: int) -> Iterator[int]:
    """Yield where each sentence in ``text[start:stop]`` ends, with the space after it."""
    return (m.end() for m in _MARKS.finditer(text, start, stop) if m["end"] is not None)


def _paragraph(text: str, start: int, end: int) -> tuple[int, int]:
    """Return where the message, item, row or soft-wrapped paragraph around a span begins and ends."""
    first = text.rfind("\n", 0, start) + 1
    stop = _line_end(text, end)
    if frame := _FRAME.match(text, first, max(start, first)):
        return frame.end(), stop
    floor = max(0, start - _LONGEST_QUOTE)
    while first > floor and _goes_on(text, text.rfind("\n", 0, first - 1) + 1, first):
        first = text.rfind("\n", 0, first - 1) + 1
    while stop < min(len(text), end + _LONGEST_QUOTE) and _goes_on(text, text.rfind("\n", 0, stop) + 1, stop + 1):
        stop = _line_end(text, stop + 1)
    if (item := _ITEM.match(text, first, stop)) and item.end() <= start:
        first = item.end()
    return start - len(text[first:start].lstrip()), stop


def _line_end(text: str, at: int) -> int:
    stop = text.find("\n", at)
    return len(text) if stop < 0 else stop


def _goes_on(text: str, line: int, following: int) -> bool:
    """Whether the line that begins at ``line`` is soft-wrapped into the one that begins at ``following``."""
    said, then = text[line : following - 1], text[following : min(_line_end(text, following), following + _WIDEST)]
    if not _WRAPPED <= len(said) <= _WIDEST or _APART.match(then) or _FRAME.match(then) or _FRAME.match(said):
        return False
    return not any(_ALONE.match(one) or len(_CELL.findall(one)) >= _FEWEST_CELLS for one in (said, then))
