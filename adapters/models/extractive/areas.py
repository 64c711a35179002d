"""Where a lead wants to be: what tells a wanted place from one that is only spoken of, or from a person."""

import re
from collections.abc import Collection, Iterator, Sequence

from adapters.models.extractive.dialogue import Sentence, Turn, low
from adapters.models.extractive.lexicon import COMMON_WORDS
from adapters.models.extractive.slots import Kind, Role, Slot
from adapters.models.extractive.statements import Found, in_focus
from adapters.models.extractive.text import bag
from adapters.models.extractive.things import things
from adapters.models.extractive.values import Evidence

_CAP = r"[A-Z\u00c0-\u00de][\w\u2019'-]{1,30}"
_NAME = rf"{_CAP}(?: {_CAP}){{0,2}}"
_NAMES = rf"(?P<place>{_NAME})(?: (?:or|and) {_NAME})?"
_INTRODUCED = re.compile(
    rf"\b(?:(?:want|wants|wanted|prefer|prefers|preferred|choose|thinking of|consider|considering|look at|"
    rf"looking at|looking for|search(?:ing)?|only|go for|tell (?:him|her|them)|maybe|rather|en|em|w|"
    rf"in der N\u00e4he von) )"
    rf"(?:in |at |the )?{_NAMES}"
)
_FOLLOWED = re.compile(
    rf"(?P<place>{_NAME})(?: (?:or|and) {_NAME})?(?= (?:preferred|it is\b|is (?:best|ideal|fine|perfect|good|"
    rf"where)|yes\b|"
    rf"please\b|then\b|only\b|would be|if possible|or nearby))"
)
_FRAGMENT = re.compile(rf"(?:^|[:,.] ){_NAMES}(?=, |\.$|\.? |$)")
_ASKS_WHERE = re.compile(r"\b(?:where|which (?:area|part|town|city|district|neighbou?rhood)|what area|whereabouts)\b")
_SPEAKS_OF_HOMES = bag("bed bath home")
_LOWER = re.compile(
    r"\b(?:flat|house|home|apartment|place|studio|property|bed)s? (?:in |around |near )?"
    r"(?P<place>[a-z]{3,30} (?:quarter|"
    r"district|village|heights|park|hill|bay|beach|valley|town|side|centre|center|gate))\b"
)
_NOT_WANTED_BEFORE = re.compile(
    r"\b(?:forget|not|no|except|at|of|instead of|rather than|can't afford|than|leave|leaving|from|without|against|"
    r"over)(?: the)?\W*$"
)
_NOT_WANTED_AFTER = re.compile(r"^,? (?:no (?:more|longer|way|thanks)|is (?:out|too|not)|isn't|then it's|instead of)\b")
_ONLY_SPOKEN_OF = re.compile(
    r"\b(?:(?:was|were|been|born|flooded|we're|i'm|am|currently|now|rented|lived?|lives)(?: \w+)? in (?:the )?|"
    r"(?:(?:our|my) (?:house|home|flat|place|own|old)|at (?:my|his|her|our)|nans?|gran|parents|work(?:s|ing)?|"
    r"stud(?:y|ies)|sister|brother|colleague|partner|friend|mother|father|mum|mom|dad|son|daughter|cousin|boss|office|"
    r"bank|boys|girls|kids|school|starts?|flight|hotel|writing|whole|part)\b[^.,;!?]{0,24})$"
)
_LIVE_THERE = re.compile(r"\b(?:want|like|love|hope|plan|prefer|need|looking|rather)\b[^.,;]{0,24}\blive in (?:the )?$")
_REACH = 60


def spoken_of_only(evidence: Evidence, part: Sentence, start: int) -> bool:
    """Whether the words before a place say that somebody is or was there, not that the lead wants to be."""
    before = _before(evidence, part, start)
    if _LIVE_THERE.search(before):
        return False
    return bool(_NOT_WANTED_BEFORE.search(before) or _ONLY_SPOKEN_OF.search(before))


def not_wanted(evidence: Evidence, part: Sentence, start: int, end: int) -> bool:
    """Whether a place is named to be ruled out."""
    after = evidence.text[end : end + _REACH].lower().replace("\u2019", "'")
    return bool(_NOT_WANTED_BEFORE.search(_before(evidence, part, start)) or _NOT_WANTED_AFTER.match(after))


def _before(evidence: Evidence, part: Sentence, start: int) -> str:
    return evidence.text[max(part.start, start - _REACH) : start].lower().replace("\u2019", "'")


def areas(
    slots: Sequence[Slot], evidence: Evidence, turn: Turn, agent: Turn | None, persons: Collection[str]
) -> Iterator[Found]:
    """Yield the places a lead wants that no preposition marks ("Northgate it is", "she wants Elm Park")."""
    wanted = [
        slot for slot in slots if slot.kind is Kind.PLACE and slot.role is not Role.END and "home" in slot.domains
    ]
    if not wanted or not in_focus(wanted[0], turn):
        return
    asked = agent is not None and any(part.asks and _ASKS_WHERE.search(low(evidence, part)) for part in agent.sentences)
    for part in turn.sentences:
        taken = [(one.start, one.end) for one in things(evidence.text, part.start, part.end)]
        forms = [_FOLLOWED, _INTRODUCED, _LOWER]
        if asked or _SPEAKS_OF_HOMES & part.about:
            forms.append(_FRAGMENT)
        for form in forms:
            for match in form.finditer(evidence.text, part.start, part.end):
                start, end = match.span("place")
                apart = not any(a < end and start < b for a, b in taken)
                if apart and _is_place(match["place"], persons) and not not_wanted(evidence, part, start, end):
                    taken.append((start, end))
                    yield from (Found(slot, match["place"], start, end, 0.75) for slot in wanted)


def _is_place(value: str, persons: Collection[str]) -> bool:
    words = value.lower().replace("\u2019", "'").split()
    named = any(word not in COMMON_WORDS and "'" not in word for word in words)
    return named and words[0] not in COMMON_WORDS - _MAY_OPEN and not any(word in persons for word in words)


_MAY_OPEN = bag("old new east west north south upper lower saint port green golden royal big little great")
