"""Follow a chat message by message: what the lead states, answers, takes and agrees to."""

import re
from collections.abc import Iterator, Sequence

from adapters.models.extractive import areas, booleans, budgets, choices, moves, statements, visits
from adapters.models.extractive.dialogue import Stance, Turn, confirms, offers, reads_back, stance, turns
from adapters.models.extractive.interest import Interest
from adapters.models.extractive.lexicon import is_known
from adapters.models.extractive.mentions import Mention
from adapters.models.extractive.moments import moments
from adapters.models.extractive.people import people
from adapters.models.extractive.selection import Offers
from adapters.models.extractive.slots import Kind, Slot
from adapters.models.extractive.statements import Found
from adapters.models.extractive.things import is_thing, things
from adapters.models.extractive.values import Evidence
from adapters.models.extractive.visits import Visit, Visits

_DESCRIBES = re.compile(r"\b(?:it|there|that)(?:'s| is| has| are) (?:one|two|three|four|five|a|an)\b")
_DATED = frozenset({Kind.DATE, Kind.TIME})
_AGREEABLE = _DATED | {Kind.COUNT, Kind.PLACE, Kind.CHOICE}


class Chat:
    """One conversation being read for some slots."""

    def __init__(self, slots: Sequence[Slot], evidence: Evidence) -> None:
        self._slots = slots
        self._evidence = evidence
        self._turns = turns(evidence)
        self._placed: set[str] = set()
        self._people = people(self._turns)
        said = [turn.message.text for turn in self._turns if turn.by_lead]
        self._capitals = sum(text[0].isupper() for text in said) > len(said) / 2
        self._offers = Offers(slots, self._people)
        domains = frozenset[str]().union(*(slot.domains for slot in slots if slot.of_visit))
        self._visit = Visits(evidence, domains).follow(self._turns) if domains else Visit()
        self._interest = Interest(slots, evidence, self._visit, self._people)
        self._elsewhere: Mention | None = None

    def read(self) -> Iterator[Found]:
        """Yield values as they come up; a later one for the same slot overrides."""
        before: Turn | None = None
        for i, turn in enumerate(self._turns):
            if turn.by_lead:
                for found in self._hear(turn, before if before is not None and not before.by_lead else None):
                    if found.slot.kind is Kind.PLACE:
                        self._placed.add(found.slot.key)
                    yield found
            else:
                self._offers.note(self._evidence, turn)
            yield from self._interest.heard(i, turn)
            before = turn
        yield from self._came_of_it()

    def _came_of_it(self) -> Iterator[Found]:
        """Yield what was booked in the end; a day that was not agreed is taken back."""
        for slot in self._slots:
            found = visits.found(slot, self._evidence, self._visit) if slot.of_visit else None
            if found is not None:
                yield found
            elif (
                slot.kind is Kind.EVENT and (verdict := booleans.booked(slot, self._evidence, self._turns)) is not None
            ):
                yield verdict

    def _hear(self, turn: Turn, agent: Turn | None) -> Iterator[Found]:
        slots, evidence = self._slots, self._evidence
        wanted = statements.asked(slots, agent)
        if agent is not None and stance(turn) in {Stance.YES, Stance.OPEN}:
            yield from self._agreed(agent)
        taken = self._offers.taken(turn)
        yield from (found for found in taken if is_thing(found.value) or not self._is_the_leads_word(found.value))
        spoken = list(statements.stated(slots, evidence, turn, wanted, self._offers.names))
        spoken = [found for found in spoken if self._may_be_meant(turn, found)]
        spoken += areas.areas(slots, evidence, turn, agent, self._people)
        yield from spoken
        if not any(found.slot.kind is Kind.PLACE for found in spoken):
            yield from statements.replied(slots, evidence, turn, wanted)
        if not self._placed:
            yield from self._pointed_back(turn)
        yield from budgets.budgets(slots, evidence, turn, agent)
        yield from moves.moves(slots, evidence, turn, agent)
        yield from choices.chosen(slots, evidence, turn, wanted)
        if agent is not None:
            yield from booleans.answered(slots, turn, agent, wanted)
        yield from booleans.wished(slots, evidence, turn)

    def _is_named_otherwise(self, turn: Turn, one: Mention | Found) -> bool:
        """Whether it stands in a building's name or names a person."""
        start, end = turn.message.start, turn.message.start + len(turn.message.text)
        inside = any(t.start < one.end and one.start < t.end for t in things(self._evidence.text, start, end))
        return inside or not self._people.isdisjoint(one.value.lower().split())

    def _may_be_meant(self, turn: Turn, found: Found) -> bool:
        """Whether a place is one the lead wants, and an amount no part of a day's or a building's name."""
        if found.slot.kind is Kind.COUNT:
            start, end = turn.message.start, turn.message.start + len(turn.message.text)
            named = [(one.start, one.end) for one in moments(self._evidence.text, start, end)]
            named += [(one.start, one.end) for one in things(self._evidence.text, start, end)]
            return not any(first < found.end and found.start < past for first, past in named)
        if found.slot.kind is not Kind.PLACE:
            return found.slot.kind is not Kind.DATE or "move" not in found.slot.topics
        part = next(part for part in turn.sentences if part.start <= found.start < part.end)
        if found.value.islower() and (self._capitals or any(map(is_known, found.value.split()))):
            return False
        return not self._is_named_otherwise(turn, found) and not areas.spoken_of_only(self._evidence, part, found.start)

    def _is_the_leads_word(self, value: str) -> bool:
        """Whether the lead spoke of it first: then it is no name that an agent put on the table."""
        first = next((turn for turn in self._turns if value.lower() in turn.low), None)
        return first is not None and first.by_lead

    def _pointed_back(self, turn: Turn) -> Iterator[Found]:
        place = self._elsewhere
        if place is not None:
            for slot in statements.points_back(self._slots, turn):
                yield Found(slot, place.value, place.start, place.end, 0.5)
        named = statements.place_named(self._evidence, turn)
        self._elsewhere = named if named is not None and not self._is_named_otherwise(turn, named) else place

    def _agreed(self, agent: Turn) -> Iterator[Found]:
        """Yield what the agent put forward; liking a thing on offer is not agreeing to each of its details."""
        described = offers(agent)
        asks = any(part.asks for part in agent.sentences)
        if not (asks or confirms(agent)) or (described and self._offers.fresh and not reads_back(agent)):
            return
        kinds = _DATED if described else _AGREEABLE
        agreeable = [slot for slot in self._slots if slot.kind in kinds]
        asked = [(part.start, part.end) for part in agent.sentences if part.asks]
        plain = confirms(agent) and not _DESCRIBES.search(agent.low)
        for found in statements.stated(agreeable, self._evidence, agent, (), self._offers.names):
            put = plain or found.slot.kind in _DATED or any(a <= found.start < b for a, b in asked)
            if put and found.slot.key not in self._placed and self._may_be_meant(agent, found):
                yield found
        yield from choices.chosen(agreeable, self._evidence, agent, ())
