"""Whether two values that people, models and records write differently say the same."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from itertools import pairwise

from contracts.amounts import NUMBER_WORDS, amounts

_TRUTH = {"true": True, "yes": True, "y": True, "false": False, "no": False, "n": False}
_CURRENCIES = {
    "USD": r"usd|us\$|\$|dollars?|bucks?",
    "EUR": r"eur|euros?|\u20ac",
    "GBP": r"gbp|pounds?|quid|\u00a3",
    "JPY": r"jpy|yen|\u00a5",
    "INR": r"inr|rupees?|\u20b9",
    "CHF": r"chf|francs?",
    "AED": r"aed|dirhams?",
}
_CURRENCY = {code: re.compile(rf"(?<![^\W\d_])(?:{said})(?![^\W\d_])", re.I) for code, said in _CURRENCIES.items()}
_MEASURES = {
    "%": r"%|per ?cent|percent",
    "m2": r"m2|m\u00b2|sqm|sq\.? ?m|square met(?:er|re)s?",
    "ft2": r"ft2|ft\u00b2|sq\.? ?ft|sqft|square f(?:oo|ee)t",
    "km": r"km|kilomet(?:er|re)s?",
    "mile": r"miles?",
    "minute": r"min(?:ute)?s?",
    "bed": r"bed ?rooms?|beds?",
    "bath": r"bath ?rooms?|baths?",
    "person": r"people|persons?|guests?",
    "month": r"pcm|p\.?m\.?(?=$)|/ ?mo(?:nth)?|(?:per|a|each|every) month|monthly|months?",
    "week": r"pw|/ ?w(?:ee)?k|(?:per|a|each|every) week|weekly|weeks?",
    "year": r"p\.?a\.?|/ ?y(?:ea)?r|(?:per|a|each|every) year|yearly|annually|years?",
    "night": r"/ ?night|(?:per|a|each|every) night|nightly|nights?",
    "day": r"/ ?day|(?:per|a|each|every) day|daily|days?",
}
_MEASURE = {name: re.compile(rf"(?<![^\W\d_])(?:{said})(?![^\W\d_])", re.I) for name, said in _MEASURES.items()}
_SCALE = re.compile(r"(?<![^\W\d_])(?:k|thousand|mn|mio|million|m)(?![^\W\d_])", re.IGNORECASE)
_WORD = re.compile(r"\d+|[^\W\d_]+")
_ORDINAL = re.compile(r"(?<=\d)(?:st|nd|rd|th)\b")


def truth(value: str) -> bool | None:
    """Return the truth value that a text is nothing but, or None."""
    return _TRUTH.get(value.strip().casefold())


def amount(value: str) -> Decimal | None:
    """Return the number of a text in which nothing but one number, its scale, currency and unit stands, or None."""
    found = amounts(value)
    if len(found) != 1:
        return None
    rest = value
    for pattern in (*_CURRENCY.values(), *_MEASURE.values(), _SCALE):
        rest = pattern.sub(" ", rest)
    left = [word for word in _WORD.findall(rest) if not word.isdigit() and word.casefold() not in NUMBER_WORDS]
    return None if left else found[0]


def currencies(text: str) -> frozenset[str]:
    """Return the currencies that a text names, by their codes."""
    return frozenset(code for code, said in _CURRENCY.items() if said.search(text))


def measures(text: str) -> frozenset[str]:
    """Return the units that a text names, each by one name."""
    return frozenset(name for name, said in _MEASURE.items() if said.search(text))


def tokens(text: str) -> list[str]:
    """Return a text's words and numbers, however they are cased, joined or written."""
    plain = _ORDINAL.sub("", unicodedata.normalize("NFKC", text).casefold())
    return [str(NUMBER_WORDS[word]) if word in NUMBER_WORDS else word for word in _WORD.findall(plain)]


def same(one: str, other: str) -> bool:
    """Tell whether two values say the same: truths, amounts where nothing but a number stands, else the words."""
    truths = truth(one), truth(other)
    if None not in truths:
        return truths[0] is truths[1]
    numbers = amount(one), amount(other)
    if None not in numbers:
        return numbers[0] == numbers[1] and not differ(one, other)
    return tokens(one) == tokens(other) and bool(tokens(one) or one.strip() == other.strip())


def differ(one: str, other: str) -> bool:
    """Tell whether two amounts are in different currencies or units, as far as both say which."""
    return any(a and b and a.isdisjoint(b) for a, b in ((named(one), named(other)) for named in (currencies, measures)))


def within(wanted: list[str], words: list[str]) -> bool:
    """Tell whether the wanted words stand in a text one after the other.

    Beside a number ``at``, ``on``, ``of`` and an article may stand between: "Tuesday at 5" holds "Tuesday 5", if there
    are so few words that looking for them is linear in the text.
    """
    if f" {' '.join(wanted)} " in f" {' '.join(words)} ":
        return bool(wanted)
    few = 0 < len(wanted) <= _MOST_GLUED
    return few and any(_runs(wanted, words, start) for start in range(len(words)))


_GLUE = frozenset({"at", "on", "of", "the", "a"})
_MOST_GLUE = 3
_MOST_GLUED = 40


def _runs(wanted: list[str], words: list[str], start: int) -> bool:
    if words[start] != wanted[0]:
        return False
    at = start + 1
    for before, word in pairwise(wanted):
        if before.isdigit() or word.isdigit():
            between = words[at : at + _MOST_GLUE]
            at += next((n for n, glue in enumerate(between) if glue not in _GLUE or glue == word), len(between))
        if at >= len(words) or words[at] != word:
            return False
        at += 1
    return True
