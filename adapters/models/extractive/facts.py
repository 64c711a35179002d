"""Fill a fact schema from a conversation: what the lead wants or has agreed to, each value with its words."""

from collections.abc import Iterator, Sequence

from adapters.models.extractive import records
from adapters.models.extractive.chats import Chat
from adapters.models.extractive.slots import Slot, read_schema
from adapters.models.extractive.statements import Found
from adapters.models.extractive.values import Evidence, Fact, FactKey, span_of


def extract_facts(schema: Sequence[FactKey], evidence: Sequence[Evidence]) -> list[Fact]:
    """Return at most one fact per key, in the schema's order; what nobody said is left out.

    What was said in a chat overrides a record's field, and what was said later overrides what was said before;
    what is said again keeps its first quote.
    """
    slots = read_schema(schema)
    facts: dict[str, Fact] = {}
    for item in sorted(evidence, key=lambda one: one.kind == "chat"):
        for found in _read(slots, item):
            told = facts.get(found.slot.key)
            if told is not None and (told.value, told.span.artifact_id) == (found.value, item.artifact_id):
                continue
            if found.value:
                facts[found.slot.key] = _fact(found, item)
            else:
                facts.pop(found.slot.key, None)
    return [facts[slot.key] for slot in slots if slot.key in facts]


def _fact(found: Found, item: Evidence) -> Fact:
    return Fact(found.slot.key, found.value, span_of(item, found.start, found.end), found.confidence)


def _read(slots: Sequence[Slot], item: Evidence) -> Iterator[Found]:
    if item.kind == "record":
        yield from records.fields(slots, item)
    elif item.kind == "chat":
        yield from Chat(slots, item).read()
