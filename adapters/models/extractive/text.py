"""Words, sentences and numbers of a text, each with its offsets; every function is linear in the text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_CURLY = "\u2019"
_TOKEN = re.compile(r"\d+(?:[.,:]\d+)*|[^\W\d_]+(?:['\u2019][^\W\d_]+)?|[^\w\s]")
# From the first mark of a run only, and all of it: what begins again at each mark is quadratic.
_END = r"(?<![.!?])[.!?]++[\"'\u201d\u2019)\]*]{0,4}(?=\s|$)"
_BREAK = re.compile(rf"{_END}|\n+")
_SOFT_BREAK = re.compile(_END)


def bag(words: str) -> frozenset[str]:
    """Return the words of a list written as one text."""
    return frozenset(words.split())


_ABBREVIATIONS = bag(
    """
    mr mrs ms dr st rev gen gov sen rep lt col sgt capt prof jr sr vs v no vol inc ltd co corp dept est approx e.g
    i.e etc cf al fig mt ft ave blvd rd jan feb mar apr jun jul aug sep sept oct nov dec u.s u.k d.c a.m p.m
    """
)
_UNITS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
]
_UNITS += ["seventeen", "eighteen", "nineteen", "twenty"]
NUMBER_WORDS = {word: n for n, word in enumerate(_UNITS)} | {
    "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
    "hundred": 100, "single": 1, "couple": 2, "pair": 2, "dozen": 12,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Token:
    """One word, number or mark; `start` and `end` are offsets in the text it was read from.

    `lower` is the word in lower case without a possessive ending.
    """

    text: str
    start: int
    end: int
    lower: str

    @property
    def capital(self) -> bool:
        """Whether it begins with an upper-case letter."""
        return self.text[0].isupper()


def tokens(text: str, start: int = 0, end: int | None = None) -> tuple[Token, ...]:
    """Split `text[start:end]` into words, numbers and marks."""
    stop = len(text) if end is None else end
    return tuple(Token(m.group(), m.start(), m.end(), _lower(m.group())) for m in _TOKEN.finditer(text, start, stop))


@lru_cache(maxsize=65536)
def _lower(word: str) -> str:
    return word.lower().replace(_CURLY, "'").removesuffix("'s")


def sentences(
    text: str, start: int = 0, end: int | None = None, *, typed: bool = False, wrapped: bool = False
) -> Iterator[tuple[int, int]]:
    """Yield the trimmed (start, end) of every sentence; abbreviations and initials do not end one.

    In `typed` messages a sentence may begin without a capital; in `wrapped` text a line's end does not end one.
    """
    stop = len(text) if end is None else end
    begin = start
    for match in (_SOFT_BREAK if wrapped else _BREAK).finditer(text, start, stop):
        if match.group()[0] != "\n" and _is_abbreviation(text, begin, match.start(), match.end(), stop, typed=typed):
            continue
        yield from _trimmed(text, begin, match.end())
        begin = match.end()
    yield from _trimmed(text, begin, stop)


def _is_abbreviation(text: str, begin: int, mark: int, after: int, stop: int, *, typed: bool) -> bool:
    if text[mark] != ".":
        return False
    word = text[max(begin, mark - 12) : mark].rsplit(maxsplit=1)
    last = word[-1].lstrip("(\"'\u201c\u2018[") if word else ""
    if len(last) == 1 and last.isupper() and last != "I":
        return True
    following = text[after : min(after + 3, stop)].lstrip()
    return (last.lower() in _ABBREVIATIONS and not (typed and last.lower() in {"no", "co", "sat"})) or (
        not typed and bool(following) and following[0].islower()
    )


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    piece = text[start:end]
    left, right = start + len(piece) - len(piece.lstrip()), end - (len(piece) - len(piece.rstrip()))
    if left < right:
        yield left, right


def number(word: str) -> int | None:
    """Read a cardinal written in digits or as one English word; None when it is neither."""
    if word.isascii() and word.isdigit() and len(word) <= 9:
        return int(word)
    return NUMBER_WORDS.get(word)


def stem(word: str) -> str:
    """Strip common English endings: rough, but the same on both sides of a comparison."""
    for suffix, keep in (("ies", "y"), ("sses", "ss"), ("ing", ""), ("ed", ""), ("es", ""), ("s", ""), ("ly", "")):
        if word.endswith(suffix) and len(word) - len(suffix) >= 3 and not word.endswith("ss"):
            word = word[: len(word) - len(suffix)] + keep
            break
    if len(word) > 4 and word[-1] == word[-2] and word[-1] not in "lsz":
        word = word[:-1]
    return word.removesuffix("e") if len(word) > 3 else word
