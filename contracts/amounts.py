"""Reading numbers that people write: ``$2,800``, ``450k``, ``1.2 million``, ``three``."""

from __future__ import annotations

import re
from decimal import Decimal

_SMALL = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen eighteen nineteen twenty"""
NUMBER_WORDS = {word: Decimal(n) for n, word in enumerate(_SMALL.split())}
_SCALES = {"k": 1_000, "thousand": 1_000, "m": 1_000_000, "mn": 1_000_000, "mio": 1_000_000, "million": 1_000_000}
_NUMBER = re.compile(
    r"(?<![\w.])(\d{1,3}(?:[, ]\d{3})+|\d+)(\.\d+)?\s?(k|thousand|mn|mio|million|m)?(?![\w])", re.IGNORECASE
)


def amounts(text: str) -> list[Decimal]:
    """Return every number in a text, in order; number words up to twenty count."""
    found = [(m.start(), _value(m)) for m in _NUMBER.finditer(text)]
    found += [
        (m.start(), NUMBER_WORDS[m.group().lower()])
        for m in re.finditer(r"[A-Za-z]+", text)
        if m.group().lower() in NUMBER_WORDS
    ]
    return [value for _, value in sorted(found)]


def _value(match: re.Match[str]) -> Decimal:
    whole = re.sub(r"[, ]", "", match.group(1)) + (match.group(2) or "")
    return Decimal(whole) * _SCALES.get((match.group(3) or "").lower(), 1)
