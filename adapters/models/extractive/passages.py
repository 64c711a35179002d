"""Cut evidence into passages of a few sentences and note which of a question's terms each has."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from adapters.models.extractive.lexicon import FUNCTION_WORDS
from adapters.models.extractive.text import Token, bag, sentences, tokens
from adapters.models.extractive.values import Evidence

_BLANK = re.compile(r"\n[ \t]*\n")
_MOST_SENTENCES = 12
_FEWEST_SENTENCES = 3
_LONGEST = 1200
_ASKING = bag("name many much kind type call called refer term mean happen give said known use")
_ENDINGS = [
    "ization",
    "isation",
    "ational",
    "ations",
    "ation",
    "ments",
    "ment",
    "ings",
    "ness",
    "ities",
    "ity",
    "ions",
    "ion",
    "ers",
    "ing",
    "ies",
    "ied",
    "est",
    "ism",
    "ist",
    "ed",
    "er",
    "es",
    "or",
    "al",
    "ly",
    "s",
    "e",
    "y",
]
_ROOT = 7


@dataclass(frozen=True, slots=True)
class Question:
    """A question's content terms, those that must be met to the letter (names, numbers), and its pairs of words."""

    terms: frozenset[str]
    exact: frozenset[str]
    pairs: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Line:
    """One sentence: where it stands, and the question's terms and pairs in it."""

    start: int
    end: int
    terms: frozenset[str]
    pairs: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Passage:
    """Some sentences that stand together, with the counts of the question's terms and the number of all words."""

    item: Evidence
    lines: tuple[Line, ...]
    counts: Counter[str]
    length: int


def read_question(question: str) -> Question:
    """Take the content words of a question."""
    words = [token for token in tokens(question) if token.text[0].isalnum()]
    kept = [token for token in words if _is_content(token) and token.lower not in _ASKING]
    exact = (root(t.lower) for t in kept if t.text[0].isdigit() or (t.capital and t is not words[0]))
    roots = [root(token.lower) for token in kept]
    return Question(frozenset(roots), frozenset(exact), frozenset(pairwise(roots)))


def _is_content(token: Token) -> bool:
    return token.lower not in FUNCTION_WORDS and (len(token.lower) > 1 or token.text.isdigit())


@lru_cache(maxsize=65536)
def root(word: str) -> str:
    """Cut a word to what its family shares ("pharmacist", "pharmacies"): rough, and the same on both sides."""
    ending = next((one for one in _ENDINGS if word.endswith(one) and len(word) - len(one) >= 4), "")
    word = word[: len(word) - len(ending)]
    if len(word) > 4 and word[-1] == word[-2]:
        word = word[:-1]
    return word[:_ROOT]


def read_passages(item: Evidence, asked: Question) -> Iterator[Passage]:
    """Yield an item's passages: paragraphs, long ones cut and short ones (headings) joined to what follows."""
    group: list[tuple[int, int]] = []
    begin = 0
    for stop in [*(match.end() for match in _BLANK.finditer(item.text)), len(item.text)]:
        for bounds in _pieces(item.text, sentences(item.text, begin, stop)):
            group.append(bounds)
            if len(group) == _MOST_SENTENCES:
                yield _passage(item, group, asked)
                group = []
        if len(group) >= _FEWEST_SENTENCES:
            yield _passage(item, group, asked)
            group = []
        begin = stop
    if group:
        yield _passage(item, group, asked)


def _pieces(text: str, found: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    for start, end in found:
        at = start
        while end - at > _LONGEST:
            cut = text.rfind(" ", at + 1, at + _LONGEST)
            cut = cut if cut > at else at + _LONGEST
            yield at, cut
            at = cut + (text[cut] == " ")
        if at < end:
            yield at, end


def _passage(item: Evidence, group: Sequence[tuple[int, int]], asked: Question) -> Passage:
    lines: list[Line] = []
    counts: Counter[str] = Counter()
    length = 0
    for start, end in group:
        words = [token for token in tokens(item.text, start, end) if token.text[0].isalnum()]
        roots = [root(token.lower) for token in words if token.lower not in FUNCTION_WORDS]
        met = [word for word in roots if word in asked.terms]
        pairs = frozenset(pairwise(roots)) if met else frozenset()
        counts.update(met)
        length += len(words)
        lines.append(Line(start, end, frozenset(met), asked.pairs & (pairs | {(b, a) for a, b in pairs})))
    return Passage(item, tuple(lines), counts, length)
