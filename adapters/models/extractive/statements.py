"""Which slot a value belongs to: by what it counts, the words beside it, what was asked and what the talk is about."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from adapters.models.extractive.dialogue import Sentence, Turn, low
from adapters.models.extractive.mentions import PLACING, Mention, mentions, short_answer
from adapters.models.extractive.slots import Kind, Role, Slot
from adapters.models.extractive.text import bag
from adapters.models.extractive.values import Evidence


@dataclass(frozen=True, slots=True)
class Found:
    """A value for a slot and where it is said."""

    slot: Slot
    value: str
    start: int
    end: int
    confidence: float


_NEEDED = {Kind.COUNT: 2.0, Kind.MONEY: 0.5, Kind.ADDRESS: 1.0}
_ASKED, _BESIDE, _HINTED, _ALONE, _ELSEWHERE = 2.0, 2.0, 1.0, 0.5, 3.0


def asked(slots: Sequence[Slot], turn: Turn | None) -> frozenset[str]:
    """Return the keys that an agent's message asks about."""
    if turn is None or turn.by_lead:
        return frozenset()
    about = frozenset().union(*(part.about for part in turn.sentences if part.asks))
    keys = {
        slot.key for slot in slots if _asks_kind(slot, about) or (slot.kind is not Kind.PLACE and slot.score(about))
    }
    exact = {slot.key for slot in slots if slot.topics & about and slot.kind in _ASKING}
    loose = {slot.key for slot in slots if slot.key in keys and slot.kind in _ASKING}
    return frozenset(keys - loose | (exact or loose))


_ASKING = {
    Kind.PLACE: bag("place"),
    Kind.COUNT: bag("count"),
    Kind.EMAIL: bag("mail email"),
    Kind.DATE: bag("date"),
    Kind.TIME: bag("time"),
    Kind.MONEY: bag("budget price"),
    Kind.PHONE: bag("phone"),
    Kind.PERSON: bag("name"),
}


def _asks_kind(slot: Slot, about: frozenset[str]) -> bool:
    return not _ASKING.get(slot.kind, frozenset()).isdisjoint(about)


def stated(
    slots: Sequence[Slot], evidence: Evidence, turn: Turn, wanted: Collection[str], offered: Collection[str]
) -> Iterator[Found]:
    """Yield what a message says for each slot; `offered` names are the agent's, so not places of the lead's."""
    counted: set[str] = set()
    for part in turn.sentences:
        if (part.asks and "calendar" in part.about) or _closes(low(evidence, part)):
            continue
        for mention in sorted(mentions(evidence.text, part), key=lambda one: (one.bare, one.start)):
            slot = assign(slots, mention, turn, wanted) if _counts(slots, mention, part, wanted, offered) else None
            if slot is None or (mention.bare and slot.key in counted):
                continue
            counted.add(slot.key)
            yield Found(slot, mention.value, mention.start, mention.end, 0.9 if slot.key in wanted else 0.85)


def _counts(
    slots: Sequence[Slot], mention: Mention, part: Sentence, wanted: Collection[str], offered: Collection[str]
) -> bool:
    if mention.kind is Kind.COUNT and mention.before in {"but", "shows", "showing"}:
        return False
    if mention.before in {"than", "not"} or mention.kind not in {Kind.NAME, Kind.PLACE}:
        return mention.before not in {"than", "not"}
    if any(mention.value.lower() in name for name in offered):
        return False
    return mention.kind is Kind.NAME or not mention.value.islower() or _is_sought(slots, part, wanted)


def _closes(said: str) -> bool:
    return "today" in said and any(word in said for word in ("thank", "all", "everything", "help", "else", "bye"))


def _is_sought(slots: Sequence[Slot], part: Sentence, wanted: Collection[str]) -> bool:
    places = [slot for slot in slots if slot.kind is Kind.PLACE]
    return any(slot.key in wanted or (slot.domains | _OF_HOMES) & part.about for slot in places)


_OF_HOMES = bag("bed bath garden furnish")


def assign(slots: Sequence[Slot], mention: Mention, turn: Turn, wanted: Collection[str]) -> Slot | None:
    """Return the slot a value most likely fills, or None when nothing says so."""
    rivals = [slot for slot in slots if _fits(slot, mention, wanted, by_lead=turn.by_lead)]
    if mention.kind is Kind.COUNT:
        return _counted(rivals, mention, wanted)
    scored = [(_score(slot, mention, turn, wanted, alone=len(rivals) == 1), -i) for i, slot in enumerate(rivals)]
    if not scored:
        return None
    best, place = max(scored)
    return rivals[-place] if best >= _NEEDED.get(mention.kind, 0.5) else None


