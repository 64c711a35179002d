"""Buildings and addresses by their form ("12 Beacon Lane", "Lantern Wharf 4B", "the Old Vicarage")."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from adapters.models.extractive.lexicon import COMMON_WORDS, FUNCTION_WORDS, is_known
from adapters.models.extractive.text import bag

_STREET = (
    "Lane|Street|St|Road|Rd|Drive|Close|Way|Terrace|Avenue|Ave|Crescent|Gardens|Grove|Rise|Row|Square|Place|Walk|Mews|"
    "Hill|Parade|Boulevard|Quay|Circus|Green|View|Loan|Alley|Court"
)
_BUILDING = (
    "House|Lodge|Cottage|Towers?|Court|Flat|Lofts?|Vicarage|Penthouse|Studios?|Villas?|Manor|Hall|Mansions?|"
    "Apartments|Residences?|Heights|Wharf|Mews|Barn|Farm|Rectory|Building|Chambers|Plaza|Duplex|Maisonette|Bungalow"
)
_CAP = r"[A-Z\u00c0-\u00de][\w\u2019'-]{0,30}"
_UNIT = (
    r"(?:,? (?:[Nn]o\.? ?|#|[Ff]lat |[Uu]nit |[Aa]pt\.? )?\d{1,4}[A-Za-z]?\b"
    r"(?!['\u2019,.:]\d| ?(?:beds?|baths?|sq|m\b|m2|k\b|%)))"
)
_FORMS = (
    re.compile(
        rf"\b\d{{1,4}}[A-Za-z]? (?:{_CAP} ){{1,3}}(?:{_STREET}|{_BUILDING})\b"
        rf"(?: (?:[Ff]lat|[Uu]nit|[Aa]pt) \d{{1,4}}\w?|(?<=Flat) \d{{1,4}}\w?)?"
    ),
    re.compile(rf"\b\d{{1,4}}[A-Za-z]? {_CAP},? (?:[Ff]lat|[Uu]nit|[Aa]pt) \d{{1,4}}\w?\b"),
    re.compile(rf"\b(?:{_CAP} ){{1,3}}(?:{_BUILDING})\b{_UNIT}?"),
    re.compile(rf"\b(?:{_CAP} ){{1,3}}(?:{_STREET}){_UNIT}"),
    re.compile(rf"(?<=\b(?:house|place) on )(?:{_CAP} ){{1,2}}(?:{_STREET})\b"),
    re.compile(rf"(?<=\bbedroom on )(?:{_CAP} ){{1,2}}(?:{_STREET})\b"),
    re.compile(
        r"\b[a-z]{3,30} (?:(?:tower|court|wharf|lodge|cottage|house|lofts?|studios|mansions|heights)"
        r"(?: \d{1,4}[a-z]?)\b"
        r"(?![.,:]\d| ?(?:beds?|baths?|k\b))|(?:tower|court|wharf|lodge|penthouse|vicarage)\b)"
    ),
)  # fmt: skip
_STREETS = frozenset(_STREET.lower().split("|"))
_BUILDINGS = frozenset(
    word
    for form in (_BUILDING, _STREET)
    for name in form.lower().split("|")
    for word in (name.replace("?", ""), name.removesuffix("s?"))
)
_NO_HEAD = FUNCTION_WORDS | bag(
    """
    yes hi hello dear hola asking good morning ciao nice open own first second new another same next big small little
    lovely great tennis basketball water high food law night main whole modern luxury council student shared cheap
    actual real old about flat house see view visit want like for saw show me
    """
)


@dataclass(frozen=True, slots=True)
class Thing:
    """A building or address named in a text; `keys` are the lower-case words that can stand for it alone."""

    value: str
    start: int
    end: int
    keys: frozenset[str]

    @property
    def is_address(self) -> bool:
        """Whether it is a street with a number."""
        words = self.value.lower().split()
        return words[0][0].isdigit() and words[-1] in _STREETS


def is_building(word: str) -> bool:
    """Whether a lower-case word is what buildings and streets are called by."""
    return word in _BUILDINGS


def is_thing(value: str) -> bool:
    """Whether a name reads as a building or an address."""
    return bool(things(value, 0, len(value)))


@lru_cache(maxsize=256)
def things(text: str, start: int, end: int) -> tuple[Thing, ...]:
    """Return the buildings and addresses of `text[start:end]` in order, of overlapping ones the first form's."""
    taken: list[tuple[int, int]] = []
    found: list[Thing] = []
    for form in _FORMS:
        for match in form.finditer(text, start, end):
            first, past = _trimmed(text, *match.span())
            if first < past and not any(a < past and first < b for a, b in taken):
                taken.append((first, past))
                found.append(Thing(text[first:past], first, past, _keys(text[first:past])))
    found.sort(key=lambda one: one.start)
    return tuple(
        thing
        for i, thing in enumerate(found)
        if not (i and thing.is_address and _LOCATED.match(text[found[i - 1].end : thing.start]))
    )


_LOCATED = re.compile(r"^,? (?:(?:is )?(?:located|situated) )?(?:at|on|in)? ?$")


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Leave out what opens the sentence and is no part of the name ("Asking Larch Court", "Yes 12 Mill Lane")."""
    while True:
        word = text[start:end].split(" ", 1)
        low = word[0].lower()
        if len(word) == 1:
            return end, end
        if low in _NO_HEAD and not (low in {"old", "new", "great", "little", "high"} and word[0][0].isupper()):
            start += len(word[0]) + 1
            continue
        return (start, end) if _is_named(word[0], word[1]) else (end, end)


def _is_named(first: str, rest: str) -> bool:
    return not first.islower() or first not in COMMON_WORDS or any(c.isdigit() for c in rest)


def _keys(value: str) -> frozenset[str]:
    words = [word.lower().replace("\u2019", "'").removesuffix("'s") for word in re.split(r"[ ,]+", value)]
    own = frozenset(
        w
        for w in words
        if w not in COMMON_WORDS and not is_building(w) and not is_known(w) and not (w.isdigit() and len(w) < 3)
    )
    return own or frozenset({value.lower()})


def named(keys: Sequence[Thing], words: frozenset[str]) -> Thing | None:
    """Return the one known thing that some words stand for; None when none or several could be meant."""
    meant = [thing for thing in keys if thing.keys & words]
    best = max((len(thing.keys & words) for thing in meant), default=0)
    meant = [thing for thing in meant if len(thing.keys & words) == best]
    return meant[-1] if len({thing.keys for thing in meant}) == 1 else None
