"""Find typed values in a sentence: amounts with what they count, money, contacts, days, times, places, names."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile, zip_longest

from adapters.models.extractive.dates import dates, times
from adapters.models.extractive.dialogue import Sentence
from adapters.models.extractive.lexicon import COMMON_WORDS, NAMEABLE
from adapters.models.extractive.names import is_address, names, place_after, unmarked
from adapters.models.extractive.slots import Kind, Role
from adapters.models.extractive.text import bag, number


@dataclass(frozen=True, slots=True)
class Mention:
    """A value found: where it stands, how it is said, and the concepts around it (`near`, closest first).

    `before` is the word just before it; `bare` says that nothing marks it as what it is taken for: an amount
    without its noun ("just two, please"), a name without a preposition.
    """

    kind: Kind
    value: str
    start: int
    end: int
    near: tuple[str, ...]
    role: Role | None
    before: str = ""
    bare: bool = False


_SUM = r"\d{1,12}(?:,\d{2,3}){0,5}(?:\.\d{1,4})?"
_MONEY = re.compile(
    rf"(?:[$€£₹]|\b(?:usd|eur|gbp|inr|aed|rs\.?) ?) ?{_SUM}(?: ?(?:k|m|mn|million|thousand|lakhs?|crores?)\b)?"
    rf"|\b{_SUM} ?(?:dollars|euros|pounds|rupees|dirhams|usd|eur|gbp|inr|aed|bucks|\$|€|£)"
    rf"|\b{_SUM} ?(?:k|mn|million|thousand|lakhs?|crores?)\b(?! ?(?:people|steps|km))",
    re.IGNORECASE,
)
_PHONE = re.compile(
    r"(?<![\w$])(?:\+\d{1,3}[ .-]?)?(?:\(\d{2,4}\) ?|\d{2,4}[ .-])\d{3,4}[ .-]?\d{3,6}(?!\w)|"
    r"(?<!\w)\+?\d{10,13}(?!\w)"
)
_EMAIL = re.compile(r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}")
_BEGIN = bag("leaving above between starting beginning since after from over least")
_END = frozenset(
    {
        "to",
        "until",
        "till",
        "til",
        "through",
        "under",
        "below",
        "most",
        "max",
        "maximum",
        "within",
        "by",
        "upto",
        "than",
    }
)
_WINDOW = 7
PLACING = bag("near around inside in")
DIRECTING = bag("for like love check of try visiting to prefer from search at")


def mentions(text: str, part: Sentence) -> Iterator[Mention]:
    """Yield every typed value of a sentence, in no particular order."""
    taken: list[tuple[int, int]] = []
    for kind, spans in (
        (Kind.EMAIL, [m.span() for m in _EMAIL.finditer(text, part.start, part.end)]),
        (Kind.MONEY, [m.span() for m in _MONEY.finditer(text, part.start, part.end)]),
        (Kind.DATE, list(dates(text, part.start, part.end))),
        (Kind.TIME, list(times(text, part.start, part.end))),
        (Kind.PHONE, [m.span() for m in _PHONE.finditer(text, part.start, part.end)]),
    ):
        for start, end in _apart(sorted(taken), spans):
            taken.append((start, end))
            yield _at(text, part, kind, start, end)
    yield from _tokenwise(text, part, sorted(taken))


def _apart(taken: list[tuple[int, int]], spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    i = 0
    for start, end in spans:
        while i < len(taken) and taken[i][1] <= start:
            i += 1
        if i == len(taken) or taken[i][0] >= end:
            yield start, end


def _at(text: str, part: Sentence, kind: Kind, start: int, end: int) -> Mention:
    first = _index(part, start)
    past = _index(part, end)
    return Mention(kind, text[start:end], start, end, _near(part, first, past), _role(part, first))


def _index(part: Sentence, offset: int) -> int:
    low, high = 0, len(part.tokens)
    while low < high:
        middle = (low + high) // 2
        if part.tokens[middle].end <= offset:
            low = middle + 1
        else:
            high = middle
    return low


def _near(part: Sentence, first: int, past: int) -> tuple[str, ...]:
    after = _clause(part, range(past, min(past + _WINDOW, len(part.tokens))), _ENDS_AFTER)
    before = _clause(part, range(first - 1, max(-1, first - 1 - _WINDOW), -1), _ENDS_BEFORE)
    return tuple(name for pair in zip_longest(after, before, fillvalue="") for name in pair if name)


_ENDS_BEFORE = bag("but and")
_ENDS_AFTER = bag(", but and")


def _clause(part: Sentence, indexes: Iterable[int], ends: frozenset[str]) -> list[str]:
    inside = takewhile(lambda i: part.tokens[i].lower not in ends, indexes)
    return [part.concepts[i] for i in inside]


def _role(part: Sentence, first: int) -> Role | None:
    words = [token.lower for token in part.tokens[max(0, first - _WINDOW) : first]]
    for word in reversed(words[-3:]):
        if word in _BEGIN:
            return Role.BEGIN
        if word in _END or (word == "and" and "between" in words):
            return Role.END
    return None


def _tokenwise(text: str, part: Sentence, spans: list[tuple[int, int]]) -> Iterator[Mention]:
    taken = {i for start, end in spans for i in range(_index(part, start), _index(part, end))}
    free = set(range(len(part.tokens))) - taken
    runs = list(names(part.tokens, taken)) or [run for run in unmarked(part.tokens) if taken.isdisjoint(range(*run))]
    for first, past in runs:
        kind = Kind.ADDRESS if is_address(part.tokens, first, past) else Kind.NAME
        yield _of_tokens(text, part, kind, first, past)
        if kind is Kind.ADDRESS or not part.tokens[first].text.isdigit():
            free -= set(range(first, past))
    yield from _places(text, part, taken)
    yield from (
        _count(part, i) for i in sorted(free) if number(part.tokens[i].lower) is not None and not _stands_in(part, i)
    )


def _stands_in(part: Sentence, i: int) -> bool:
    """Whether "one" stands for a thing ("one with a view") and counts nothing."""
    following = part.tokens[i + 1].lower if i + 1 < len(part.tokens) else ""
    return part.tokens[i].lower == "one" and following in _AFTER_PRONOUN


_AFTER_PRONOUN = bag("with in that of which on at near where for to is")


def _places(text: str, part: Sentence, taken: set[int]) -> Iterator[Mention]:
    for i, token in enumerate(part.tokens[:-1]):
        following = part.tokens[i + 1]
        if token.lower in PLACING or (token.lower in DIRECTING and following.capital):
            at = i + 1 + (following.lower == "the")
            past = place_after(part.tokens, at, taken)
            if past is not None and not is_address(part.tokens, at, past):
                yield _of_tokens(text, part, Kind.PLACE, at, past)


def _count(part: Sentence, i: int) -> Mention:
    token, following = part.tokens[i], part.tokens[i + 1 : i + 2]
    bare = all(not word.text[0].isalpha() or word.lower in COMMON_WORDS - NAMEABLE for word in following)
    near = [name for name in part.concepts[i + 1 : i + 4] if name]
    if (bare or not near) and _before(part, i) not in _TIMES:
        near += [name for name in part.concepts[max(0, i - 3) : i][::-1] if name]
    value = str(number(token.lower))
    return Mention(Kind.COUNT, value, token.start, token.end, tuple(near), _role(part, i), _before(part, i), bare)


_TIMES = bag("by at until till from after before around")


def _before(part: Sentence, i: int) -> str:
    return part.tokens[i - 1].lower if i else ""


def _of_tokens(text: str, part: Sentence, kind: Kind, first: int, past: int) -> Mention:
    start, end = part.tokens[first].start, part.tokens[past - 1].end
    if text[start:end].endswith(("'s", "\u2019s")):
        end -= 2
    near, role = _near(part, first, past), _role(part, first)
    return Mention(kind, text[start:end], start, end, near, role, _before(part, first), kind is Kind.NAME)


_LEADING = re.compile(
    r"^(?:(?:in|at|on|near|around|to|from|for|the|a|an|i|i'd|i'm|i'll|it|would|will|want|need|like|prefer|love|"
    r"some|something|"
    r"somewhere|please|just|maybe|probably|make|be|should|looking|live|it's|its|think|only|area|city|of|is|place|"
    r"thinking|yes|ok|okay|"
    r"sure|preferably|my|go|with|let's|lets|say|about|have|search|find|check|out)\b[ ,:;.'-]*)*",
    re.IGNORECASE,
)


def short_answer(text: str, part: Sentence) -> tuple[int, int] | None:
    """Return the words of a short reply without its wrapping ("In san pablo please" gives "san pablo")."""
    if len(part.tokens) > 12:
        return None
    start = part.start + _lead_in(text[part.start : part.end])
    end = start
    for token in part.tokens:
        if token.start < start:
            continue
        if (not token.text[0].isalnum() and token.text not in "-'\u2019&") or token.lower in _STOPPERS:
            break
        end = token.end
    return (start, end) if end > start and not _common(text[start:end]) else None


def _lead_in(reply: str) -> int:
    match = _LEADING.match(reply)
    return match.end() if match else 0


def _common(words: str) -> bool:
    return all(word.lower() in COMMON_WORDS for word in words.split())


_STOPPERS = bag(
    """
    please and with area thanks would is but for if city will sounds works apartment apartments house home that
    which in or where are should preferably because so instead has have
    """
)
