"""Recompute a claim's value from its quote alone. Shares nothing with what extracted it: that is the point."""

from __future__ import annotations

import re
import unicodedata

from contracts.amounts import amounts

_NEGATION = re.compile(
    r"\b(no|not|none|nope|never|without|neither|nor|cannot|cancel\w*|decline\w*|un\w{4,})\b|n['\u2019]t\b|\bdont\b|\bwont\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w+")


def supported(value: str | None, quote: str) -> tuple[bool, str]:
    """Tell whether a quote carries a value, and why or why not.

    A number is carried when it is among the quote's numbers, however they are written; ``false`` needs a word of
    negation, ``true`` a statement that is not only negated; any other value must stand in the quote, word for word.
    """
    if value is None:
        return True, "nothing to recompute: the quote is the statement"
    if value.casefold() in {"true", "false"}:
        return _affirmed(quote) if value.casefold() == "true" else _denied(quote)
    said, quoted = amounts(value), amounts(quote)
    if said and _only_number(value):
        held = all(number in quoted for number in said)
        return held, "the number stands in the quote" if held else "the quote does not hold this number"
    wanted, present = _words(value), _words(quote)
    held = bool(wanted) and _contains(present, wanted)
    return held, "the value stands in the quote" if held else "the value does not stand in the quote"


def _affirmed(quote: str) -> tuple[bool, str]:
    words, negations = len(_words(quote)), len(_NEGATION.findall(quote))
    held = words > 4 * negations
    return held, "the quote affirms" if held else "the quote only denies"


def _denied(quote: str) -> tuple[bool, str]:
    held = bool(_NEGATION.search(quote))
    return held, "the quote denies" if held else "the quote denies nothing"


def _only_number(value: str) -> bool:
    return not re.search(r"[^\W\d_]{4,}", re.sub(r"(?i)thousand|million|dollars?|euros?|pounds?", "", value)) or (
        " " not in value.strip()
    )


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKC", text).casefold()
    return _WORD.findall(plain)


def _contains(words: list[str], wanted: list[str]) -> bool:
    """Tell whether the wanted words stand in the quote in their order and close together."""
    position = 0
    for word in wanted:
        if word not in words[position:]:
            return False
        position = words.index(word, position) + 1
    return True
