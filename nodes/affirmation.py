"""Whether what was said makes a yes-or-no value true, or denies it: the words must speak of the thing at all."""

from __future__ import annotations

import re

from nodes.ground import Ground, Topic
from nodes.ranking import stem

Verdict = tuple[bool, str]

_NEGATION = re.compile(
    r"\b(?:no|not|none|nope|nah|never|without|neither|nor|cannot|hardly|cancel\w*|declin\w*|unable|unavailable|unwilling|"
    r"unlikely)\b|n['\u2019]t\b|\b(?:dont|wont|cant|doesnt|isnt|arent|didnt|havent|hasnt)\b",
    re.IGNORECASE,
)
_ANSWERS_NO = re.compile(r"^\W*(?:\w+\W+){0,2}?(?:no|not|nope|nah|never|none|neither)\b|^\W*\w+n['\u2019]t\b", re.I)
_ANSWERS_YES = re.compile(
    r"^\W*(?:\w+\W+){0,3}?(?:yes|yep|yeah|yup|ya|yea|aye|sure|ok|okay|of course|absolutely|certainly|definitely|indeed|"
    r"correct|right|exactly|perfect|great|fine|good|nice|cool|lovely|terrific|excellent|wonderful|sounds?|suits|works|agreed|"
    r"confirmed?|please do|i do|we do|i have|we have|i will|we will|i am|we are|that'?s it|that(?:'s| is) about it)\b",
    re.IGNORECASE,
)
_AGREES = re.compile(
    r"\b(?:booked|scheduled|arranged|reserved|confirmed|confirm(?:s|ing)|agreed?|fixed|(?:all|is|are|been) set|"
    r"done|sorted|made|complete[d]?|placed|ordered|signed|settled|reservation|in the (?:diary|calendar)|see you|"
    r"meet you|works|look(?:ing)? forward|expect(?:ing)? you|yes|yep|yeah|yup|sure|ok|okay|perfect|great|"
    r"sounds (?:good|great|fine|perfect)|suits|deal)\b",
    re.IGNORECASE,
)
_MOMENT = re.compile(
    r"\b(?:\d{1,2}(?::|\.)\d\d|\d{1,2} ?[ap]\.?m|noon|tomorrow|(?:mon|tues|wednes|thurs|fri|satur|sun)day|"
    r"\d{1,2}(?:st|nd|rd|th)|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)\w*\.? \d{1,2}|"
    r"\d{1,2} (?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)\w*)\b",
    re.IGNORECASE,
)
_CLAUSE = re.compile(
    r"[.!?;:\n]+|\s[-\u2013\u2014]+\s|\u2014|\b(?:but|however|though|although|whereas|because|except)\b|"
    r",\s*(?:and|so)\s|,\s*(?:or )?(?=(?:i|we|you|it|he|she|they|there|my|our|please)\b)|"
    r"\s(?:and|so)\s(?=(?:i|we|you|it|he|she|they|there|my|our|please)\b)",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)?")
_FEW = 3

_SILENT = (False, "the quote does not speak of it")


def affirmed(ground: Ground, *, value: bool) -> Verdict:
    """Tell whether the words around a claim's place carry a truth value.

    The quote must share a word with the key or its description, or be an answer to words that do; for what is agreed,
    words of agreement must be there. A denial anywhere else in the quote denies something else.
    """
    wanted = value is not ground.topic.inverted
    return _agreed(ground, wanted=wanted) if ground.topic.agreed else _said(ground, wanted=wanted)


def _said(ground: Ground, *, wanted: bool) -> Verdict:
    clauses = [clause for clause in _clauses(ground.quote) if speaks(clause, ground.topic)]
    if (
        clauses
        and ground.asked
        and ground.quote.rstrip().endswith("?")
        and (answer := _answer(ground.after)) is not None
    ):
        return _verdict(wanted=wanted, found=answer)
    if clauses:
        found = {not _denies(clause, ground.topic) for clause in clauses}
        return _verdict(wanted=wanted, found=wanted if wanted in found else not wanted)
    if speaks(ground.before, ground.topic) and (answer := _answer(ground.quote)) is not None:
        return _verdict(wanted=wanted, found=answer)
    return _SILENT


def _agreed(ground: Ground, *, wanted: bool) -> Verdict:
    own, around = speaks(ground.quote, ground.topic), speaks(ground.before, ground.topic)
    quoted = own or bool(_AGREES.search(ground.quote)) or bool(_MOMENT.search(ground.quote))
    if not wanted:
        denied = bool(_NEGATION.search(ground.quote)) and (quoted or around or _answer(ground.quote) is False)
        return (denied, "the quote denies it" if denied else "the quote denies nothing of it")
    if not quoted:
        return _SILENT
    told = [c for c in _clauses(ground.quote) if _AGREES.search(c) and not _NEGATION.search(c)]
    asks = ground.quote.rstrip().endswith("?")
    held = bool(told and not asks and _answer(ground.quote) is not False) or (
        ground.asked and _answer(ground.after) is True
    )
    return (held, "the quote tells of an agreement" if held else "nothing was agreed in the quote or in reply to it")


def _verdict(*, wanted: bool, found: bool) -> Verdict:
    if wanted is found:
        return True, "the quote affirms it" if found else "the quote denies it"
    return False, "the quote only denies it" if wanted else "the quote denies nothing of it"


def _answer(text: str) -> bool | None:
    """Return what a message answers to the one before it, or None if it begins with no answer."""
    if _ANSWERS_NO.search(text):
        return False
    return True if _ANSWERS_YES.search(text) else None


def speaks(text: str, topic: Topic) -> bool:
    """Tell whether a text has a word of a topic."""
    return any(_is_of(word.casefold(), topic) for word in _WORD.findall(text))


def _is_of(word: str, topic: Topic) -> bool:
    return stem(word) in topic.words or (word.startswith("un") and stem(word[2:]) in topic.words)


def _denies(clause: str, topic: Topic) -> bool:
    opposite = any(
        word.startswith("un") and stem(word[2:]) in topic.words and not topic.inverted
        for word in (w.casefold() for w in _WORD.findall(clause))
    )
    return opposite or bool(_NEGATION.search(clause))


def _clauses(text: str) -> list[str]:
    """Split a text where one statement ends; a bare "no" after a word belongs to it ("Pets? No.")."""
    found: list[str] = []
    for clause in (part.strip() for part in _CLAUSE.split(text)):
        if not clause:
            continue
        if found and len(clause.split()) <= _FEW and _NEGATION.search(clause):
            found[-1] += f", {clause}"
        else:
            found.append(clause)
    return found
