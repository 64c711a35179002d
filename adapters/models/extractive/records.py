"""Read a CRM record: `key: value` lines, matched to slots by what their keys speak of."""

import re
from collections.abc import Iterator, Sequence

from adapters.models.extractive.lexicon import concepts
from adapters.models.extractive.slots import Kind, Slot
from adapters.models.extractive.statements import Found
from adapters.models.extractive.values import Evidence

_FIELD = re.compile(r"^[ \t]*([A-Za-z][\w .-]{0,60}?)[ \t]*:[ \t]*(\S[^\n]*)$", re.MULTILINE)
_SPLIT = re.compile(r"[^A-Za-z]+")


def fields(slots: Sequence[Slot], evidence: Evidence) -> Iterator[Found]:
    """Yield each field whose key speaks of a slot's topics and nothing else does."""
    for match in _FIELD.finditer(evidence.text):
        words = [word.lower() for word in _SPLIT.split(match.group(1)) if word]
        about = frozenset(concepts(words))
        for slot in slots:
            if slot.kind is not Kind.EVENT and (slot.key.lower() == match.group(1).lower() or _same(slot, about)):
                value = match.group(2).rstrip()
                yield Found(slot, value, match.start(2), match.start(2) + len(value), 0.6)


def _same(slot: Slot, about: frozenset[str]) -> bool:
    return bool(slot.topics) and slot.topics == about
