"""What a moment in a sentence is for: a viewing, or a call, a letter, a deadline, something that is past."""

import re
from enum import Enum, auto

from adapters.models.extractive.lexicon import FUNCTION_WORDS
from adapters.models.extractive.text import bag

_CONTACT = (
    r"ring|rang|call(?:s|ing)?|called|phon(?:e|es|ing)|text(?:s|ing)?|e-?mail(?:s|ing)?|messag(?:e|ing)|send(?:s|ing)?|"
    r"sent|write|writing|post(?:s|ing|ed)?|reply|replies|respond|answers?|get back|hear (?:back|from)|speak|follow up|"
    r"help you|anything else"
)
_DEADLINE = (
    r"due|deadline|decide|decision|sign(?:s|ing|ed)?|complet(?:e|ion|ing)|closing|survey\w*|valuation|auction|"
    r"open house|launch(?:es|ed)?|(?:an|your|our|my|the|his|her|their|final|best) offers?|deliver\w*|payment|paid|"
    r"move in|moving"
)
_ABSENT = r"away|abroad|travell?ing|on holiday|on vacation|out of town|busy|unavailable|working|closed"
_PAST = (
    r"left|moved (?:in|out|away)|came|went|saw|sold|listed|built|ended|expired|began|started|visited|viewed|"
    r"last (?:week|month|year)"
)
_VIEWING = (
    r"view(?:s|ing|ings)?|visit(?:s|ing)?|tours?|appointments?|inspect(?:ion|ions)?|showings?|diary|meet(?:ing)?|"
    r"see (?:it|you|them|the|this|that|both)|show (?:you|it|them)|come (?:and|over|by|round|to)|"
    r"look (?:at|round|around)"
)
_SETTLED = (
    r"confirmed|moved|rescheduled|booked|scheduled|arranged|agreed|works|suits|fixed|reserved|free|available|can do|"
    r"can offer|slots?|openings?"
)
_OTHER = rf"{_CONTACT}|{_ABSENT}|{_PAST}|{_DEADLINE}"
_CUE = re.compile(rf"\b(?:(?P<own>{_VIEWING}|{_SETTLED})|(?P<other>{_OTHER}))\b(?! off\b)")
_NAMED = re.compile(rf"\b(?:{_VIEWING})\b")
_EVENT = re.compile(rf"\b(?:{_DEADLINE})\b")
_BREAK = re.compile(r"[,;:]\s|[()]|\s[-\u2013\u2014]+\s|\u2014|\b(?:and|but|or|then|so|because|while)\b")
_WORD = re.compile(r"[^\W\d_]+")
_FRAGMENT = 1
_SMALL = FUNCTION_WORDS | bag("fine perfect great good lovely noted done then it's that's")


class Occasion(Enum):
    """What happens at a moment: a viewing, something else, something that has no word of either; or it stands alone."""

    VIEWING = auto()
    OTHER = auto()
    UNTOLD = auto()
    ALONE = auto()


def occasion(said: str, start: int, end: int) -> Occasion:
    """Tell what the moment that stands at ``said[start:end]`` of a sentence is for.

    Told by the moment's own clause: the last cue before it rules, else the first after it. A survey that is booked is
    no viewing, so of such a clause only a word of viewing makes one.
    """
    first, last = _clause(said, start, end)
    before, after = said[first:start], said[end:last]
    clause = f"{before} {after}"
    cues = [*_CUE.finditer(before)][-1:] or [*_CUE.finditer(after)][:1]
    if not cues:
        told = [word for word in _WORD.findall(clause) if word not in _SMALL]
        return Occasion.UNTOLD if len(told) > _FRAGMENT else Occasion.ALONE
    if cues[0]["other"] is not None or (_EVENT.search(clause) and not _NAMED.search(clause)):
        return Occasion.OTHER
    return Occasion.VIEWING


def _clause(said: str, start: int, end: int) -> tuple[int, int]:
    """Return the bounds of a moment's clause; one with hardly a word of its own goes with the one before it."""
    breaks = [found for found in _BREAK.finditer(said) if found.end() <= start or found.start() >= end]
    befores = [found.end() for found in breaks if found.end() <= start]
    last = next((found.start() for found in breaks if found.start() >= end), len(said))
    first = befores.pop() if befores else 0
    if len(_WORD.findall(f"{said[first:start]} {said[end:last]}")) <= _FRAGMENT:
        first = befores.pop() if befores else 0
    return first, last
