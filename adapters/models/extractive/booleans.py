"""Yes-or-no keys: what a lead requires or rules out, and whether something was booked in the end."""

import re
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

from adapters.models.extractive.dates import dates, times
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
from adapters.models.extractive.statements import Found, in_focus
from adapters.models.extractive.text import bag
from adapters.models.extractive.values import Evidence

_SEARCHES = re.compile(
    r"\b(?:find|show|search\w*|look(?:ing)?|others?|another|else|alternatives?|options?|something|some(?:where|"
    r"place)|"
    r"(?:need|want|like|prefer) (?:an?|to (?:rent|book|find|stay|have)|one|it|them)|any .{0,40}s (?:that|with|"
    r"which|where)|recommend|suggest)\b"
)
_WISHES = re.compile(
    r"\b(?:need\w*|want\w*|like|love|prefer\w*|look\w*|find|search|show|must|should|ha(?:s|ve) to|make sure|"
    r"requir\w+|important|"
    r"only|please|friendly|something|another|other|else|ideally|essential|would|get|give|take|add|include)\b"
)
_WONDERS = re.compile(
    r"\b(?:if|whether) (?:it|they|the|this|that|these|pets?|i)\b|\b(?:to|you|me) know\b|\btell me\b|\bfind out\b|"
    r"\bcheck (?:if|whether|on|about)\b|"
    r"\b(?:is|are|does|do|did|will|can|could|may|was|has|have) (?:already )?(?:it|they|the|this|that|these|those|"
    r"there|pets?|animals?|you|i|we|my|any)\b|"
    r"\bor not?\b|\bconfirm\b"
)
_OWNS = re.compile(
    r"\b(?:(?:i|we)(?:'ve| have| do have| own| keep| bring)|with (?:my|our|a|two|one)|my|our|and (?:a|an|one|two|"
    r"three)|"
    r"the (?:dog|cat))\b"
)
_INDIFFERENT = re.compile(r"\b(?:care|matter|either way|whatever|not important|no preference|any is fine)\b|n't mind")
_AGAINST = bag("no not without don't doesn't dont never isn't non nor can't cannot shouldn't")
_REACH = 5
_FEW_WORDS = 6


def wished(slots: Sequence[Slot], evidence: Evidence, turn: Turn) -> Iterator[Found]:
    """Yield each boolean a lead's sentence requires or rules out; to ask about one offer is not to wish for it."""
    for part in turn.sentences:
        for slot in slots:
            if slot.kind is Kind.BOOLEAN and slot.topics & part.about:
                said = low(evidence, part)
                if not _INDIFFERENT.search(said) and _is_wish(part, said):
                    yield _found(slot, value=not _is_ruled_out(slot, part), part=part)


def _is_wish(part: Sentence, said: str) -> bool:
    if part.asks or _WONDERS.search(said):
        return bool(_SEARCHES.search(_WONDERS.sub(" ", said)))
    return bool(_WISHES.search(said) or _OWNS.search(said)) or len(part.tokens) <= _FEW_WORDS


def _is_ruled_out(slot: Slot, part: Sentence) -> bool:
    spoken = [token.lower for token, name in zip(part.tokens, part.concepts, strict=True) if name in slot.topics]
    if any(word.startswith("un") for word in spoken):
        return True
    for i, name in enumerate(part.concepts):
        if name in slot.topics:
            before = {word.lower for word in part.tokens[max(0, i - _REACH) : i]}
            after = {word.lower for word in part.tokens[i + 1 : i + 4]}
            if "not" in after and not after.isdisjoint({"needed", "necessary", "required", "wanted", "important"}):
                return True
            return not _AGAINST.isdisjoint(before) or _is_free_of(part, i)
    return False


def _is_free_of(part: Sentence, i: int) -> bool:
    return [word.lower for word in part.tokens[i + 1 : i + 3]] == ["-", "free"]


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
    """Say whether the thing a slot speaks of was booked, with the words that show it."""
    verdict: Found | None = None
    proposal: Turn | None = None
    sought = 0
    for i, turn in enumerate(chat):
        if slot.topics & turn.about:
            sought = i + _RECENT
        if turn.by_lead:
            continue
        reply = chat[i - 1] if i and chat[i - 1].by_lead else None
        settled = proposal is not None and reply is not None and _agrees(reply)
        outcome = _outcome(slot, evidence, turn, expected=settled)
        if (
            outcome is None
            and settled
            and proposal is not None
            and reply is not None
            and not slot.of_visit
            and not _reads_back(evidence, turn)
        ):
            outcome = _settled(slot, proposal, reply)
        verdict = outcome or verdict
        proposal = (
            turn if outcome is None and i <= sought and _reads_back(evidence, turn) and in_focus(slot, turn) else None
        )
    return verdict or _declined(slot, chat)


_RECENT = 6


def _reads_back(evidence: Evidence, turn: Turn) -> bool:
    """Whether an agent's message puts a day, a time or a choice to the lead to be agreed to."""
    if any(True for part in turn.sentences for _ in dates(evidence.text, part.start, part.end)):
        return True
    return any(True for part in turn.sentences for _ in times(evidence.text, part.start, part.end)) and confirms(turn)


def _agrees(reply: Turn) -> bool:
    return stance(reply) in {Stance.YES, Stance.OPEN}


def _settled(slot: Slot, proposal: Turn, reply: Turn) -> Found:
    value = _spelled(slot, value=True)
    return Found(slot, value, proposal.message.start, reply.sentences[0].end, 0.75)


def _outcome(slot: Slot, evidence: Evidence, turn: Turn, *, expected: bool) -> Found | None:
    failed: Found | None = None
    for part in turn.sentences:
        said = low(evidence, part)
        if reports_success(said) and (expected or slot.topics & part.about) and in_focus(slot, turn):
            return _found(slot, value=True, part=part)
        if reports_failure(said) and (expected or slot.topics & part.about):
            failed = failed or _found(slot, value=False, part=part)
    return failed


def _declined(slot: Slot, chat: Sequence[Turn]) -> Found | None:
    """Return the lead's last plain refusal of what the agent put forward; silence is no refusal."""
    for before, turn in reversed(list(pairwise(chat))):
        if turn.by_lead and not before.by_lead and slot.topics & before.about and stance(turn) is Stance.NO:
            part = next((part for part in turn.sentences if _refuses(part)), None)
            if part is not None:
                return _found(slot, value=False, part=part)
    return None


def _refuses(part: Sentence) -> bool:
    return any(token.lower in _REFUSALS or token.lower.endswith("n't") for token in part.tokens)


_REFUSALS = bag("no not nope never cannot dont wont")
