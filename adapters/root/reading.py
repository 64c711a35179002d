"""Reading what a root answers: tolerant of how a field is called, strict about what it is.

A field may have one of several names, an id may be a number, a list may stand in an envelope. What can't be understood
is one error, ``malformed_payload``, that names the place and repeats nothing of the content; nothing is lost silently.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

from contracts.errors import RootRefused

MAX_PAGES = 1_000
MAX_LIST = 64 * 1024 * 1024
"""Bytes of a whole list, however many pages it has."""

_LISTS = ("items", "data", "results", "records")
_CURSORS = ("next_cursor", "nextCursor", "next_page_token")
_ABOUT = ("meta", "pagination", "paging", "page_info")
_VERSIONS = ("version", "_version", "revision", "lock_version")


class Fetched(NamedTuple):
    """An object of the root, the ETag that a write must name, and how many bytes it came in."""

    data: dict[str, Any]
    etag: str | None
    size: int = 0


def malformed(what: str, why: str) -> RootRefused:
    """Return the error for an answer that can't be understood."""
    return RootRefused(f"malformed payload: the root's {what} {why}", code="malformed_payload")


def text_of(record: Mapping[str, Any], what: str, *names: str) -> str | None:
    """Return a field under the first of its names that is there; a number is a text, null is none.

    Raises:
        RootRefused: it is a list, an object or a boolean.
    """
    for name in names:
        value = record.get(name)
        if isinstance(value, str):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        if value is not None:
            raise malformed(what, f"has a {name} that is no text")
    return None


def named_text(record: Mapping[str, Any], what: str, *names: str) -> str | None:
    """Return a field that is a text, or an object with a name."""
    for name in names:
        value = record.get(name)
        if isinstance(value, Mapping):
            return text_of(value, what, "name", "title", "label", "type", "role", "key", "id")
        if value is not None:
            return text_of(record, what, name)
    return None


def identified(record: Mapping[str, Any], what: str, *names: str, expected: str | None = None) -> dict[str, Any]:
    """Return the record with its id as a text under the first of the names, before everything else.

    Raises:
        RootRefused: it has no id, or another one than was asked for.
    """
    found = text_of(record, what, *names)
    if not found:
        raise malformed(what, f"has no {names[0]}")
    if expected is not None and found != expected:
        raise malformed(what, "is another one than was asked for")
    return {names[0]: found, **{key: value for key, value in record.items() if key not in names}}


def unwrapped(data: Mapping[str, Any], what: str, *ids: str) -> Mapping[str, Any]:
    """Return the record itself where it stands in an envelope (``{"lead": {…}}``, ``{"data": {…}}``)."""
    if not any(name in data for name in ids):
        for name in (what, "data", "result"):
            inner = data.get(name)
            if isinstance(inner, Mapping):
                return inner
    return data


def listed(data: Mapping[str, Any], what: str, *names: str) -> list[Any]:
    """Return a list that stands under one of several names, in an envelope or not; null is an empty one.

    Raises:
        RootRefused: there is none.
    """
    for name in (*names, *_LISTS):
        if name not in data:
            continue
        value = data[name]
        if value is None:
            return []
        if isinstance(value, list):
            return value
        if isinstance(value, Mapping):
            return listed(value, what, *names)
    raise malformed(what, f"has no list of {names[0]}")


def objects(values: Sequence[Any], what: str) -> list[Mapping[str, Any]]:
    """Return the values, known to be objects.

    Raises:
        RootRefused: one of them is none.
    """
    if not all(isinstance(value, Mapping) for value in values):
        raise malformed(what, "holds something that is no object")
    return list(values)


def cursor_of(data: Mapping[str, Any], what: str) -> str | None:
    """Return where the list goes on; None at its end."""
    inner = [data[name] for name in (*_ABOUT, "data") if isinstance(data.get(name), Mapping)]
    return next((found for one in (data, *inner) if (found := text_of(one, what, *_CURSORS))), None)


def version_of(fetched: Fetched, record: Mapping[str, Any], what: str) -> str | None:
    """Return the ETag as the root gave it, weak or strong; else one made of a field that counts versions."""
    if fetched.etag:
        return fetched.etag
    given = text_of(record, what, "etag", "_etag")
    if given:
        return given if given.startswith(('"', 'W/"')) else f'"{given}"'
    version = text_of(record, what, *_VERSIONS)
    return f'"{version}"' if version else None


def added_up(read: int, fetched: Fetched) -> int:
    """Return how many bytes of a list there are with one more answer.

    Raises:
        RootRefused: they are too many to be kept at a time.
    """
    if (size := read + fetched.size) > MAX_LIST:
        raise RootRefused(f"the root's list is over {MAX_LIST} bytes", code="root_answer_too_large")
    return size


async def every_page(read: Callable[[str | None], Awaitable[Fetched]], what: str) -> list[Fetched]:
    """Return every page of a list.

    Raises:
        RootRefused: it does not end, or all of it is too large.
    """
    pages: list[Fetched] = []
    seen: set[str | None] = set()
    cursor: str | None = None
    size = 0
    while cursor not in seen and len(pages) < MAX_PAGES:
        seen.add(cursor)
        pages.append(await read(cursor))
        size = added_up(size, pages[-1])
        cursor = cursor_of(pages[-1].data, what)
        if cursor is None:
            return pages
    raise malformed(what, "is a list that does not end")
