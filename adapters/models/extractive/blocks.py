"""Cut a document into sentences under their headings: soft-wrapped lines are one, list items and rows stand alone."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from adapters.models.extractive.text import sentences

_LINE = re.compile(r"[^\n]*(?:\n|$)")
_MARKED = re.compile(r"#{1,6}\s+\S")
_ITEM = re.compile(r"[ \t]{0,12}(?:[*+\u2022-]|\d{1,3}[.)]|\([a-z0-9]{1,3}\))[ \t]+")
_RULE = re.compile(r"[ \t|:]*(?:[-=*_][ \t|:]*){3,}$")
_CELL_MARK = re.compile(r",(?!\s|\d{3}(?!\d))")
_LONGEST_HEADING = 80
_FEW_WORDS = 2
_FEWEST_CELLS = 3


@dataclass(frozen=True, slots=True)
class Piece:
    """A sentence, list item's sentence or table row, with the (start, end) of each heading it stands under.

    `block` numbers the paragraph, item or row that it belongs to.
    """

    start: int
    end: int
    headings: tuple[tuple[int, int], ...]
    block: int


def pieces(text: str) -> Iterator[Piece]:
    """Yield a document's sentences in order; headings and titles are no sentences."""
    title: tuple[tuple[int, int], ...] = ()
    above: tuple[tuple[int, int], ...] = ()
    opened = False
    for n, (start, end, kind) in enumerate(_blocks(text)):
        if kind == "heading":
            title = title if opened else (*title, (start, end))
            above = (*title, (start, end)) if opened else title
            continue
        opened = True
        if kind == "row":
            yield Piece(start, end, above, n)
            continue
        yield from (Piece(first, past, above, n) for first, past in _whole(text, start, end))


def _whole(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield a paragraph's sentences; one of a word or two ("Guarantor.") is joined to what follows."""
    begin: int | None = None
    for first, past in sentences(text, start, end, wrapped=True):
        begin = first if begin is None else begin
        if len(text[begin:past].split()) > _FEW_WORDS or past >= end:
            yield begin, past
            begin = None
    if begin is not None:
        yield begin, end


def _blocks(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield (start, end, kind) of each heading, row, item and paragraph, without the space around."""
    lines = [_trim(text, m.start(), m.end()) for m in _LINE.finditer(text) if m.start() < len(text)]
    header_seen = False
    begin: int | None = None
    stop = 0
    for i, (start, end) in enumerate(lines):
        said = text[start:end]
        is_row = _is_row(said) and not _RULE.match(said)
        apart = not said or _RULE.match(said) or is_row or _ITEM.match(said) or _MARKED.match(said)
        opens = begin is None
        if begin is not None and apart:
            yield begin, stop, "paragraph"
            begin = None
        if is_row:
            yield start, end, "row" if header_seen else "heading"
            header_seen = True
        elif _MARKED.match(said) or (said and opens and _is_heading(text, lines, i)):
            yield start, end, "heading"
        elif said and not _RULE.match(said):
            item = _ITEM.match(said) if begin is None else None
            begin, stop = (start + item.end() if item else start) if begin is None else begin, end
    if begin is not None and begin < stop:
        yield begin, stop, "paragraph"


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    said = text[start:end]
    return start + len(said) - len(said.lstrip()), max(start, end - (len(said) - len(said.rstrip())))


def _is_row(said: str) -> bool:
    """Whether a line is a row of a table: cells between bars, or many commas that no space follows."""
    return " | " in said or said.startswith("|") or len(_CELL_MARK.findall(said)) >= _FEWEST_CELLS


def _is_heading(text: str, lines: list[tuple[int, int]], i: int) -> bool:
    """Whether an opening line without a mark is a heading: short, unended, and not a soft-wrapped line."""
    start, end = lines[i]
    said = text[start:end]
    if len(said) > _LONGEST_HEADING or said[-1] in ".,;!?" or _ITEM.match(said) or not said[0].isalnum():
        return False
    following = text[slice(*lines[i + 1])] if i + 1 < len(lines) else ""
    if _RULE.match(following) and following:
        return True
    if i == 0 or not following:
        return bool(following) or i + 1 < len(lines)
    return following[0].isupper() and len(said) <= _LONGEST_HEADING - 20 and not _ITEM.match(following)
