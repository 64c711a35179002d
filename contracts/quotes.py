"""How much of a text a quote takes in, so that a person can judge it by itself."""

from __future__ import annotations

import re

_FRAME = re.compile(r"(\[[^\]\n]{1,40}\] )?(lead|agent): ")
_SENTENCE_END = re.compile(r"[.!?]+(?=\s|$)\s*")
_LONGEST_QUOTE = 400


def widened(text: str, start: int, end: int) -> tuple[int, int]:
    """Widen a span to whole sentences of its line, so that a person can judge the quote by itself.

    The line's own frame (time and author) stays outside, and so does a sentence that would make the quote too long.
    """
    line = text.rfind("\n", 0, start) + 1
    if frame := _FRAME.match(text, line, start):
        line = frame.end()
    stop = text.find("\n", end)
    stop = len(text) if stop < 0 else stop
    before = [m.end() for m in _SENTENCE_END.finditer(text, line, start)]
    after = _SENTENCE_END.search(text, max(end - 1, start), stop)
    wide = before[-1] if before else line, after.end() if after else stop
    while wide[1] > end and text[wide[1] - 1].isspace():
        wide = wide[0], wide[1] - 1
    return wide if wide[1] - wide[0] <= _LONGEST_QUOTE else (start, end)
