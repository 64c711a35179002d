"""Who is spoken of by name in a chat: a person's name is neither a place nor a home, however capital its letters."""

import re
from collections.abc import Iterator, Sequence

from adapters.models.extractive.dialogue import Turn
from adapters.models.extractive.lexicon import COMMON_WORDS
from adapters.models.extractive.text import bag
from adapters.models.extractive.things import is_building

_CAP = r"[A-Z\u00c0-\u00de][\w\u2019'-]+"
_FULL = rf"{_CAP}(?: {_CAP})?"
_KIN = (
    r"wife|husband|partner|daughter|son|sister|brother|mother|father|mum|mom|dad|friend|boyfriend|girlfriend|"
    r"colleague|boss|agent|cousin|aunt|uncle|kids?|eldest|youngest"
)
_SPEAKS = (
    r"says?|said|asks?|asked|thinks?|wants?|told|loves?|likes?|hates?|works?|can|could|will|and the (?:boys|"
    r"girls|kids|children)|is (?:coming|home|here|happy)|has(?! (?:\d|a |two|three|been))"
)
_FIRM = (
    rf"(?:{_CAP} ){{1,3}}(?:Homes|Estates?|Estate Agents|Lettings|Propert(?:y|ies)|Realt(?:y|ors)|Real Estate|"
    rf"Residential|Agency|Group|Partners|Team|Ltd|Inc|LLC)"
)
_DAYS = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_ACTS = re.compile(rf"\b({_CAP}) (?:{_SPEAKS})\b")
_SIGNED = re.compile(rf"[.!?\U0001f300-\U0001faff)] ?({_CAP}(?: {_CAP}){{0,2}})\.?$")
_NAMED = (
    re.compile(
        rf"(?:^|[.!?,;] )(?:(?:(?i:hi|hello|hey|dear|good (?:morning|afternoon|evening)|morning|afternoon|evening|"
        rf"thanks|"
        rf"thank you|hola|bonjour|ciao|hallo|salut|ol\u00e1|boa tarde|buenas|welcome|sorry|mr|mrs|ms|dr|miss)"
        rf"\b(?: again)?,? ))+({_FULL})"
    ),
    re.compile(rf"\b({_FULL})(?:,)? (?:here|speaking|writing|(?:of|from|at|with) {_FIRM})\b"),
    re.compile(rf"(?:^|[.!?] )({_FULL}) (?:calling |writing )?from (?!{_DAYS}){_CAP}"),
    re.compile(
        rf"\b(?:[Tt]his is|[Ii]t[\u2019']s|I[\u2019']m|I am|am|[Mm]y name is|soy|here is) ({_FULL})(?=[ ,.!]|$)"
    ),
    re.compile(rf"\b(?i:{_KIN}),? ({_CAP})"),
    re.compile(rf"\b(?:Mr|Mrs|Ms|Miss|Dr|Sir|Madam)\.? ({_FULL})"),
    _ACTS,
    re.compile(rf"(?:^|[.!?] )({_CAP}) and {_CAP} (?:{_SPEAKS})\b"),
    re.compile(rf"^(?:{_FULL}) and ({_FULL})\.?$"),
)


def people(chat: Sequence[Turn]) -> frozenset[str]:
    """Return the names of persons in a chat, whole and word by word, in lower case."""
    found: set[str] = set()
    for i, turn in enumerate(chat):
        text = turn.message.text[:_READ]
        for pattern in _NAMED:
            for match in pattern.finditer(text):
                found.update(_names(match, text))
        signed = _SIGNED.search(text)
        if signed and (i == 0 or not turn.by_lead or " " in signed.group(1)):
            found.update(_names(signed, text))
    return frozenset(found)


_READ = 2000
_NO_PERSON = COMMON_WORDS | bag(
    "sir madam someone something nobody everybody landlord homes street they hm fibre which"
)


def _names(match: re.Match[str], text: str) -> Iterator[str]:
    before = text[: match.start(1)].rsplit(maxsplit=1)
    inside_name = bool(before) and before[-1][0].isupper() and before[-1][-1].isalpha() and match.re is _ACTS
    words = match.group(1).lower().replace("\u2019", "'").removesuffix("'s").split()
    if inside_name or not words or not _NO_PERSON.isdisjoint(words) or is_building(words[-1]) or "'" in words[-1]:
        return
    yield " ".join(words)
    yield from words
