"""Open-worded keys: one of a closed set of values, a colour or a kitchen, a person's name, an objection."""

import re
from collections.abc import Collection, Iterator, Sequence

from adapters.models.extractive.dialogue import Sentence, Turn, low
from adapters.models.extractive.lexicon import ALIKE, COMMON_WORDS, SORTS
from adapters.models.extractive.names import names
from adapters.models.extractive.slots import Kind, Slot
from adapters.models.extractive.statements import Found, in_focus
from adapters.models.extractive.text import bag, stem, tokens
from adapters.models.extractive.values import Evidence

_RULES_OUT = bag("without than don't isn't never not no")
_WONDERS = re.compile(r"\b(?:is|are|does|do|was) (?:it|they|the|this|that|these)\b")
_OBJECTS = re.compile(
    r"\btoo (?:expensive|pricey|much|high|costly|far|small|big|large|noisy|old|dark|long|late|early|little|few)\b|"
    r"\b(?:worr(?:y|ied|ies)|concern(?:s|ed)?|hesita\w+|afraid|drawback|downside|not (?:sure|convinced|happy)|unsure|"
    r"over (?:my|our|the) budget|can(?:'t|not) afford|out of (?:my|our) (?:budget|price range)|deal ?breaker|"
    r"more than (?:i|we)(?:'d| had| have)? (?:wanted|want|planned|expected|hoped|budgeted|can|could)|"
    r"(?:don't|do not|didn't) like|problem is|issue is|put off|skeptical|sceptical)\b"
)
_INTRODUCES = frozenset({"is", "i'm", "am", "name", "it's", "this", ":", "called"})
_INTRODUCTION = re.compile(
    r"\b(?:my (?:full |first |last )?name(?:'s| is)?|i'm|i am|this is|name:|it's under|under the name)\b"
)


def chosen(slots: Sequence[Slot], evidence: Evidence, turn: Turn, wanted: Collection[str]) -> Iterator[Found]:
    """Yield what a message says for keys whose values are words."""
    for part in turn.sentences:
        said = low(evidence, part)
        for slot in slots:
            if slot.kind is Kind.CHOICE and not (part.asks and _WONDERS.search(said)):
                yield from _choice(slot, part, turn, wanted)
            elif slot.kind is Kind.TEXT:
                yield from _sort(slot, evidence, part)
            elif slot.kind is Kind.OBJECTION and turn.by_lead and not part.asks and _OBJECTS.search(said):
                yield Found(slot, evidence.text[part.start : part.end], part.start, part.end, 0.75)
            elif slot.kind is Kind.PERSON and turn.by_lead and _INTRODUCTION.search(said):
                yield from _person(slot, evidence, part)


def _choice(slot: Slot, part: Sentence, turn: Turn, wanted: Collection[str]) -> Iterator[Found]:
    words = [stem(token.lower) for token in part.tokens]
    if _offers_both(slot, words):
        return
    for value in slot.values:
        at = _named(value, words)
        if at is None or (_is_weak(value) and not _is_meant(slot, part, at[0], turn, wanted)):
            continue
        before = {token.lower for token in part.tokens[max(0, at[0] - 3) : at[0]]}
        if _RULES_OUT.isdisjoint(before) and in_focus(slot, turn):
            start, end = part.tokens[at[0]].start, part.tokens[at[1]].end
            yield Found(slot, value, start, end, 0.85)


def _offers_both(slot: Slot, words: Sequence[str]) -> bool:
    """Whether a sentence puts two values to the other side ("to rent or to buy")."""
    return "or" in words and sum(_named(value, words) is not None for value in slot.values) > 1


def _named(value: str, words: Sequence[str]) -> tuple[int, int] | None:
    for form in (value, *ALIKE.get(value.lower(), ())):
        at = _find(words, [stem(token.lower) for token in tokens(form) if token.text[0].isalnum()])
        if at is not None:
            return at
    return None


def _is_meant(slot: Slot, part: Sentence, first: int, turn: Turn, wanted: Collection[str]) -> bool:
    """Whether an everyday word stands for the slot's value: asked for, beside its topic, or what a lead wants to do."""
    wants = turn.by_lead and first > 0 and part.tokens[first - 1].lower == "to"
    return slot.key in wanted or bool(slot.score(part.about)) or wants


def _is_weak(value: str) -> bool:
    return all(word in COMMON_WORDS or word.isdigit() for word in value.lower().split())


def _find(words: Sequence[str], sought: Sequence[str]) -> tuple[int, int] | None:
    """Return the first and last index of a run of words; marks between them do not count."""
    if not sought:
        return None
    kept = [i for i, word in enumerate(words) if word[0].isalnum()]
    for n in range(len(kept) - len(sought) + 1):
        if all(words[kept[n + k]] == want for k, want in enumerate(sought)):
            return kept[n], kept[n + len(sought) - 1]
    return None


def _sort(slot: Slot, evidence: Evidence, part: Sentence) -> Iterator[Found]:
    """Yield a word of the sort the slot asks for (a colour …) with the shade before it ("dark green")."""
    sorts = SORTS.keys() & (slot.topics | slot.hints | slot.domains)
    known = frozenset().union(*(SORTS[name] for name in sorts))
    for i, token in enumerate(part.tokens):
        if token.lower in known:
            first = i - (i > 0 and part.tokens[i - 1].lower in _SHADES)
            yield Found(
                slot, evidence.text[part.tokens[first].start : token.end], part.tokens[first].start, token.end, 0.8
            )


_SHADES = bag("bright light pale navy dark deep")


def _person(slot: Slot, evidence: Evidence, part: Sentence) -> Iterator[Found]:
    for first, past in names(part.tokens):
        if first and part.tokens[first - 1].lower in _INTRODUCES:
            start, end = part.tokens[first].start, part.tokens[past - 1].end
            yield Found(slot, evidence.text[start:end], start, end, 0.85)
            return