def _fits(slot: Slot, mention: Mention, wanted: Collection[str], *, by_lead: bool) -> bool:
    if mention.kind is Kind.NAME:
        return slot.kind is Kind.PLACE and slot.key in wanted
    if mention.kind is Kind.PLACE and not by_lead and slot.role is None and mention.before not in PLACING:
        return False
    if mention.kind is Kind.MONEY and "budget" in slot.topics and slot.key not in wanted:
        return False
    return slot.kind is mention.kind and (not slot.values or mention.value in slot.values)


def _counted(rivals: Sequence[Slot], mention: Mention, wanted: Collection[str]) -> Slot | None:
    for name in mention.near:
        claim = [slot for slot in rivals if name in slot.topics] or [slot for slot in rivals if name in slot.hints]
        if claim:
            return claim[0]
    open_ = [slot for slot in rivals if slot.key in wanted]
    if mention.before == "for" and mention.bare:
        open_ = open_ or [slot for slot in rivals if "person" in slot.topics | slot.hints]
    return open_[0] if len(open_) == 1 and mention.bare else None


def _score(slot: Slot, mention: Mention, turn: Turn, wanted: Collection[str], *, alone: bool) -> float:
    score = _ALONE if alone else 0.0
    beside = next((i for i, name in enumerate(mention.near) if name in slot.topics), None)
    if beside is not None:
        score += _BESIDE - beside / 50
    score += _HINTED * bool(slot.hints.intersection(mention.near))
    score += _ASKED * (slot.key in wanted)
    if slot.role is not None and mention.role is not None:
        score += 1.0 if slot.role is mention.role else -1.0
    elif slot.role is _USUAL.get(mention.kind):
        score += _ALONE
    return score if beside is not None or in_focus(slot, turn) else score - _ELSEWHERE


_USUAL = {Kind.DATE: Role.BEGIN, Kind.TIME: Role.BEGIN, Kind.PLACE: Role.BEGIN, Kind.MONEY: Role.END}


def in_focus(slot: Slot, turn: Turn) -> bool:
    """Whether the talk is about what the slot belongs to, as far as either says."""
    return not slot.domains or not turn.focus or not slot.domains.isdisjoint(turn.focus)


def points_back(slots: Sequence[Slot], turn: Turn) -> list[Slot]:
    """Return the slots for which a lead points back to a place named before ("an apartment in that area")."""
    places = [slot for slot in slots if slot.kind is Kind.PLACE and slot.role is None and slot.domains & turn.about]
    return places if places and _POINTS_BACK.search(turn.low) else []


def place_named(evidence: Evidence, turn: Turn) -> Mention | None:
    """Return the last place a message names, whatever it is the place of."""
    found = (one for part in turn.sentences for one in mentions(evidence.text, part) if one.kind is Kind.PLACE)
    return max((one for one in found if one.before in _PLACED), key=lambda one: one.start, default=None)


_PLACED = PLACING | {"from", "at"}
_POINTS_BACK = re.compile(
    r"\b(?:there|near(?:by)?|around|same|(?:the|this|that|which) (?:\w+ )?(?:area|city|town|region|place|"
    r"location|neighbou?rhood|vicinity))\b"
)


def replied(slots: Sequence[Slot], evidence: Evidence, turn: Turn, wanted: Collection[str]) -> Iterator[Found]:
    """Yield the bare words of a reply for the one open-ended slot that was asked about."""
    open_ = [slot for slot in slots if slot.key in wanted and slot.kind in {Kind.PLACE, Kind.TEXT, Kind.PERSON}]
    if len(open_) != 1 or not in_focus(open_[0], turn):
        return
    for part in turn.sentences:
        bounds = None if part.asks or _is_filler(low(evidence, part)) else short_answer(evidence.text, part)
        if bounds is not None:
            yield Found(open_[0], evidence.text[slice(*bounds)], *bounds, 0.7)
            return


def _is_filler(said: str) -> bool:
    return "matter" in said or "any " in said or "don't care" in said or any(c.isdigit() for c in said)
