"""Cut evidence into passages of a few sentences and note which of a question's terms each has."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

from adapters.models.extractive.blocks import Piece, pieces
from adapters.models.extractive.dialogue import messages
from adapters.models.extractive.lexicon import FUNCTION_WORDS
from adapters.models.extractive.text import Token, bag, sentences, tokens
from adapters.models.extractive.values import Evidence
from adapters.models.tokens import uncommon

_MOST_SENTENCES = 12
_FEWEST_SENTENCES = 3
_LONGEST = 1200
_ASKING = bag(
    """
    name many much kind type call called refer term mean happen give said known use
    hi hello hey please thank thanks tell know like want check find look let show explain wonder wondering curious help
    according document documents file files information info question
    """
)
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
    "able",
    "ible",
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
_SHORT_PLURAL = 4
_SAME = {"flat": "apartment", "flats": "apartments"}


@dataclass(frozen=True, slots=True)
class Question:
    """A question's content terms, those that must be met to the letter (names, numbers), and its pairs of words.

    `head` is the thing asked for ("What is the property *tax* on …"), `numeric` whether a number would answer, `rare`
    how rare each term is in writing.
    """

    text: str

    terms: frozenset[str]
    exact: frozenset[str]
    pairs: frozenset[tuple[str, str]]
    head: str
    numeric: bool
    rare: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Line:
    """One sentence: where it stands, the question's terms and pairs in it, and those only in its headings."""

    start: int
    end: int
    terms: frozenset[str]
    pairs: frozenset[tuple[str, str]]
    above: frozenset[str]
    has_number: bool


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
    head = _HEAD.match(question.lower())
    named = root(head.group(1)) if head else ""
    numeric = bool(_NUMERIC.search(question.lower()))
    rare: dict[str, float] = {}
    for token, term in zip(kept, roots, strict=True):
        rare[term] = max(uncommon(token.lower), rare.get(term, 0.0))
    return Question(
        question,
        frozenset(roots),
        frozenset(exact),
        frozenset(pairwise(roots)),
        named if named in roots else "",
        numeric,
        rare,
    )


_HEAD = re.compile(
    r"what (?:is|are|was|were) (?:the |a |an )?(?:[a-z-]+ ){0,2}?([a-z-]+)(?= (?:of|on|for|in|at|to|from)\b|\?)"
)
_NUMERIC = re.compile(
    r"\bhow (?:much|many|long|far|old|often|high|large|big)\b|\bwhat (?:is|was) the (?:price|cost|fee|rate|number)"
)


def _is_content(token: Token) -> bool:
    return token.lower not in FUNCTION_WORDS and (len(token.lower) > 1 or token.text.isdigit())


@lru_cache(maxsize=65536)
def root(word: str) -> str:
    """Cut a word to what its family shares ("pharmacist", "pharmacies"): rough, and the same on both sides."""
    word = _SAME.get(word, word)
    if len(word) == _SHORT_PLURAL and word[-1] == "s" and word[-2] not in "sui":
        return word[:-1]
    ending = next((one for one in _ENDINGS if word.endswith(one) and len(word) - len(one) >= 4), "")
    word = word[: len(word) - len(ending)]
    if len(word) > 4 and word[-1] == word[-2]:
        word = word[:-1]
    return word[:_ROOT]


def read_passages(item: Evidence, asked: Question) -> Iterator[Passage]:
    """Yield an item's passages: paragraphs under their headings, long ones cut and short ones joined."""
    group: list[Piece] = []
    for piece in _short(item.text, _pieces(item)):
        ended = bool(group) and (piece.block != group[-1].block and len(group) >= _FEWEST_SENTENCES)
        if ended or len(group) == _MOST_SENTENCES or (group and piece.headings != group[-1].headings):
            yield _passage(item, group, asked)
            group = []
        group.append(piece)
    if group:
        yield _passage(item, group, asked)


def _pieces(item: Evidence) -> Iterator[Piece]:
    """Yield an item's sentences: of a chat those of each message without its frame, of a record its fields."""
    if item.kind == "chat":
        for n, message in enumerate(messages(item)):
            end = message.start + len(message.text)
            yield from (Piece(a, b, (), n) for a, b in sentences(item.text, message.start, end, typed=True))
    elif item.kind == "record":
        yield from (Piece(m.start(), m.end(), (), n) for n, m in enumerate(_FIELD.finditer(item.text)))
    else:
        yield from pieces(item.text)


_FIELD = re.compile(r"[^\n]+")


def _short(text: str, found: Iterable[Piece]) -> Iterator[Piece]:
    for piece in found:
        at = piece.start
        while piece.end - at > _LONGEST:
            cut = text.rfind(" ", at + 1, at + _LONGEST)
            cut = cut if cut > at else at + _LONGEST
            yield replace(piece, start=at, end=cut)
            at = cut + (text[cut] == " ")
        if at < piece.end:
            yield replace(piece, start=at)


def _passage(item: Evidence, group: Sequence[Piece], asked: Question) -> Passage:
    lines: list[Line] = []
    counts: Counter[str] = Counter()
    length = 0
    context = frozenset(word for bounds in group[0].headings for word in _roots(item, *bounds)) & asked.terms
    for piece in group:
        words = _roots(item, piece.start, piece.end)
        roots = [word for word in words if word]
        met = [word for word in roots if word in asked.terms]
        pairs = frozenset(pairwise(roots)) if met else frozenset()
        counts.update(met)
        length += len(words)
        pairs = asked.pairs & (pairs | {(b, a) for a, b in pairs})
        lines.append(
            Line(
                piece.start,
                piece.end,
                frozenset(met),
                pairs,
                context - frozenset(met),
                any(c.isdigit() for c in item.text[piece.start : piece.end]),
            )
        )
    counts.update(context - counts.keys())
    return Passage(item, tuple(lines), counts, length)


def _roots(item: Evidence, start: int, end: int) -> list[str]:
    """Return the root of each word, empty for a function word."""
    words = [token for token in tokens(item.text, start, end) if token.text[0].isalnum()]
    return ["" if token.lower in FUNCTION_WORDS else root(token.lower) for token in words]
