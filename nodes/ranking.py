"""Ranking texts against a query: BM25 over words, with the usual constants."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

_WORD = re.compile(r"\w+")
_K1 = 1.2
_B = 0.75


def words(text: str) -> list[str]:
    """Return a text's words, lower case, plural and possessive endings cut off."""
    return [stem(word) for word in _WORD.findall(text.lower())]


_ENDINGS = (("ies", "y", 4), ("ing", "", 5), ("ed", "", 4), ("s", "", 3))


def stem(word: str) -> str:
    """Cut the ending of a plural or of a verb off a word that is long enough to keep its root."""
    if word.endswith("ss"):
        return word
    for ending, root, least in _ENDINGS:
        if word.endswith(ending) and len(word) > least:
            return word[: -len(ending)] + root
    return word


def best(query: str, texts: Sequence[str], most: int) -> list[int]:
    """Return the positions of the best matching texts, best first; a text that shares no word is left out."""
    asked = dict.fromkeys(words(query))  # in their order: sums of fractions depend on it
    counts = [Counter(words(text)) for text in texts]
    lengths = [sum(c.values()) for c in counts]
    average = sum(lengths) / len(lengths) if lengths else 1.0
    weight = {
        word: math.log(1 + (len(texts) - n + 0.5) / (n + 0.5))
        for word in asked
        if (n := sum(word in c for c in counts))
    }
    scores = [
        sum(
            w * c[word] * (_K1 + 1) / (c[word] + _K1 * (1 - _B + _B * length / average))
            for word, w in weight.items()
            if word in c
        )
        for c, length in zip(counts, lengths, strict=True)
    ]
    ranked = sorted(range(len(texts)), key=lambda i: (-scores[i], i))
    return [i for i in ranked if scores[i] > 0][:most]
