"""Where a model's quote stands in a text: models copy well, but set quotation marks, dashes, spaces and case anew."""

from __future__ import annotations

_FOLDED = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201a\u201b\u02bc", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb", '"')
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-")
)
_UNSEEN = frozenset("\u00ad\u200b\u200c\u200d\u2060\ufeff")
_AROUND = "\"' .\u2026"
_SHORTEST = 4


def place(text: str, quote: str) -> tuple[int, int] | None:
    """Return where a quote stands: character for character, or else but for typography, white space and case.

    What is cited is the text's own span, so the proof stays verbatim. None when the words are not there.
    """
    at = text.find(quote) if quote else -1
    if at >= 0:
        return at, at + len(quote)
    sought, _ = _folded(quote)
    sought = sought.strip(_AROUND)
    if len(sought) < _SHORTEST:
        return None
    plain, origin = _folded(text)
    at = plain.find(sought)
    return None if at < 0 else (origin[at], origin[at + len(sought) - 1] + 1)


def _folded(text: str) -> tuple[str, list[int]]:
    """Return a text without what does not change its words, and for each character where it came from."""
    kept: list[str] = []
    origin: list[int] = []
    for index, character in enumerate(text.translate(_FOLDED)):
        if character in _UNSEEN:
            continue
        plain = " " if character.isspace() else character.lower()
        if plain == " " and kept and kept[-1] == " ":
            continue
        # A letter whose lower case is two characters would put the origins out of step.
        kept.append(plain if len(plain) == 1 else character)
        origin.append(index)
    return "".join(kept), origin
