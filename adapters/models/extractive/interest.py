"""Which of the buildings and addresses a chat names is the one the lead asks about, takes or goes to see."""

import re
from collections.abc import Collection, Iterator, Sequence

from adapters.models.extractive.dialogue import Stance, Turn, stance
from adapters.models.extractive.slots import Kind, Slot
from adapters.models.extractive.statements import Found
from adapters.models.extractive.things import Thing, named, things
from adapters.models.extractive.values import Evidence
from adapters.models.extractive.visits import HEDGES, Visit

_RULED_OUT_BEFORE = re.compile(
    r"\b(?:against|instead of|forget|not|no longer|rather than|isn't|than|except|didn't like|gave up|turned down|"
    r"unlike|near|next to|opposite|behind)\b[^,;]{0,24}$"
)
_RULED_OUT_AFTER = re.compile(r"^,? (?:no more|no longer|is out|isn't|is not|was|not)\b")
GONE = re.compile(
    r"\b(?:reserved|sold|under offer|gone|an offer on|off the market|let agreed|(?:doesn't|does not) (?:allow|take))\b"
)
_REACH = 40
_KNOWN = 64


class Interest:
    """The thing a lead is after, message by message, for the slots that want the name of a home."""

    def __init__(self, slots: Sequence[Slot], evidence: Evidence, visit: Visit, persons: Collection[str]) -> None:
        self._slots = [slot for slot in slots if slot.kind is Kind.NAME and "home" in slot.domains]
        self._addresses = all(slot.kind is not Kind.ADDRESS for slot in slots)
        self._evidence = evidence
        self._visit = visit
        self._persons = persons
        self._known: list[Thing] = []
        self._offered: list[Thing] = []

    def heard(self, i: int, turn: Turn) -> Iterator[Found]:
        """Take in one message and yield the thing that the lead is after from here on, when it says so."""
        if not self._slots:
            return
        start = turn.message.start
        here = [
            thing
            for thing in things(self._evidence.text, start, start + len(turn.message.text))
            if self._is_thing(thing)
        ]
        chosen = self._asked_for(turn, here) if turn.by_lead else None
        if not turn.by_lead:
            self._offered = [thing for thing in here if not self._is_gone(thing)] or self._offered
        if i == self._visit.turn:
            shown = here or self._offered
            chosen = shown[-1] if shown else chosen
        if chosen is not None:
            self._offered = []
        self._known = (self._known + here)[-_KNOWN:]
        if chosen is not None:
            for slot in self._slots:
                yield Found(slot, chosen.value, chosen.start, chosen.end, 0.8)

    def _is_gone(self, thing: Thing) -> bool:
        return bool(GONE.search(self._evidence.text[thing.end : thing.end + 2 * _REACH].lower().partition(".")[0]))

    def _is_thing(self, thing: Thing) -> bool:
        if not self._addresses and thing.is_address:
            return False
        return bool(thing.keys) and thing.keys.isdisjoint(self._persons)

    def _asked_for(self, turn: Turn, here: Sequence[Thing]) -> Thing | None:
        wanted = [thing for thing in here if not self._is_ruled_out(turn, thing.start, thing.end)]
        if wanted:
            return wanted[-1] if len({thing.keys for thing in wanted}) == 1 else None
        words = frozenset(
            token.lower
            for part in turn.sentences
            for token in part.tokens
            if not self._is_ruled_out(turn, token.start, token.end)
        )
        meant = named(self._known, words | _joined(turn)) if not here else None
        if meant is not None:
            return meant
        distinct = {thing.keys for thing in self._offered}
        agrees = stance(turn) is Stance.YES and not HEDGES.search(turn.low) and not _only_asks(turn)
        return self._offered[-1] if agrees and len(distinct) == 1 and self._fresh(turn) else None

    def _fresh(self, turn: Turn) -> bool:
        """Whether the thing offered was named in the message just answered."""
        text = self._evidence.text
        return "\n" not in text[self._offered[-1].end : turn.message.start].rstrip("\n").partition("\n")[2]

    def _is_ruled_out(self, turn: Turn, start: int, end: int) -> bool:
        text = self._evidence.text
        before = text[max(turn.message.start, start - _REACH) : start].lower().replace("\u2019", "'")
        return bool(_RULED_OUT_BEFORE.search(before) or _RULED_OUT_AFTER.search(text[end : end + _REACH].lower()))


def _only_asks(turn: Turn) -> bool:
    return bool(turn.sentences) and all(part.asks for part in turn.sentences)


def _joined(turn: Turn) -> frozenset[str]:
    """Return words of digits and a letter ("11A"), which are read as two."""
    return frozenset(word.strip(".,?!").lower() for word in turn.message.text.split() if word[0].isdigit())
