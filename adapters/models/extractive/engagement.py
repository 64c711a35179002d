"""Judge from a lead's own words how engaged they are and how close to deciding, with the words as reasons."""

import re
from collections.abc import Iterator, Sequence
from typing import Literal

from adapters.models.extractive.dialogue import Turn, low, turns
from adapters.models.extractive.values import Assessment, Evidence, Reason, span_of

_SIGNALS = (
    ("ready", 3, "asks to book, visit or buy", re.compile(
        r"\b(?:book|schedule|arrange|reserve|visit|tour|viewing|appointment|sign|pay|buy|purchase|order|go ahead|"
        r"i'll take|move forward|deposit)\b")),
    ("ready", 2, "agrees to what was proposed", re.compile(
        r"\b(?:that works|sounds (?:good|great|perfect)|perfect|that's (?:right|correct)|i like (?:it|that))\b")),
    ("comparing", 2, "asks for alternatives or compares", re.compile(
        r"\b(?:other|another|else|alternatives?|compared?|versus|instead|more options)\b")),
    ("comparing", 1, "asks about the details", re.compile(r"\?|\b(?:how much|does it|is it|what is the|what's the)\b")),
    ("browsing", 1, "says what is looked for", re.compile(
        r"\b(?:looking for|need|want|searching|interested in|find)\b")),
    ("browsing", -2, "holds back", re.compile(
        r"\b(?:just (?:looking|browsing)|not (?:now|yet|sure|interested|ready)|maybe later|think about it|no longer|"
        r"too expensive|not at the moment|unsubscribe|stop (?:contacting|messaging))\b")),
)  # fmt: skip
_MOST_REASONS = 6


def assess_engagement(evidence: Sequence[Evidence]) -> Assessment:
    """Weigh the signals in the lead's messages; the latest sentence of each kind is its reason."""
    weights = {"browsing": 0, "comparing": 0, "ready": 0}
    latest: dict[str, Reason] = {}
    spoken = 0
    for item in evidence:
        said = [turn for turn in turns(item) if turn.by_lead] if item.kind == "chat" else []
        spoken += len(said)
        for intent, weight, reason in _signals(item, said):
            weights[intent] += weight
            latest[reason.text] = reason
    intent = _intent(weights)
    return Assessment(_engagement(weights, spoken), intent, tuple(latest.values())[:_MOST_REASONS])


def _signals(item: Evidence, said: Sequence[Turn]) -> Iterator[tuple[str, int, Reason]]:
    for turn in said:
        for part in turn.sentences:
            words = low(item, part)
            for intent, weight, text, cue in _SIGNALS:
                if cue.search(words):
                    yield intent, weight, Reason(text, span_of(item, part.start, part.end))


def _intent(weights: dict[str, int]) -> Literal["browsing", "comparing", "ready"]:
    if weights["ready"] >= 3 and weights["ready"] + weights["browsing"] > 2:
        return "ready"
    return "comparing" if weights["comparing"] >= 2 else "browsing"


def _engagement(weights: dict[str, int], spoken: int) -> Literal["low", "medium", "high"]:
    total = sum(weights.values())
    if spoken >= 4 and total >= 6:
        return "high"
    return "medium" if spoken >= 2 and total >= 2 else "low"
