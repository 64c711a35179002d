"""Fill a fact schema from a conversation: what the lead wants or has agreed to, each value with its words."""

from collections.abc import Iterator, Sequence

from adapters.models.extractive import booleans, records, selection, statements
from adapters.models.extractive.dialogue import Stance, Turn, confirms, offers, reads_back, stance, turns
from adapters.models.extractive.slots import Kind, Slot, read_schema
from adapters.models.extractive.statements import Found
from adapters.models.extractive.values import Evidence, Fact, FactKey, span_of


def extract_facts(schema: Sequence[FactKey], evidence: Sequence[Evidence]) -> list[Fact]:
    """Return at most one fact per key, in the schema's order; what nobody said is left out."""
    slots = read_schema(schema)
    facts: dict[str, Fact] = {}
    for item in sorted(evidence, key=lambda one: one.kind == "chat"):
        for found in _read(slots, item):
            facts[found.slot.key] = _fact(found, item)
    return [facts[slot.key] for slot in slots if slot.key in facts]


def _fact(found: Found, item: Evidence) -> Fact:
    return Fact(found.slot.key, found.value, span_of(item, found.start, found.end), found.confidence)


def _read(slots: Sequence[Slot], item: Evidence) -> Iterator[Found]:
    if item.kind == "record":
        yield from records.fields(slots, item)
    elif item.kind == "chat":
        yield from _chat(slots, item, turns(item))


def _chat(slots: Sequence[Slot], item: Evidence, chat: Sequence[Turn]) -> Iterator[Found]:
    offered = selection.Offers(slots)
    before: Turn | None = None
    placed = False
    for i, turn in enumerate(chat):
        if turn.by_lead:
            said = list(_lead(slots, item, turn, before, offered))
            placed = placed or any(found.slot.kind is Kind.PLACE for found in said)
            if not placed:
                said += statements.recalled(slots, item, turn, chat[:i])
            yield from said
        else:
            offered.note(item, turn)
        before = turn
    yield from (
        found for slot in slots if slot.kind is Kind.EVENT for found in [booleans.booked(slot, item, chat)] if found
    )


def _lead(
    slots: Sequence[Slot], item: Evidence, turn: Turn, before: Turn | None, offered: "selection.Offers"
) -> Iterator[Found]:
    wanted = statements.asked(slots, before)
    agent = before if before is not None and not before.by_lead else None
    if agent is not None and stance(turn) in {Stance.YES, Stance.OPEN}:
        yield from _agreed(slots, item, agent, offered)
    yield from offered.taken(turn)
    spoken = list(statements.stated(slots, item, turn, wanted, offered.names))
    yield from spoken
    if not any(found.slot.kind is Kind.PLACE for found in spoken):
        yield from statements.replied(slots, item, turn, wanted)
    if agent is not None:
        yield from booleans.answered(slots, turn, agent, wanted)
    yield from booleans.wished(slots, item, turn)


_DATED = frozenset({Kind.DATE, Kind.TIME})
_AGREEABLE = frozenset({Kind.DATE, Kind.TIME, Kind.COUNT, Kind.PLACE, Kind.CHOICE})


def _agreed(slots: Sequence[Slot], item: Evidence, agent: Turn, offered: selection.Offers) -> Iterator[Found]:
    if not confirms(agent) or (offers(agent) and not reads_back(agent)):
        return
    described = offers(agent)
    agreeable = [
        slot for slot in slots if slot.kind in (_DATED if described else _AGREEABLE) or "budget" in slot.topics
    ]
    yield from statements.stated(agreeable, item, agent, (), offered.names)
