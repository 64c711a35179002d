"""Delimited text into rows of cells. What can't be used is left out and said, never repaired."""

from __future__ import annotations

import csv
import io
import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

_DELIMITERS = (",", ";", "\t", "|")


@dataclass(frozen=True)
class Sheet:
    """A table as it was written.

    Attributes:
        header: how many characters of the text the header's line takes, without its line end.
        rows: as many cells each as there are columns, without surrounding white space.
        remarks: what was left out or renamed, as sentences.
    """

    name: str
    columns: tuple[str, ...]
    header: int
    rows: tuple[tuple[str, ...], ...]
    remarks: tuple[str, ...] = ()

    def column(self, name: str) -> list[str]:
        """Return one column's cells."""
        at = self.columns.index(name)
        return [row[at] for row in self.rows]


@dataclass
class _Lines:
    """The records of a text, as far as it can be read; ``broken`` says where it can't."""

    text: str
    delimiter: str
    broken: str | None = None
    ends: list[int] = field(default_factory=list)

    def __iter__(self) -> Iterator[list[str]]:
        reader = csv.reader(io.StringIO(self.text, newline=""), delimiter=self.delimiter)
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as exc:
                self.broken = f"can't be read from line {line} on: {exc}"
                return
            self.ends.append(reader.line_num)
            if any(cell.strip() for cell in cells):
                yield [cell.strip() for cell in cells]


def read_sheet(name: str, text: str) -> Sheet:
    """Read a table: the delimiter is the one that parts the header into most cells, the header its first line."""
    lines = _Lines(text, delimiter_of(text))
    records = iter(lines)
    header = next(records, [])
    columns, remarks = _named(header)
    header_end = _end_of_line(text, lines.ends[-1] if lines.ends else 0)
    every = list(records)
    rows = tuple(tuple(cells) for cells in every if len(cells) == len(columns))
    if ragged := len(every) - len(rows):
        remarks.append(
            f"{ragged} of {len(every)} rows are left out: they have not {len(columns)} cells like the header."
        )
    if lines.broken:
        remarks.append(f"The table {lines.broken}.")
    return Sheet(name, columns, header_end, rows, tuple(remarks))


def delimiter_of(text: str) -> str:
    """Return the delimiter that parts the first line into most cells; a comma when none does."""
    first = next((line for line in text.split("\n") if line.strip()), "")
    parts = {d: len(next(csv.reader([first], delimiter=d), [])) for d in _DELIMITERS} if len(first) < 100_000 else {}
    return max(parts, key=lambda d: parts[d], default=",")


def _named(header: list[str]) -> tuple[tuple[str, ...], list[str]]:
    """Give every column a name of its own."""
    names: dict[str, None] = {}
    last: dict[str, int] = {}
    remarks = []
    for place, given in enumerate(header, start=1):
        name = base = given or f"column {place}"
        nth = itertools.count(last.get(base, 2))
        while name in names:
            last[base] = next(nth)
            name = f"{base} ({last[base]})"
        names[name] = None
    if twice := sorted(name for name, n in Counter(header).items() if n > 1 and name):
        remarks.append(f"The header names {twice[0]} more than once: the later columns are told apart by a number.")
    if "" in header:
        remarks.append("The header has columns without a name: they are called by their place.")
    return tuple(names), remarks


def _end_of_line(text: str, lines: int) -> int:
    end = 0
    for _ in range(lines):
        following = text.find("\n", end)
        if following < 0:
            return len(text)
        end = following + 1
    return max(0, end - 1) if lines else 0
