"""Answer a question by citing the sentences that speak of it, or say that none does."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from adapters.models.extractive.lexicon import FUNCTION_WORDS
from adapters.models.extractive.text import sentences, stem, tokens
from adapters.models.extractive.values import Answer, Evidence, span_of

_COVERED = 0.6
NOT_SUPPORTED = "Not supported by the evidence."


@dataclass(frozen=True, slots=True)
class _Line:
    item: Evidence
    start: int
    end: int
    terms: frozenset[str]


def answer_question(question: str, evidence: Sequence[Evidence]) -> Answer:
    """Return the sentences that best cover the question's words; `unsupported` when too little is covered."""
    asked = _terms(question, 0, len(question))
    lines = [_Line(one, s, e, _terms(one.text, s, e)) for one in evidence for s, e in sentences(one.text)]
    if not asked or not lines:
        return Answer("unsupported", (), NOT_SUPPORTED)
    frequency = Counter(term for line in lines for term in line.terms & asked)
    weight = {term: math.log(1 + len(lines) / (1 + frequency[term])) for term in asked}
    total = sum(weight.values())
    best = max(lines, key=lambda line: sum(weight[t] for t in line.terms & asked) / (1 + 0.002 * len(line.terms)))
    covered = sum(weight[t] for t in best.terms & asked) / total
    if covered < _COVERED:
        return Answer("unsupported", (), NOT_SUPPORTED)
    span = span_of(best.item, best.start, best.end)
    return Answer("supported", (span,), span.quote)


def _terms(text: str, start: int, end: int) -> frozenset[str]:
    words = (token.lower for token in tokens(text, start, end) if token.text[0].isalnum())
    return frozenset(stem(word) for word in words if word not in FUNCTION_WORDS)
