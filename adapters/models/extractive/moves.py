"""When a lead wants to move in: a day, a month or a feast beside words of moving, or in answer to the question."""

import re
from collections.abc import Iterator, Sequence

from adapters.models.extractive.dialogue import Sentence, Turn, low
from adapters.models.extractive.moments import DAY_FORMS, MONTH
from adapters.models.extractive.slots import Kind, Slot
from adapters.models.extractive.statements import Found
from adapters.models.extractive.values import Evidence

_WHEN = (
    r"(?:(?:before|after|end of|early|mid|late|beginning of|start of)[ -](?:the )?)*"
    rf"(?:{DAY_FORMS}|(?:next |this )?(?:christmas|xmas|easter|spring|summer|autumn|winter|fall|new year)\b|"
    rf"{MONTH}(?: 20\d\d)?|(?:next|this) (?:month|week|year)\b|in (?:a|one|two|three|four|six|\d{{1,2}}) (?:weeks?|"
    rf"months?)\b|"
    r"asap\b|as soon as possible|immediately)"
)
_FIND = re.compile(rf"(?<!\w){_WHEN}", re.IGNORECASE)
_SPEAKS = re.compile(
    r"\b(?:mov(?:e|ing|ed)[ -](?:in\b|there|to [a-z]+|date|by|on|before|around)|(?:be|get|settle) in\b(?! (?:the|"
    r"a|touch|time))|"
    r"in no (?:hurry|rush)|relocat\w+|need\w* [^.?!]{0,80}\bby\b|not in (?:a|any) (?:hurry|rush)|keys by|(?:lease|"
    r"contract|tenancy) (?:starts?|begins?|ends?|from)|"
    r"start(?:ing)?(?= (?:in |on |from )?(?:\d|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)))"
)
_NOT_OURS = re.compile(
    r"\b(?:school|primary|nursery|job|eldest|youngest|son|daughter|he|she|tenant|landlord|sellers?)\b"
)
_ASKS = re.compile(
    r"\bwhen\b.{0,40}\b(?:move|moving|in by|be in|start)|\bmove[- ]in date|\bhow soon\b|\btimescale|"
    r"\bwhat date would you move"
)
_FITS = re.compile(r"^ (?:would (?:be|suit)|works|is (?:fine|ideal|best))\b")


def moves(slots: Sequence[Slot], evidence: Evidence, turn: Turn, agent: Turn | None) -> Iterator[Found]:
    """Yield the day for the slots that ask when the lead moves."""
    wanted = [slot for slot in slots if slot.kind is Kind.DATE and "move" in slot.topics]
    if not wanted:
        return
    asked = agent is not None and bool(_ASKS.search(agent.low))
    speaks = bool(_SPEAKS.search(turn.low))
    for part in turn.sentences:
        span = _when(evidence, part, asked=asked, speaks=speaks)
        if span is not None:
            yield from (Found(slot, evidence.text[slice(*span)], *span, 0.8) for slot in wanted)


def _when(evidence: Evidence, part: Sentence, *, asked: bool, speaks: bool) -> tuple[int, int] | None:
    said = low(evidence, part)
    if (part.asks and not asked) or _NOT_OURS.search(said):
        return None
    here = _SPEAKS.search(said)
    for match in _FIND.finditer(evidence.text, part.start, part.end):
        follows = here is not None and match.start() - part.start >= here.start()
        if asked or follows or (speaks and _FITS.match(evidence.text[match.end() : match.end() + 20])):
            start, end = match.span()
            while evidence.text[end - 1] in " .,":
                end -= 1
            return start, end
    return None
