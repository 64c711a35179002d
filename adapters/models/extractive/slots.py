"""Read a fact schema: what kind of value each key wants and which words of a conversation speak of it."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

from adapters.models.extractive.lexicon import DOMAINS, FUNCTION_WORDS, concepts
from adapters.models.extractive.text import bag, number
from adapters.models.extractive.values import FactKey


class Kind(Enum):
    """What a value of a slot looks like."""

    BOOLEAN = auto()
    EVENT = auto()
    CHOICE = auto()
    COUNT = auto()
    MONEY = auto()
    DATE = auto()
    TIME = auto()
    PHONE = auto()
    EMAIL = auto()
    ADDRESS = auto()
    PLACE = auto()
    NAME = auto()
    PERSON = auto()
    OBJECTION = auto()
    TEXT = auto()


class Role(Enum):
    """Which end of a range a slot or a value is."""

    BEGIN = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Slot:
    """A key, its kind, the concepts that speak of it and the domains (homes, hotels …) it belongs to.

    `told` holds the plain words of its name and description.
    """

    key: str
    kind: Kind
    topics: frozenset[str]
    hints: frozenset[str]
    domains: frozenset[str]
    role: Role | None
    values: tuple[str, ...]
    told: frozenset[str] = frozenset()

    @property
    def of_visit(self) -> bool:
        """Whether it speaks of a visit, as its day or as its being agreed."""
        return "visit" in self.topics and self.kind in {Kind.DATE, Kind.EVENT}

    def score(self, found: frozenset[str]) -> int:
        """Say how strongly some concepts speak of this slot."""
        return 2 * len(self.topics & found) + len(self.hints & found)


_WORD = re.compile(r"[A-Z]?[a-z']+|[A-Z]+(?![a-z])|\d+")
_ROLE_WORDS = {
    Role.BEGIN: bag(
        """
        checkin pickup start begin depart origin from min minimum earliest source lowest least
        """
    ),
    Role.END: bag(
        """
        checkout dropoff end until destination to max maximum latest return finish highest most
        """
    ),
}
_GENERIC = bag(
    """
    flag boolean indicat whether value text lead customer client buyer user person's want wish ask prefer need
    requir choose chose chosen pick select interest decid final desir look settl agree preferr of for which what
    number count how many name title date day time place book type kind category total amount used given specif like
    any be have do particular list state say said include available request mention if one
    """
)
_CHOSEN = bag("chosen selected picked preferred favourite favorite accepted settled chose")
_BOOKED = bag(
    """
    booked scheduled arranged reserved confirmed made completed ordered purchased bought agreed placed signed paid
    organised organized fixed set sold finalised finalized rented hired
    """
)
_HUMAN = bag("customer lead guest person contact buyer client caller full first last patient tenant")


def read_schema(schema: Sequence[FactKey]) -> list[Slot]:
    """Turn a schema into slots; concepts that several keys share say nothing about which one is meant."""
    slots = [_read(key) for key in schema]
    shared = Counter(name for slot in slots for name in slot.topics | slot.hints)
    everywhere = frozenset().union(*(slot.domains for slot in slots))
    return [_sharpen(slot, shared, everywhere) for slot in slots]


def _sharpen(slot: Slot, shared: Counter[str], everywhere: frozenset[str]) -> Slot:
    unshared = frozenset(name for name in slot.hints if shared[name] == 1)
    return replace(slot, hints=unshared - slot.topics, domains=slot.domains or everywhere)


def _read(key: FactKey) -> Slot:
    name, told = _words(key.key), _words(key.description)
    of_name, of_text = concepts(name), concepts(told)
    values = tuple(value.strip() for value in key.values or ())
    kind = _kind(name, told, of_name, of_text, values)
    topics = _topics(name, of_name) - _KIND_WORDS.get(kind, frozenset())
    hints = _topics(told, of_text) - _KIND_WORDS.get(kind, frozenset())
    domains = frozenset(of_name + of_text) & DOMAINS
    if kind is Kind.EVENT and not topics:
        topics = bag("book")
    if kind in {Kind.NAME, Kind.PLACE, Kind.DATE, Kind.COUNT, Kind.BOOLEAN} and len(topics - DOMAINS) > 0:
        topics -= DOMAINS
    role = _role(of_name, name) or _role(of_text, told)
    return Slot(key.key, kind, topics, hints - DOMAINS, domains, role, values, frozenset([*name, *told]))


_KIND_WORDS = {
    Kind.DATE: bag("time date"),
    Kind.TIME: bag("time date"),
    Kind.PLACE: bag("name place"),
    Kind.NAME: bag("name"),
    Kind.COUNT: bag("count"),
    Kind.EVENT: bag("book plac"),
}


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]


def _topics(words: Sequence[str], found: Sequence[str]) -> frozenset[str]:
    return frozenset(
        name
        for word, name in zip(words, found, strict=True)
        if name and name not in _GENERIC and word not in FUNCTION_WORDS and word not in _GENERIC
    )


def _role(found: Sequence[str], words: Sequence[str]) -> Role | None:
    seen = [*found, *words]
    hits = [
        role for role, cues in _ROLE_WORDS.items() if any(name in cues for name in seen if name not in {"to", "from"})
    ]
    return hits[0] if len(hits) == 1 else None


def _kind(
    name: Sequence[str], told: Sequence[str], of_name: Sequence[str], of_text: Sequence[str], values: tuple[str, ...]
) -> Kind:
    if {value.lower() for value in values} == {"true", "false"}:
        return Kind.EVENT if not _BOOKED.isdisjoint([*name, *told]) else Kind.BOOLEAN
    if values:
        return Kind.COUNT if all(number(value.lower()) is not None for value in values) else Kind.CHOICE
    return _kind_of_key(name, of_name, told) or _kind_of_text(told, of_text) or Kind.TEXT


def _kind_of_key(name: Sequence[str], found: Sequence[str], told: Sequence[str]) -> Kind | None:
    seen, last = set(found), found[-1] if found else ""
    if "phone" in seen:
        return Kind.PHONE
    if (
        "count" in seen
        or "num" in name
        or (last in {"night", "person", "room", "bed", "bath", "child"} and name[-1][-1] == "s")
    ):
        return Kind.COUNT
    if "name" in seen:
        return _kind_of_name(name, found)
    if not _CHOSEN.isdisjoint([*name, *told]) and (not DOMAINS.isdisjoint(found) or _CHOSEN.issuperset(name)):
        return Kind.NAME
    return _kind_of_concept(last, found)


_KIND_OF = {
    "date": Kind.DATE, "time": Kind.TIME, "phone": Kind.PHONE, "email": Kind.EMAIL, "mail": Kind.EMAIL,
    "address": Kind.ADDRESS, "price": Kind.MONEY, "budget": Kind.MONEY, "deposit": Kind.MONEY, "place": Kind.PLACE,
    "origin": Kind.PLACE, "object": Kind.OBJECTION, "person": Kind.COUNT,
}  # fmt: skip


def _kind_of_concept(last: str, found: Sequence[str]) -> Kind | None:
    if last in _KIND_OF:
        return _KIND_OF[last]
    if last in {"checkin", "checkout", "days"}:
        return Kind.DATE
    return next((_KIND_OF[name] for name in found if name in _KIND_OF), None)


def _kind_of_name(words: Sequence[str], found: Sequence[str]) -> Kind:
    if "place" in found and not {"city", "town", "area", "neighborhood", "neighbourhood", "district"}.isdisjoint(words):
        return Kind.PLACE
    return Kind.PERSON if not _HUMAN.isdisjoint(words) else Kind.NAME


def _kind_of_text(words: Sequence[str], found: Sequence[str]) -> Kind | None:
    if words[:2] in (["how", "many"], ["number", "of"]) or "count" in found:
        return Kind.COUNT
    if "name" in found:
        return _kind_of_name(words, found)
    for word, name in zip(words, found, strict=True):
        if name in _KIND_OF:
            return _KIND_OF[name]
        if word in {"colour", "color"}:
            return Kind.TEXT
    return None
