"""Yes-or-no keys: what a lead requires or rules out, and whether something was booked in the end."""

import re
from collections.abc import Collection, Iterator, Sequence

from adapters.models.extractive.dialogue import (
    Sentence,
    Stance,
    Turn,
    confirms,
    low,
    reports_failure,
    reports_success,
    stance,
)
from adapters.models.extractive.slots import Kind, Slot
from adapters.models.extractive.statements import Found
from adapters.models.extractive.values import Evidence

_SEARCHES = re.compile(
    r"\b(?:find|show|search|look(?:ing)?|get me|need|want|prefer|other|another|else|any\w*|options?|something|places?|somewhere|"
    r"some|recommend|suggest|help)\b"
)
_ABOUT_IT = re.compile(
    r"^\W*(?:(?:and|also|but|great|ok|okay|nice|good|yes)\W+)*(?:is|are|does|do|will|can|may|would|was|has|have) "
    r"(?:it|they|the|this|that|there|pets?|animals?|you|i|my)\b|\b(?:if|whether) (?:it|they|the|this|that|pets|i)\b|\bis it\b|\bdo they\b"
)
_INDIFFERENT = re.compile(r"\b(?:care|matter|either way|whatever|not important|no preference|any is fine)\b|n't mind")
_AGAINST = re.compile(r"\b(?:no|not|without|don't|doesn't|dont|never|isn't|un\w+|non)\b|-free\b")
_DENIED = re.compile(r"\b(?:no|not|n't|without|un|non|never)$")


def wished(slots: Sequence[Slot], evidence: Evidence, turn: Turn) -> Iterator[Found]:
    """Yield each boolean a lead's own sentence requires or rules out; a question about one offer asks, wishes nothing."""
    for part in turn.sentences:
        for slot in slots:
            if slot.kind is Kind.BOOLEAN and slot.topics & part.about:
                said = low(evidence, part)
                if not _INDIFFERENT.search(said) and not _only_asks(part, said):
                    yield _found(slot, value=not _AGAINST.search(said), part=part)


def _only_asks(part: Sentence, said: str) -> bool:
    if _ABOUT_IT.search(said) and not re.search(r"\b(?:find|other|another|else|any)\b", said):
        return True
    return part.asks and not _SEARCHES.search(said)


def _found(slot: Slot, *, value: bool, part: Sentence) -> Found:
    return Found(slot, _spelled(slot, value=value), part.start, part.end, 0.85)


def _spelled(slot: Slot, *, value: bool) -> str:
    wanted = str(value).lower()
    return next((option for option in slot.values if option.lower() == wanted), wanted)


def answered(slots: Sequence[Slot], turn: Turn, before: Turn, wanted: Collection[str]) -> Iterator[Found]:
    """Yield the boolean that a yes or a no answers."""
    open_ = [slot for slot in slots if slot.kind is Kind.BOOLEAN and slot.key in wanted]
    how = stance(turn)
    if len(open_) == 1 and how in {Stance.YES, Stance.NO} and not _INDIFFERENT.search(turn.low):
        value = _spelled(open_[0], value=how is Stance.YES)
        end = turn.sentences[0].end if turn.sentences else turn.message.start
        yield Found(open_[0], value, before.sentences[0].start, end, 0.8)


def booked(slot: Slot, evidence: Evidence, chat: Sequence[Turn]) -> Found | None:
    """Say whether the thing a slot speaks of was booked, with the sentence that shows it."""
    verdict: Found | None = None
    pending = False
    for i, turn in enumerate(chat):
        if turn.by_lead:
            continue
        outcome = _outcome(slot, evidence, turn, expected=pending and _agreed(chat, i))
        verdict = outcome or verdict
        if outcome is None or not pending:
            pending = confirms(turn) and _concerns(slot, turn)
        else:
            pending = False
    return verdict or _not_booked(slot, chat)


def _agreed(chat: Sequence[Turn], i: int) -> bool:
    return i > 0 and chat[i - 1].by_lead and stance(chat[i - 1]) in {Stance.YES, Stance.OPEN}


def _concerns(slot: Slot, turn: Turn) -> bool:
    return bool(slot.topics & turn.about) or (not slot.topics and _in_focus(slot, turn))


def _in_focus(slot: Slot, turn: Turn) -> bool:
    return not slot.domains or not turn.focus or not slot.domains.isdisjoint(turn.focus)


def _outcome(slot: Slot, evidence: Evidence, turn: Turn, *, expected: bool) -> Found | None:
    for part in turn.sentences:
        said = low(evidence, part)
        if reports_success(said) and (expected or slot.topics & part.about) and _in_focus(slot, turn):
            return _found(slot, value=True, part=part)
        if reports_failure(part, said) and (expected or slot.topics & part.about):
            return _found(slot, value=False, part=part)
    return None


def _not_booked(slot: Slot, chat: Sequence[Turn]) -> Found | None:
    said = [turn for turn in chat if turn.sentences]
    refusals = [turn for turn in said if turn.by_lead and stance(turn) is Stance.NO]
    shown = (refusals or said)[-1:]
    return next((_found(slot, value=False, part=turn.sentences[0]) for turn in shown), None)
