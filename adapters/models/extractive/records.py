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
        words = _words(match.group(1))
        about = frozenset(concepts(words))
        for slot in slots:
            if slot.kind is not Kind.EVENT and (_words(slot.key) == words or slot.topics == about):
                written = match.group(2).rstrip()
                value = _spelled(slot, written)
                if value is not None:
                    yield Found(slot, value, match.start(2), match.start(2) + len(written), 0.6)


_YES_NO = {"yes": "true", "y": "true", "no": "false", "n": "false"}


def _spelled(slot: Slot, written: str) -> str | None:
    """Return a field's value as the slot spells it; None when it is none of a closed set."""
    if not slot.values:
        return written
    meant = {written.lower(), _YES_NO.get(written.lower(), "")}
    return next((value for value in slot.values if value.lower() in meant), None)


def _words(name: str) -> list[str]:
    return [word.lower() for word in _SPLIT.split(name) if word]
