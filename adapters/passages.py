"""Cut a document into passages: whole if short, else at headings, blank lines and sentences, with offsets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from adapters.headings import heading

WHOLE = 3_500
"""Characters up to which a document is one passage."""
_ENOUGH = 1_200
_LONGEST = 2_400
_LINE = re.compile(r"[^\n]*\n|[^\n]+$")
_SENTENCE = re.compile(r"[.!?][\"'\u201d\u2019)]*\s")
_MOST_HEADING = 120


class Passage(NamedTuple):
    """A stretch ``text[start:end]`` of a document, and the headings that it stands under."""

    start: int
    end: int
    heading: str


def cut(text: str) -> Iterator[Passage]:
    """Yield a document's passages in order; together they hold every character but the space between them."""
    if len(text) <= WHOLE:
        yield Passage(0, len(text), "")
        return
    above: dict[int, str] = {}
    under: dict[int, str] = {}
    start = end = 0
    for first, past in _blocks(text):
        marked = heading(text[first:past])
        if end > start and (past - start > _LONGEST or (end - start > _ENOUGH and (marked or text[first] == "\f"))):
            yield Passage(start, end, _named(under))
            start = end
        if marked:
            above = {n: name for n, name in above.items() if n < marked.level}
            above[marked.level] = marked.name[:_MOST_HEADING]
        if start == end:
            start, under = first, above
        end = past
    if end > start:
        yield Passage(start, end, _named(under))


def _named(above: dict[int, str]) -> str:
    return " \u203a ".join(above[level] for level in sorted(above))


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each paragraph, row or heading; one that is too long in pieces."""
    begin = stop = 0
    for line in _LINE.finditer(text):
        first, past = line.span()
        said = line.group().strip()
        apart = not said or heading(said) is not None or line.group()[0] == "\f"
        if stop > begin and (apart or past - begin > _LONGEST):
            yield from _pieces(text, begin, stop)
            begin = stop
        if said:
            begin = first if stop <= begin else begin
            stop = first + len(line.group().rstrip())
    if stop > begin:
        yield from _pieces(text, begin, stop)


def _pieces(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while end - start > _LONGEST:
        ends = [m.end() for m in _SENTENCE.finditer(text, start + _ENOUGH, start + _LONGEST)]
        space = text.rfind(" ", start + 1, start + _LONGEST) + 1
        stop = ends[-1] if ends else space or start + _LONGEST
        yield start, stop
        start = stop
    yield start, end
