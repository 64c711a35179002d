"""Answer a question by citing the sentences that speak of it, or say that none does.

Ranking is BM25 over passages mixed with what a sentence and its neighbours cover of the question's weighted words. The
constants were tuned on half of the XQuAD articles so that as many answerable questions are answered as others refused.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from adapters.models.extractive.expected import holds_expected
from adapters.models.extractive.passages import Line, Passage, Question, read_passages, read_question
from adapters.models.extractive.values import Answer, Evidence, span_of

NOT_SUPPORTED = "Not supported by the evidence."
_SUPPORTED = 1.235
_OF_SENTENCE, _OF_NEIGHBOURS, _OF_PAIRS, _OF_HEADINGS = 0.5, 0.7, 0.5, 0.35
_NO_HEAD, _NOT_EXPECTED = 0.5, 0.35
_NEIGHBOURS, _HEADING, _PASSAGE = 0.4, 0.9, 0.25
_SATURATION, _LENGTH = 1.2, 0.6
_BACKGROUND = 100
_CITED = 3
_CONSIDERED = 12
_NUMBER = 1.1
_ASIDE = 0.5
_WORTH_CITING = 0.5


def answer_question(question: str, evidence: Sequence[Evidence]) -> Answer:
    """Return the sentences that best cover the question's words, of each document that has a say.

    `unsupported` when the best passage covers too little of them, `partial` when it lacks a name or number asked about
    or when one of several questions in one is not answered.
    """
    parts = _PARTS.split(question)
    names = read_question(parts[0]).exact if len(parts) > 1 else frozenset[str]()
    found: list[tuple[float, Passage, int]] = []
    lacking = False
    for part in parts:
        asked = read_question(part if part is parts[0] or not _REFERS.search(part) else question)
        if asked.terms:
            cited = _cited(asked, names, evidence)
            lacking = lacking or not cited or bool(asked.exact - cited[0][1].counts.keys())
            found += cited
    if not found:
        return Answer("unsupported", (), NOT_SUPPORTED)
    spans = tuple(dict.fromkeys(span_of(p.item, p.lines[i].start, p.lines[i].end) for _, p, i in found))
    return Answer("partial" if lacking else "supported", spans, " ".join(span.quote for span in spans))


def _cited(asked: Question, names: frozenset[str], evidence: Sequence[Evidence]) -> list[tuple[float, Passage, int]]:
    wider = replace(asked, terms=asked.terms | names)
    passages = [passage for item in evidence for passage in read_passages(item, wider)]
    weights = _weights(wider, passages, names - asked.terms)
    ranked = sorted(_ranked(asked, passages, weights), key=lambda one: -one[0])
    if not ranked or ranked[0][0] <= 0 or _support(asked, weights, *ranked[0][1:]) < _SUPPORTED:
        return []
    best = ranked[0]
    kept = [
        one
        for one in ranked[:_CONSIDERED]
        if one[0] >= _WORTH_CITING * best[0] and (one is best or _is_row(best) or not _is_row(one))
    ]
    cited = kept[:_CITED]
    others = [one for one in kept if one[1].item.artifact_id != cited[0][1].item.artifact_id]
    alone = all(one[1].item.artifact_id == cited[0][1].item.artifact_id for one in cited)
    return [*cited, *others[:1]] if alone else cited


def _is_row(one: tuple[float, Passage, int]) -> bool:
    """Whether it is a row of a table: it says little beside a sentence that answers better."""
    _, passage, i = one
    return passage.item.text.startswith("|", passage.lines[i].start)


_PARTS = re.compile(r",? and (?=(?:what|how|is|are|can|does|do|who|which|when|where|will|must)\b)", re.IGNORECASE)
_REFERS = re.compile(r"\b(?:it|they|them|this|that)\b", re.IGNORECASE)


def _weights(asked: Question, passages: Sequence[Passage], aside: frozenset[str]) -> dict[str, float]:
    """Weigh each term by rarity; the imagined background keeps the weights alike for few passages and for many."""
    seen = Counter(term for passage in passages for term in passage.counts)
    rarity = {
        term: math.log((len(passages) + _BACKGROUND + 1) / (seen[term] + 0.02 * _BACKGROUND + 0.5))
        for term in asked.terms
    }
    names = dict.fromkeys(asked.exact, 1.5) | dict.fromkeys(aside, _ASIDE)
    return {term: rarity[term] * names.get(term, 1.0) * asked.rare.get(term, 1.0) for term in asked.terms}


def _ranked(
    asked: Question, passages: Sequence[Passage], weights: dict[str, float]
) -> list[tuple[float, Passage, int]]:
    average = sum(passage.length for passage in passages) / max(1, len(passages))
    return [
        ((_PASSAGE * bm25 + _line_score(passage.lines, i, weights)) * _fit(asked, passage.lines[i]), passage, i)
        for passage in passages
        for bm25 in [_bm25(passage, weights, average)]
        for i in range(len(passage.lines))
    ]


def _fit(asked: Question, line: Line) -> float:
    return _NUMBER if asked.numeric and line.has_number else 1.0


def _bm25(passage: Passage, weights: dict[str, float], average: float) -> float:
    norm = _SATURATION * (1 - _LENGTH + _LENGTH * passage.length / max(1.0, average))
    return sum(weights[term] * n * (1 + _SATURATION) / (n + norm) for term, n in passage.counts.items())


def _line_score(lines: Sequence[Line], i: int, weights: dict[str, float]) -> float:
    own = lines[i].terms
    beside = frozenset().union(*(line.terms for line in lines[max(0, i - 1) : i + 2])) - own
    above = _HEADING * sum(weights[term] for term in lines[i].above - beside)
    return above + sum(weights[term] for term in own) + _NEIGHBOURS * sum(weights[term] for term in beside)


def _support(asked: Question, weights: dict[str, float], passage: Passage, i: int) -> float:
    """Say how much of the question is there: in the passage, in the sentence and those beside it, in pairs of words.

    A passage that lacks the thing asked for, or where no time, number or name stands that could answer, has less.
    """
    total = sum(weights.values())
    beside = passage.lines[max(0, i - 1) : i + 2]
    in_passage = sum(weights[term] for term in passage.counts) / total
    in_sentence = sum(weights[term] for term in passage.lines[i].terms) / total
    around = frozenset().union(*(line.terms for line in beside))
    nearby = sum(weights[term] for term in around) / total
    above = sum(weights[term] for term in passage.lines[i].above - around) / total
    pairs = len(asked.pairs & passage.lines[i].pairs) / max(1, len(asked.pairs))
    found = in_passage + _OF_SENTENCE * in_sentence + _OF_NEIGHBOURS * nearby + _OF_PAIRS * pairs + _OF_HEADINGS * above
    lacks = _NO_HEAD * bool(asked.head and asked.head not in passage.counts)
    if not holds_expected(asked.text, passage.item.text[beside[0].start : beside[-1].end]):
        lacks += _NOT_EXPECTED
    return found - lacks
