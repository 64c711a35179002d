"""What kind of answer a question expects, and whether a text holds one that the question did not bring itself."""

import re
from collections.abc import Collection

from adapters.models.extractive.lexicon import FUNCTION_WORDS
from adapters.models.extractive.text import NUMBER_WORDS, tokens

_TIME = re.compile(
    r"\bwhen\b|\b(?:what|which) (?:\w+ )?(?:year|date|day|weekday|month|century|decade|time|hour)\b", re.IGNORECASE
)
_NUMBER = re.compile(
    r"\bhow (?:many|much|long|far|old|often|high|tall|large|big|deep|wide|fast)\b"
    r"|\b(?:what|which) (?:\w+ ){0,2}(?:number|percent\w*|price|cost|fee|rate|amount|size|age|population|proportion"
    r"|share|temperature|distance|length|height)\b",
    re.IGNORECASE,
)
_NAME = re.compile(r"\b(?:who|whom|whose|where)\b", re.IGNORECASE)
_MOMENT = re.compile(
    r"\b1\d{3}s?\b|\b20\d\ds?\b|\b\d{1,2}(?:st|nd|rd|th)\b|\b\d{1,2}[:.]\d\d\b|\b\d{1,2} ?[ap]\.?m\b"
    r"|\b(?:january|february|march|april|may|june|july|august|september|october|november|december)\b"
    r"|\b(?:mon|tues|wednes|thurs|fri|satur|sun)days?\b|\b(?:noon|midnight|century|centuries)\b"
    r"|\b\w+ (?:hours?|days?|weeks?|months?|years?|decades?)\b",
    re.IGNORECASE,
)


def holds_expected(question: str, text: str) -> bool:
    """Whether a text has a time, number or name where the question asks for one; true for any other question.

    A question word tells what is asked for. What stands in the question itself is no answer to it.
    """
    own = {token.lower for token in tokens(question)}
    if _TIME.search(question):
        return any(not own.issuperset(re.findall(r"\w+", m.group().lower())) for m in _MOMENT.finditer(text))
    if _NUMBER.search(question):
        return any(_is_number(token.lower) and token.lower not in own for token in tokens(text))
    return not _NAME.search(question) or _names_other(text, own)


def _is_number(word: str) -> bool:
    return word[0].isdigit() or word in NUMBER_WORDS


def _names_other(text: str, own: Collection[str]) -> bool:
    return any(
        token.capital and len(token.text) > 1 and token.lower not in FUNCTION_WORDS and token.lower not in own
        for token in tokens(text)
    )
