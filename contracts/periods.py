"""Periods as people write them: ``2026``, ``2026-Q4``, ``2026-10``, ``2026-10-15``, ``2026-10-01/2026-10-31``."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date

_QUARTER = re.compile(r"([0-9]{4})-Q([1-4])")
_MONTH = re.compile(r"([0-9]{4})(?:-([0-9]{2}))?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def period_of(text: str) -> tuple[date, date]:
    """Return a period's first and last day.

    Raises:
        ValueError: it is not written in one of the forms, has a day that does not exist, or ends before it begins.
    """
    first, slash, last = text.strip().partition("/")
    start, end = _bounds(first)
    if slash:
        end = _bounds(last)[1]
    if end < start:
        raise ValueError("the period ends before it begins")
    return start, end


def _bounds(text: str) -> tuple[date, date]:
    if quarter := _QUARTER.fullmatch(text):
        year, last = int(quarter.group(1)), int(quarter.group(2)) * 3
        return date(year, last - 2, 1), date(year, last, monthrange(year, last)[1])
    if month := _MONTH.fullmatch(text):
        year, within = int(month.group(1)), month.group(2)
        start = date(year, int(within or 1), 1)
        end = int(within or 12)
        return start, date(year, end, monthrange(year, end)[1])
    if not _DAY.fullmatch(text):
        raise ValueError("not a period such as 2026, 2026-Q4, 2026-10 or 2026-10-01/2026-10-31")
    return date.fromisoformat(text), date.fromisoformat(text)
