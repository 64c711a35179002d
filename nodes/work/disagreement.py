"""What a quote answers to a question that asks for a number or a year, so that sources that disagree can be told.

Deliberately narrow: the quote speaks of nearly all that the question does and holds exactly one such value that the
question did not bring itself. Anything else states nothing.
"""

from __future__ import annotations

import re

from contracts.amounts import amounts
from nodes.ranking import words

_AMOUNT = re.compile(
    r"\bhow (?:many|much|old|long|far|high|tall)\b|\b(?:what|which) (?:\w+ ){0,3}"
    r"(?:number|percentage|price|cost|fee|rate|amount|size|age|population|share|distance|length|height|rent)\b",
    re.IGNORECASE,
)
_YEAR = re.compile(r"\bwhen\b|\b(?:what|which) (?:\w+ )?year\b", re.IGNORECASE)
_A_YEAR = re.compile(r"(?<![\d,.$\u20ac\u00a3])(?:1\d{3}|20\d\d)(?![\d%]|[,.]\d)")
_FEWEST_SHARED = 0.75
_SMALL = frozenset(
    re.findall(
        r"\w+",
        """
        a an and are as at be by did do doe does for from had has have how in is it its many much of on or than that the
        their there they this to was were what when where which who whom whose will with would year number percentage
        amount
        """,
    )
)


def stated(question: str, quote: str, title: str) -> str | None:
    """Return the one amount or year that a quote answers a question with, or none."""
    asked = {word for word in words(question) if word not in _SMALL}
    spoken = set(words(f"{title} {quote}"))
    if not asked or len(asked & spoken) < _FEWEST_SHARED * len(asked):
        return None
    if _AMOUNT.search(question):
        numbers = {format(n.normalize(), "f") for n in amounts(quote)}
        # A count is often given with the year that it was taken in.
        return _only(numbers - set(_A_YEAR.findall(quote)), question)
    if _YEAR.search(question):
        return _only(set(_A_YEAR.findall(quote)), question)
    return None


def _only(values: set[str], question: str) -> str | None:
    own = {format(n.normalize(), "f") for n in amounts(question)} | set(_A_YEAR.findall(question))
    left = values - own
    return min(left) if len(left) == 1 else None
