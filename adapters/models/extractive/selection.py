"""Follow what the agent puts on the table by name, and which of it the lead takes."""

import re
from collections import deque
from collections.abc import Collection, Iterator, Sequence

from adapters.models.extractive.dialogue import Sentence, Stance, Turn, accepts_offer, confirms, offers, stance
from adapters.models.extractive.lexicon import COMMON_WORDS, DOMAINS, concept
from adapters.models.extractive.mentions import Mention, mentions
from adapters.models.extractive.slots import Kind, Slot
from adapters.models.extractive.statements import Found
from adapters.models.extractive.text import bag
from adapters.models.extractive.values import Evidence
from adapters.models.extractive.visits import HEDGES

_REMEMBERED = 64


class Offers:
    """The names offered so far in one chat and the one now on the table, for the slots that want a name."""

    def __init__(self, slots: Sequence[Slot], persons: Collection[str] = ()) -> None:
        self._slots = [slot for slot in slots if slot.kind is Kind.NAME]
        self._persons = frozenset(persons)
        self._current: dict[str, Mention] = {}
        self.names: deque[str] = deque(maxlen=_REMEMBERED)
        self.fresh = False

    def note(self, evidence: Evidence, turn: Turn) -> None:
        """Take in an agent's message: the name it describes or reads back is now on the table."""
        self.fresh = False
        if not (offers(turn) or confirms(turn)):
            return
        for slot in self._slots:
            if slot.domains and turn.focus and slot.domains.isdisjoint(turn.focus):
                continue
            best = max(
                (
                    (_likeness(evidence, part, one, self.names), -one.start, one)
                    for part in turn.sentences
                    for one in mentions(evidence.text, part)
                    if one.kind is Kind.NAME and self._is_name(evidence, part, one)
                ),
                default=None,
                key=lambda scored: scored[:2],
            )
            if best is not None and best[0] > 0:
                known = best[2].value.lower() in self.names
                if slot.key in self._current and not known and not offers(turn):
                    continue
                self._current[slot.key] = best[2]
                self.names.append(best[2].value.lower())
                self.fresh = True

    def _is_name(self, evidence: Evidence, part: Sentence, one: Mention) -> bool:
        """Whether a run of capitals names a thing: no person, no greeting, no word that only opens its sentence."""
        words = one.value.lower().split()
        if words[0] in _GREETS or not self._persons.isdisjoint(words) or _IS_GONE.match(evidence.text[one.end :][:60]):
            return False
        following = evidence.text[one.end : one.end + 3]
        return (
            len(words) > 1
            or one.start > part.start
            or not following.startswith((" ", ":"))
            or (evidence.text[one.end : one.end + 14].lstrip().startswith(_DESCRIBED))
        )

    def taken(self, turn: Turn) -> Iterator[Found]:
        """Yield the name on the table when the lead takes it; asking for others clears the table."""
        if stance(turn) is Stance.OTHER:
            self._current.clear()
        elif self._current and accepts_offer(turn) and not HEDGES.search(turn.low):
            for slot in self._slots:
                one = self._current.get(slot.key)
                if one is not None:
                    yield Found(slot, one.value, one.start, one.end, 0.9)


def _likeness(evidence: Evidence, part: Sentence, one: Mention, known: Collection[str]) -> float:
    if one.value.lower() in known:
        return 3.0
    words = one.value.lower().split()
    score = 1.0 if set(words) - COMMON_WORDS else -2.0
    following = evidence.text[one.end : one.end + 14].lower()
    score += 1.0 if following.lstrip(" ,").startswith(_DESCRIBED) else 0.0
    leading = evidence.text[max(part.start, one.start - 8) : one.start].lower()
    score += 0.5 if leading.endswith(("called ", "named ", "the ", "is ", "to ", "at ")) else 0.0
    score -= 1.5 if leading.endswith(" in ") else 0.0
    kind = any(concept(word) in DOMAINS for word in words)
    return score + 1.0 * kind + 0.5 * bool(DOMAINS.intersection(one.near)) + 0.25 * (len(words) > 1)


_GREETS = bag("hi hello hey dear good morning afternoon evening hola ciao bonjour hallo salut mr mrs ms")
_IS_GONE = re.compile(r"^[^.!?]{0,30}\b(?:reserved|sold|under offer|gone)\b")
_DESCRIBED = ("at ", "is ", "located", "has ", "on ", "for ", "in ", "offers", "with ", "which ", "that ")
