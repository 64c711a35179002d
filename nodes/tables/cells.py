"""What cells hold: exact numbers, dates or text, decided for a whole column at a time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal, NamedTuple

NO_VALUE = frozenset({"", "n/a", "na", "#n/a", "nan", "null", "none", "-", "\u2013"})
"""Cells that say there is no number or date."""

_MOST_UNREADABLE = 10  # of a hundred cells
_MOST_WHOLE, _MOST_DIGITS = 15, 38
_SYMBOLS = {"$": "USD", "\u20ac": "EUR", "\u00a3": "GBP", "\u20b9": "INR"}
_CODES = frozenset({"USD", "EUR", "GBP", "INR", "AED"})
_CODE = 3
_POINT = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_POINT_GROUPED = re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?")
_COMMA = re.compile(r"[+-]?(?:[0-9]+|[0-9]{1,3}(?:\.[0-9]{3})+)(?:,[0-9]+)?")
_IDENTIFIER = re.compile(r"0[0-9]+")
_DATE = re.compile(r"([0-9]{4})[-/]([0-9]{2})[-/]([0-9]{2})(?:[T ][0-9:.]+(?:Z|[+-][0-9:]+)?)?")
_DAY_FIRST = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})")


@dataclass(frozen=True)
class Column:
    """One column, read.

    Attributes:
        values: canonical decimals, ISO dates or the text itself; None where there is none.
        missing: cells that say nothing.
        unreadable: cells that say something else than the column's kind.
        unit: a currency or ``%``, where the cells name one.
    """

    name: str
    kind: Literal["number", "date", "text"]
    values: tuple[str | None, ...]
    missing: int
    unreadable: int = 0
    unit: str | None = None

    @property
    def distinct(self) -> frozenset[str]:
        """The different values there are."""
        return frozenset(v for v in self.values if v is not None)


class _Stripped(NamedTuple):
    text: str
    unit: str | None


def read_column(name: str, cells: Sequence[str]) -> Column:
    """Decide what a column holds and read it: numbers or dates when nine cells of ten are, else text."""
    empty = [cell.casefold() in NO_VALUE for cell in cells]
    said = [cell for cell, none in zip(cells, empty, strict=True) if not none]
    for kind, values, unit in (("date", _dates(cells), None), ("number", *_numbers(cells))):
        read = sum(v is not None and not none for v, none in zip(values, empty, strict=True))
        if read and (len(said) - read) * 100 <= len(said) * _MOST_UNREADABLE:
            kept = tuple(None if none else v for v, none in zip(values, empty, strict=True))
            return Column(name, "date" if kind == "date" else "number", kept, sum(empty), len(said) - read, unit)
    return Column(name, "text", tuple(cell or None for cell in cells), sum(not cell for cell in cells))


def _dates(cells: Sequence[str]) -> list[str | None]:
    return [_date(cell) for cell in cells]


def _date(cell: str) -> str | None:
    if match := _DATE.fullmatch(cell):
        year, month, day = match.groups()
    elif match := _DAY_FIRST.fullmatch(cell):
        day, month, year = match.groups()
    else:
        return None
    try:
        return date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        return None


def _numbers(cells: Sequence[str]) -> tuple[list[str | None], str | None]:
    stripped = [_stripped(cell) for cell in cells]
    texts = [s.text for s in stripped]
    said = [t for t in texts if t.casefold() not in NO_VALUE]
    if any(_IDENTIFIER.fullmatch(t) for t in said):
        return [None] * len(cells), None
    units = {s.unit for s, t in zip(stripped, texts, strict=True) if t.casefold() not in NO_VALUE}
    if len(units - {None}) > 1:
        return [None] * len(cells), None
    comma = _decimal_comma(said)
    found = [_number(text, comma=comma) for text in texts]
    whole = max((_places(n)[0] for n in found if n is not None), default=0)
    room = _MOST_DIGITS - whole - len(str(len(cells)))
    fitting = [n if n is not None and _places(n)[1] <= room else None for n in found]
    return fitting, min((unit for unit in units if unit is not None), default=None)


def _stripped(cell: str) -> _Stripped:
    """Take a currency or percent sign off; brackets around an amount are a minus."""
    text, unit = cell, None
    if text.startswith("(") and text.endswith(")") and len(text) > 2:
        text = "-" + text[1:-1].strip()
    sign, bare = (text[0], text[1:]) if text[:1] in {"-", "+"} else ("", text)
    if bare[:_CODE] in _CODES and bare[_CODE : _CODE + 1].isspace():
        unit, bare = bare[:_CODE], bare[_CODE:].strip()
    elif bare[-_CODE:] in _CODES and len(bare) > _CODE:
        unit, bare = bare[-_CODE:], bare[:-_CODE].strip()
    elif bare[:1] in _SYMBOLS:
        unit, bare = _SYMBOLS[bare[0]], bare[1:].strip()
    elif bare[-1:] in _SYMBOLS:
        unit, bare = _SYMBOLS[bare[-1]], bare[:-1].strip()
    elif bare.endswith("%"):
        unit, bare = "%", bare[:-1].strip()
    return _Stripped(sign + bare, unit)


def _decimal_comma(texts: Sequence[str]) -> bool:
    """Tell whether a comma parts the decimals: some cell can only be read so, and none only the other way."""
    comma = any(_COMMA.fullmatch(t) and not (_POINT.fullmatch(t) or _POINT_GROUPED.fullmatch(t)) for t in texts)
    point = any((_POINT.fullmatch(t) or _POINT_GROUPED.fullmatch(t)) and not _COMMA.fullmatch(t) for t in texts)
    return comma and not point


def _number(text: str, *, comma: bool) -> str | None:
    """Return a number in its canonical form, none if it is not one or too large to be added exactly."""
    if comma:
        plain = text.replace(".", "").replace(",", ".") if _COMMA.fullmatch(text) else ""
    elif _POINT_GROUPED.fullmatch(text):
        plain = text.replace(",", "")
    else:
        plain = text if _POINT.fullmatch(text) else ""
    if not plain:
        return None
    number = Decimal(plain)
    # Before it is written out: 1e999 has a thousand digits.
    if number and (number.adjusted() >= _MOST_WHOLE or int(number.as_tuple().exponent) < -_MOST_DIGITS):
        return None
    return format(number, "f") if number else "0"


def _places(number: str) -> tuple[int, int]:
    whole, _, decimals = number.lstrip("+-").partition(".")
    return len(whole), len(decimals)
