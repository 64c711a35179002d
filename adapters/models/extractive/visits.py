"""Follow an appointment through a chat: proposed, countered, agreed, moved, called off or never answered."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from adapters.models.extractive.dialogue import Sentence, Stance, Turn, low, reports_failure, reports_success, stance
from adapters.models.extractive.moments import Moment, moments
from adapters.models.extractive.occasions import Occasion, occasion
from adapters.models.extractive.slots import Kind, Slot
from adapters.models.extractive.statements import Found
from adapters.models.extractive.text import bag
from adapters.models.extractive.values import Evidence

_RECENT = 6
_SEES = re.compile(
    r"\b(?:see (?:it|them|this|that|the|both|one|you)|sees? it|come (?:and |to |over|by|round)|can i come|look at|"
    r"show (?:you|me|it|us)|views?|viewings?|visit\w*|tours?|appointment|inspect\w*|in the diary|book you in|"
    r"go see|are you free|"
    r"still on for|meet (?:you|me|us)|(?:have|take|fancy) a look|pop (?:in|by|round|over))\b"
)
_CANCELS = re.compile(
    r"\b(?:cancel\w*|call(?:ed|ing)? (?:it )?off|(?:don't|dont|do not|not) (?:\w+ )?(?:book|schedule|arrange)\w*|"
    r"no (?:visits?|viewings?)|not visiting|put nothing in the diary|(?:bought|found|chose|went with) (?:an?other|"
    r"something else)|take me off|no longer (?:interested|looking)|won't (?:be coming|come)|"
    r"changed my mind about (?:visiting|coming))\b"
)
_DECLINES = re.compile(r"\b(?:not (?:now|yet|interested|today|this time)|no,? thanks?|no thank you)\b")
_MOVES = re.compile(
    r"\b(?:move|reschedul\w*|postpone|push (?:it|back)|(?:doesn't|does not|doesnt|can't|cannot|cant|"
    r"won't) (?:work|make|do|"
    r"come)|instead|must work|sorry|soz|can we do|another (?:day|time)|not the \d)"
)
HEDGES = re.compile(
    r"\b(?:maybe|perhaps|let (?:you|u) know|(?:i'?ll|i will|will) (?:call|ring|text|msg|message|confirm|get back|"
    r"check|ask|see|think)|confirm (?:you|u) |not sure|need to (?:think|check|ask)|think about|let me (?:think|"
    r"check|ask|"
    r"speak)|can't|cant|cannot|would have to|have to (?:talk|ask|check))\b"
)
_PROPOSES = re.compile(
    r"\b(?:shall (?:we|i)|how about|what about|would|could (?:you|we)|(?:i|we|they) (?:only )?(?:have|can do)|"
    r"available|"
    r"please confirm|(?:to|just|just to) (?:confirm|review|check)|checking|slots?|suits? you|want to|we can do)\b"
)
_NOT_ON = re.compile(r"\b(?:until|till|since|from|before|after|between|by|not|than|last|except)(?: the| on)? $")
_AFFIRMS = re.compile(
    r"^(?:yes|ok|okay|sure|of course|done|perfect|great|works|no problem|booked|confirmed|see you|absolutely|fine|"
    r"that works|certainly|will do|noted|lovely)\b|\b(?:in the diary|see you (?:then|there)|works|booked|confirmed)\b"
)
_MISSED = re.compile(r"\b(?:waited|missed|no.show|didn't (?:come|show|turn up)|nobody came)\b")
_NOT_THEN = re.compile(
    r"^not |\b(?:impossible|not possible|no good|busy|away|unfortunately|won't|doesn't|isn't|booked up|another day)\b"
)
_ANSWERS = re.compile(
    r"^\W*(?:(?:hi|hello|hey|ah|oh|ooh)\W+(?:\w+\W+)?)?(?:yes|yep|yeah|ye|si|s\u00ed|oui\w*|ok|okay|sure|perfect|"
    r"great|sounds?|aye|booked|agreed|confirmed)\b"
)


@dataclass(frozen=True, slots=True)
class Visit:
    """What came of a chat's appointment: its moment when one stands, the words that call it off, where it was said."""

    moment: Moment | None = None
    agreed: tuple[int, int] | None = None
    denied: tuple[int, int] | None = None
    turn: int = -1


def found(slot: Slot, evidence: Evidence, visit: Visit) -> Found | None:
    """Return what an appointment says for a slot of it; an empty value takes back what was found before."""
    if visit.moment is not None and visit.agreed is not None:
        if slot.kind is Kind.EVENT:
            return Found(slot, "true", *visit.agreed, 0.9)
        start, end = visit.moment.start, visit.moment.end
        if "time" not in slot.told:
            start, end = visit.moment.day_start, visit.moment.day_end
        return Found(slot, evidence.text[start:end], start, end, 0.9)
    if slot.kind is Kind.EVENT:
        return Found(slot, "false", *visit.denied, 0.85) if visit.denied is not None else None
    return Found(slot, "", 0, 0, 0.0) if visit.denied is not None or not _AGREED.isdisjoint(slot.told) else None


_AGREED = bag("agreed booked scheduled confirmed arranged fixed set")


