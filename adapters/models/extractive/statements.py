"""Which slot a value belongs to: by what it counts, the words beside it, what was asked and what the talk is about."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from adapters.models.extractive.dialogue import Sentence, Turn, low
from adapters.models.extractive.mentions import Mention, mentions, short_answer
from adapters.models.extractive.slots import Kind, Slot
from adapters.models.extractive.values import Evidence


@dataclass(frozen=True, slots=True)
class Found:
    """A value for a slot and where it is said."""

    slot: Slot
    value: str
    start: int
    end: int
    confidence: float


_FITS = {
    Kind.NAME: frozenset({Kind.PLACE}),
    Kind.COUNT: frozenset({Kind.COUNT}),
}
_NEEDED = {Kind.COUNT: 2.0, Kind.MONEY: 0.5, Kind.ADDRESS: 1.0}
_ASKED, _BESIDE, _HINTED, _ALONE, _ELSEWHERE = 2.0, 2.0, 1.0, 0.5, 3.0


def asked(slots: Sequence[Slot], turn: Turn | None) -> frozenset[str]:
    """Return the keys that an agent's message asks about."""
    if turn is None or turn.by_lead:
        return frozenset()
    about = frozenset().union(*(part.about for part in turn.sentences if part.asks or len(turn.sentences) == 1))
    keys = {slot.key for slot in slots if slot.score(about) > 0 or _asks_kind(slot, about)}
    exact = {slot.key for slot in slots if slot.topics & about and slot.kind in {Kind.DATE, Kind.TIME, Kind.PLACE}}
    loose = {slot.key for slot in slots if slot.key in keys and slot.kind in {Kind.DATE, Kind.TIME, Kind.PLACE}}
    return frozenset(keys - loose | (exact or loose))


_ASKING = {
    Kind.PLACE: frozenset({"place"}),
    Kind.DATE: frozenset({"date"}),
    Kind.TIME: frozenset({"time"}),
    Kind.MONEY: frozenset({"price", "budget"}),
    Kind.PHONE: frozenset({"phone"}),
    Kind.PERSON: frozenset({"name"}),
}


def _asks_kind(slot: Slot, about: frozenset[str]) -> bool:
    return not _ASKING.get(slot.kind, frozenset()).isdisjoint(about)


def stated(
    slots: Sequence[Slot], evidence: Evidence, turn: Turn, wanted: Collection[str], offered: Collection[str]
) -> Iterator[Found]:
    """Yield what a message says for each slot; `offered` names are the agent's, so not places of the lead's."""
    for part in turn.sentences:
        if part.asks and _is_about_free_time(part):
            continue
        for mention in mentions(evidence.text, part):
            if mention.kind is Kind.NAME and mention.value.lower() in offered:
                continue
            slot = assign(slots, mention, turn, wanted)
            if slot is not None:
                yield Found(slot, mention.value, mention.start, mention.end, 0.9 if slot.key in wanted else 0.85)


def _is_about_free_time(part: Sentence) -> bool:
    return "calendar" in part.about


def assign(slots: Sequence[Slot], mention: Mention, turn: Turn, wanted: Collection[str]) -> Slot | None:
    """Return the slot a value most likely fills, or None when nothing says so."""
    kinds = _FITS.get(mention.kind, frozenset({mention.kind}))
    rivals = [slot for slot in slots if slot.kind in kinds and _allows(slot, mention)]
    if mention.kind is Kind.COUNT:
        return _counted(rivals, mention, wanted)
    scored = [(_score(slot, mention, turn, wanted, alone=len(rivals) == 1), -i) for i, slot in enumerate(rivals)]
    if not scored:
        return None
    best, place = max(scored)
    return rivals[-place] if best >= _NEEDED.get(mention.kind, 0.5) else None


def _allows(slot: Slot, mention: Mention) -> bool:
    return not slot.values or mention.value in slot.values


def _counted(rivals: Sequence[Slot], mention: Mention, wanted: Collection[str]) -> Slot | None:
    for name in mention.near:
        claim = [slot for slot in rivals if name in slot.topics] or [slot for slot in rivals if name in slot.hints]
        if claim:
            return claim[0]
        if name == "|" and mention.near[0] != "|" and not any(slot.key in wanted for slot in rivals):
            return None
    open_ = [slot for slot in rivals if slot.key in wanted]
    return open_[0] if len(open_) == 1 else None


def _score(slot: Slot, mention: Mention, turn: Turn, wanted: Collection[str], *, alone: bool) -> float:
    score = _ALONE if alone else 0.0
    for i, name in enumerate(mention.near):
        if name in slot.topics:
            score += _BESIDE - i / 50
            break
    score += _HINTED * bool(slot.hints.intersection(mention.near))
    score += _ASKED * (slot.key in wanted)
    if slot.role is not None and mention.role is not None:
        score += 1.0 if slot.role is mention.role else -1.0
    if slot.domains and turn.focus and slot.domains.isdisjoint(turn.focus):
        score -= _ELSEWHERE
    return score


def replied(slots: Sequence[Slot], evidence: Evidence, turn: Turn, wanted: Collection[str]) -> Iterator[Found]:
    """Yield the bare words of a reply for the one open-ended slot that was asked about."""
    open_ = [slot for slot in slots if slot.key in wanted and slot.kind in {Kind.PLACE, Kind.TEXT, Kind.PERSON}]
    if len(open_) != 1:
        return
    for part in turn.sentences:
        bounds = None if part.asks or _is_filler(low(evidence, part)) else short_answer(evidence.text, part)
        if bounds is not None:
            yield Found(open_[0], evidence.text[slice(*bounds)], *bounds, 0.7)
            return


def _is_filler(said: str) -> bool:
    return "matter" in said or "any " in said or "don't care" in said or any(c.isdigit() for c in said)
