"""The reviewer's own reading of a table, from its text alone. Shares nothing with what computed the metrics."""

from __future__ import annotations

import csv
import datetime
import io
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import cached_property, lru_cache

_EMPTY = {"", "n/a", "na", "#n/a", "nan", "null", "none", "-", "\u2013"}
_SIGNS = "$\u20ac\u00a3\u20b9"
_CODES = ("USD", "EUR", "GBP", "INR", "AED")
_LARGEST = Decimal(10) ** 15
_WIDTH = 38


class Recount:
    """One table, read once; a column is read when a formula names it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.cells: Callable[[str], list[str]] = lru_cache(maxsize=None)(self._cells)
        self.numbers: Callable[[str], list[Decimal | None]] = lru_cache(maxsize=None)(self._numbers)
        self.dates: Callable[[str], list[str | None]] = lru_cache(maxsize=None)(self._dates)

    @cached_property
    def _records(self) -> list[list[str]]:
        first = next((line for line in self._text.split("\n") if line.strip()), "")
        counts = {mark: len(next(csv.reader([first], delimiter=mark), [])) for mark in ",;\t|"}
        mark = max(counts, key=lambda m: counts[m])
        read: list[list[str]] = []
        try:
            for cells in csv.reader(io.StringIO(self._text, newline=""), delimiter=mark):
                trimmed = [cell.strip() for cell in cells]
                if any(trimmed):
                    read.append(trimmed)
        except csv.Error:
            return read
        return read

    @cached_property
    def columns(self) -> list[str]:
        """The header; a name that was there already gets a number, a column without one its place."""
        names: dict[str, int] = {}
        for place, cell in enumerate(self._records[0] if self._records else [], start=1):
            base = name = cell or f"column {place}"
            while name in names:
                names[base] += 1
                name = f"{base} ({names[base]})"
            names[name] = 1
        return list(names)

    @cached_property
    def rows(self) -> list[list[str]]:
        """The rows that have a cell for every column."""
        return [cells for cells in self._records[1:] if len(cells) == len(self.columns)]

    def _cells(self, name: str) -> list[str]:
        """Return a column as it is written.

        Raises:
            ValueError: there is no such column.
        """
        place = self.columns.index(name)
        return [row[place] for row in self.rows]

    def _dates(self, name: str) -> list[str | None]:
        return [_day(cell) for cell in self.cells(name)]

    def _numbers(self, name: str) -> list[Decimal | None]:
        cells = [_bare(cell) for cell in self.cells(name)]
        comma = _with_comma(cells)
        read = [None if cell.lower() in _EMPTY else _amount(cell, comma=comma) for cell in cells]
        whole = max((_digits(number)[0] for number in read if number is not None), default=0)
        room = _WIDTH - whole - len(str(len(cells)))
        return [n if n is not None and _digits(n)[1] <= room else None for n in read]


def grouped(values: Sequence[str | None]) -> dict[str, list[int]]:
    """Return the places of each value."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, value in enumerate(values):
        if value:
            places[value].append(place)
    return dict(places)


def _day(cell: str) -> str | None:
    text = re.split(r"[T ]", cell)[0].replace("/", "-")
    if re.fullmatch(r"[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4}", text):
        text = "-".join(f"{int(part):02}" for part in reversed(text.split(".")))
    if len(text) != 10 or text.count("-") != 2:
        return None
    try:
        return datetime.date.fromisoformat(text).isoformat()
    except ValueError:
        return None


def _bare(cell: str) -> str:
    """Take off one currency or percent sign, and brackets around an amount for a minus."""
    text, minus = cell, ""
    if text[:1] == "(" and text[-1:] == ")":
        text, minus = text[1:-1].strip(), "-"
    if text[:1] in {"-", "+"}:
        text, minus = text[1:], minus + text[0]
    for code in _CODES:
        if text.startswith(code + " "):
            return minus + text[len(code) :].strip()
        if text.endswith(code) and text != code:
            return minus + text[: -len(code)].strip()
    if text and text[0] in _SIGNS:
        text = text[1:].strip()
    elif text and text[-1] in _SIGNS + "%":
        text = text[:-1].strip()
    return minus + text


def _with_comma(cells: Sequence[str]) -> bool:
    only_comma = only_point = False
    for cell in cells:
        point, comma = _amount(cell, comma=False) is not None, _amount(cell, comma=True) is not None
        only_comma = only_comma or (comma and not point)
        only_point = only_point or (point and not comma)
    return only_comma and not only_point


def _amount(cell: str, *, comma: bool) -> Decimal | None:
    """Read a number with the one decimal mark or the other; the other mark may stand between groups of three digits."""
    mark, group = (",", ".") if comma else (".", ",")
    body = cell[1:] if cell[:1] in {"-", "+"} else cell
    whole, found, rest = body.partition(mark)
    if group in whole:
        groups = whole.split(group)
        if not 1 <= len(groups[0]) <= 3 or any(len(part) != 3 for part in groups[1:]):
            return None
        whole = "".join(groups)
    plain = f"{whole}.{rest}" if found else whole
    shape = r"[0-9]+(\.[0-9]+)?" if comma or group in body else r"([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?"
    if not re.fullmatch(shape, plain):
        return None
    number = Decimal(plain)
    if abs(number) >= _LARGEST or (number and int(number.as_tuple().exponent) < -_WIDTH):
        return None
    return -number if cell[:1] == "-" else number


def _digits(number: Decimal) -> tuple[int, int]:
    whole, _, decimals = f"{abs(number):f}".partition(".")
    return (len(whole), len(decimals)) if number else (1, 0)