class Visits:
    """The appointment of one chat, message by message."""

    def __init__(self, evidence: Evidence, domains: frozenset[str] = frozenset()) -> None:
        self._evidence = evidence
        self._domains = domains
        self._elsewhere = False
        self._proposed: list[tuple[Moment, Sentence]] = []
        self._wanted: tuple[Moment, Sentence] | None = None
        self._shaky = False
        self._context = -_RECENT - 1
        self._visit = Visit()

    def follow(self, chat: Sequence[Turn]) -> Visit:
        """Read the chat to its end and return what stands."""
        for i, turn in enumerate(chat):
            if _SEES.search(turn.low) or "visit" in turn.about:
                self._context = i
            if not turn.by_lead:
                self._elsewhere = self._leaves(turn)
            if not self._elsewhere:
                (self._lead if turn.by_lead else self._agent)(i, turn)
        if self._shaky and self._visit.moment is not None:
            return Visit()
        return self._visit

    def _leaves(self, turn: Turn) -> bool:
        """Whether the talk has gone to another thing that can be booked."""
        own = turn.about & (self._domains | {"visit"})
        return not own and (self._elsewhere or bool(turn.about & _BOOKABLE - self._domains))

    def _lead(self, i: int, turn: Turn) -> None:
        own = list(self._moments(turn))
        denial = self._sentence(turn, _CANCELS)
        if denial is None and self._visit.moment is None and not own and i - self._context <= 1:
            denial = self._sentence(turn, _DECLINES)
        if denial is not None:
            if self._visit.moment is not None or i - self._context <= _RECENT:
                self._visit = Visit(denied=(denial.start, denial.end))
            self._proposed, self._wanted, self._context = [], None, -_RECENT - 1
            return
        if self._visit.moment is not None and _MOVES.search(turn.low):
            self._shaky = self._shaky or not any(m.agrees_with(self._visit.moment) for m, _ in own if m.timed)
        elif self._visit.moment is not None and own and self._visit.turn == i - 1:
            self._shaky = not any(m.agrees_with(self._visit.moment) for m, _ in own)
        if self._proposed:
            self._reply(i, turn, own)
        elif own and i - self._context <= _RECENT and self._occasion(*own[-1]) is not Occasion.OTHER:
            self._wanted = own[-1]

    def _reply(self, i: int, turn: Turn, own: list[tuple[Moment, Sentence]]) -> None:
        hedged = HEDGES.search(turn.low)
        for mine, part in own:
            for proposed, _ in self._proposed:
                if mine.agrees_with(proposed) and not hedged and not _NOT_THEN.search(low(self._evidence, part)):
                    self._settle(i, proposed if proposed.definite else mine, part)
                    return
        if own:
            self._wanted, self._proposed = own[-1], []
            return
        if hedged or (turn.sentences and all(part.asks for part in turn.sentences)):
            return
        said_yes = bool(_ANSWERS.search(turn.low)) or stance(turn) is Stance.YES
        brief = sum(len(part.tokens) for part in turn.sentences) <= _FEW
        if len(self._proposed) == 1 and (said_yes or (brief and stance(turn) is Stance.OPEN)):
            self._settle(i, *self._proposed[0])

    def _agent(self, i: int, turn: Turn) -> None:
        standing = bool(self._proposed) or self._wanted is not None or self._visit.moment is not None
        self._proposed = []
        if _MISSED.search(turn.low) or "cancelled" in turn.low:
            self._visit = Visit(denied=self._visit.denied)
            self._wanted = None
            return
        found = list(self._moments(turn))
        if not found and i - self._context <= _RECENT and reports_failure(turn.low):
            failed = next((part for part in turn.sentences if reports_failure(low(self._evidence, part))), None)
            self._visit = Visit(denied=(failed.start, failed.end)) if failed is not None else Visit()
        for moment, part in found:
            if not moment.definite and "?" in turn.low and self._occasion(moment, part) is not Occasion.OTHER:
                self._proposed.append((moment, part))
            else:
                self._weigh(i, moment, part, standing=standing or i - self._context <= 1)
        if not found and self._wanted is not None:
            self._answered(i, turn)
        if found:
            self._wanted = None

    def _weigh(self, i: int, moment: Moment, part: Sentence, *, standing: bool) -> None:
        said = low(self._evidence, part)
        what = self._occasion(moment, part)
        if what is Occasion.OTHER or reports_failure(said):
            return
        meets = self._wanted is not None and moment.agrees_with(self._wanted[0])
        if (part.asks or _PROPOSES.search(said)) and not (meets and not part.asks):
            if i - self._context <= _RECENT or standing or moment.timed:
                self._proposed.append((moment, part))
        elif meets or (moment.definite and what is not Occasion.UNTOLD and (standing or reports_success(said))):
            self._settle(i, moment, part)

    def _answered(self, i: int, turn: Turn) -> None:
        wanted = self._wanted
        if wanted is not None and _AFFIRMS.search(turn.low) and not reports_failure(turn.low) and "?" not in turn.low:
            self._settle(i, *wanted)

    def _settle(self, i: int, moment: Moment, part: Sentence) -> None:
        self._visit = Visit(moment, (part.start, part.end), None, i)
        self._proposed, self._wanted, self._shaky = [], None, False

    def _occasion(self, moment: Moment, part: Sentence) -> Occasion:
        return occasion(low(self._evidence, part), moment.start - part.start, moment.end - part.start)

    def _sentence(self, turn: Turn, cue: re.Pattern[str]) -> Sentence | None:
        return next((part for part in turn.sentences if cue.search(low(self._evidence, part))), None)

    def _moments(self, turn: Turn) -> Iterator[tuple[Moment, Sentence]]:
        text = self._evidence.text
        for part in turn.sentences:
            for moment in moments(text, part.start, part.end):
                if not _NOT_ON.search(text[max(part.start, moment.start - 16) : moment.start].lower()):
                    yield moment, part


_FEW = 8
_BOOKABLE = bag("restaurant hotel vehicle ride flight medical salon")
