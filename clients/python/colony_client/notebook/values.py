"""Values that differ, as a table that is short enough to read."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from colony_client.notebook.markup import Markup, brief, joined, table, tag

_MOST = 60
_LONG = 40
_NAME = re.compile(r"([a-z]+\.)?[a-z]{2,3}_[0-9a-f]{16,64}|[0-9a-f]{64}")
_PLACE = re.compile(r"(^|\.)(start|end)$")


@dataclass(frozen=True)
class Changed:
    """One value that differs: in what, where in it, and both sides; None is where there is none."""

    what: str
    path: str
    was: Any
    now: Any


def text_of(value: Any) -> str:
    """Return a JSON value as people read it."""
    if value is None:
        return "—"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def told(changes: Iterable[Changed]) -> tuple[list[str], Markup | None]:
    """Return values that differ as lines and as a table: equal ones once, where they come first.

    Names made of hashes, and the offsets of quotes, follow from what they name: they are counted and left out.
    """
    listed = list(changes)
    readable = [one for one in listed if not _follows(one)]
    groups: dict[tuple[str, ...], list[Changed]] = {}
    for one in readable:
        whole = () if one.path else (one.what,)  # what is there or not is one thing, not the same value twice
        groups.setdefault((*whole, text_of(one.was), text_of(one.now)), []).append(one)
    shown = [(places[0], len(places) - 1) for places in groups.values()]
    notes = list(_notes(len(shown), len(listed) - len(readable)))
    lines = [
        f"  {one.what} {one.path}: {brief(text_of(one.was))} -> {brief(text_of(one.now))}{_also(more)}"
        for one, more in shown[:_MOST]
    ]
    rows = (
        [one.what, joined(tag("code", one.path), tag("small", _also(more))), *_sides(one.was, one.now)]
        for one, more in shown[:_MOST]
    )
    drawn = table(["what", "value", "was", "is"], rows) if shown else None
    markup = joined(drawn, *(tag("p", tag("small", note)) for note in notes)) if listed else None
    return [*lines, *notes], markup


def _notes(shown: int, left_out: int) -> Iterator[str]:
    if shown > _MOST:
        yield f"… and {shown - _MOST} more"
    if left_out:
        yield f"{left_out} names, hashes and offsets differ with them"


def _also(more: int) -> str:
    return f" (and in {more} more places)" if more > 1 else " (and in 1 more place)" if more else ""


def _follows(one: Changed) -> bool:
    sides = [value for value in (one.was, one.now) if value is not None]
    if one.path and sides and all(isinstance(value, str) and _NAME.fullmatch(value) for value in sides):
        return True
    return bool(_PLACE.search(one.path)) and all(isinstance(value, int) for value in sides)


def _sides(was: Any, now: Any) -> tuple[Markup, Markup]:
    """Return both sides; of long texts only the words that differ are marked."""
    if isinstance(was, str) and isinstance(now, str) and max(len(was), len(now)) > _LONG:
        before, after = was.split(), now.split()
        same = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
        return (
            joined(*_words("del", [(kind, before[a:b]) for kind, a, b, _, _ in same])),
            joined(*_words("ins", [(kind, after[c:d]) for kind, _, _, c, d in same])),
        )
    return _side("del", was), _side("ins", now)


def _words(name: str, parts: Sequence[tuple[str, Sequence[str]]]) -> Iterator[Markup]:
    """Give the words, those that stay the same shortened where they are many."""
    for kind, words in parts:
        text = " ".join(words)
        if not text:
            continue
        if kind != "equal":
            yield joined(tag(name, brief(text, 240)), " ")
        elif len(words) > 16:
            yield joined(" ".join(words[:6]), " … ", " ".join(words[-6:]), " ")
        else:
            yield joined(text, " ")


def _side(name: str, value: Any) -> Markup:
    return tag("small", "—") if value is None else tag(name, brief(text_of(value), 240))
