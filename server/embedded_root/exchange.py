"""Requests into values and values into answers: bodies, preconditions, idempotency keys, cursors and ETags."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

from fastapi import Query, Request, Response
from starlette.requests import ClientDisconnect

from adapters.postgres.root_store import RootStore
from adapters.postgres.root_writes import Precondition, RootWrites
from adapters.root.records import Answer, Once, storable
from contracts.canonical import digest
from contracts.errors import BadInput, Malformed, TooLarge
from server.errors import PRECONDITION_REQUIRED

MAX_BODY = 8 * 1024 * 1024
MAX_KEY = 200

Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=2_000)]
Word = Annotated[str | None, Query(min_length=1, max_length=500)]

T = TypeVar("T")


async def read_storable(request: Request) -> dict[str, Any]:
    """Return the body, a JSON object that can be stored.

    Raises:
        TooLarge: the body is over 8 MB.
        Malformed: it isn't a JSON object, or holds what can't be stored.
    """
    body = await read_object(request)
    try:
        storable(body)
    except ValueError as exc:
        raise Malformed(f"the body can't be stored: {exc}") from exc
    return body


async def read_object(request: Request) -> dict[str, Any]:
    """Return the body, a JSON object.

    Raises:
        TooLarge: the body is over 8 MB.
        Malformed: it isn't a JSON object.
    """
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY:
                break
    except ClientDisconnect as exc:
        raise Malformed("the body was cut short") from exc
    if len(body) > MAX_BODY:
        raise TooLarge(f"the body is over {MAX_BODY} bytes")
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise Malformed("the body is not JSON") from exc
    if not isinstance(value, dict):
        raise Malformed("the body is not a JSON object")
    return value


def once_of(request: Request, body: dict[str, Any]) -> Once | None:
    """Return what makes this call happen once, if the caller sent a key.

    Raises:
        Malformed: the key is empty, too long or not printable.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not key or len(key) > MAX_KEY or not key.isprintable():
        raise Malformed(f"an Idempotency-Key has 1 to {MAX_KEY} printable characters")
    path = request.url.path.removeprefix(request.scope.get("root_path", ""))
    return Once(key, request.method, path, digest(body))


def precondition_of(request: Request, *, required: bool) -> Precondition:
    """Return the caller's If-Match, or the If-None-Match that asks for there being none, as a test of a version.

    Raises:
        BadInput: there is none and it is required (code ``precondition_required``).
    """
    wanted = request.headers.get("If-Match")
    if wanted is not None:
        accepted = {tag.strip() for tag in wanted.split(",")}
        return lambda version: version is not None and ("*" in accepted or etag_of(version) in accepted)
    if request.headers.get("If-None-Match", "").strip() == "*":
        return lambda version: version is None
    if required:
        hint = "Read the object and send its ETag as If-Match."
        raise BadInput("If-Match is needed", code=PRECONDITION_REQUIRED, hint=hint)
    return lambda _version: True


def etag_of(version: int) -> str:
    """Return the strong ETag of a version."""
    return f'"{version}"'


def rendered(data: Any, etag: str | None = None, status: HTTPStatus = HTTPStatus.OK) -> Answer:
    """Return data as an answer; where it has no version of its own, its ETag is made from its content."""
    body = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    return Answer(status.value, {"ETag": etag or f'"{digest(data)[:32]}"'}, body)


def sent(answer: Answer) -> Response:
    """Return the answer as it goes out."""
    return Response(answer.body, answer.status, answer.headers, media_type="application/json")


def shown(data: Any, etag: str | None = None) -> Response:
    """Return data as the answer to a read."""
    return sent(rendered(data, etag))


async def write(
    request: Request,
    store: RootStore,
    tenant: str,
    body: dict[str, Any],
    effect: Callable[[RootWrites], Awaitable[Answer]],
) -> Response:
    """Carry out a write once and answer it."""
    return sent(await store.write(tenant, once_of(request, body), effect))


def page_of(
    rows: Sequence[T], limit: int, shape: Callable[[T], dict[str, Any]], place: Callable[[T], Any]
) -> dict[str, Any]:
    """Return ``{items, next_cursor}`` of rows that were asked for with one more than the limit."""
    kept = rows[:limit]
    more = len(rows) > limit
    return {"items": [shape(row) for row in kept], "next_cursor": to_cursor(place(kept[-1])) if more else None}


def to_cursor(place: Any) -> str:
    """Return an opaque cursor for a place in a list."""
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def from_cursor(cursor: str | None, *shape: type) -> list[Any] | None:
    """Return the place a cursor was made from, of the given types.

    Raises:
        Malformed: it was not made here, or not for this list.
    """
    if cursor is None:
        return None
    try:
        place = storable(json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))))
    except (ValueError, RecursionError, binascii.Error) as exc:
        raise Malformed("the cursor is not one of this list's") from exc
    if not isinstance(place, list) or [type(part) for part in place] != list(shape):
        raise Malformed("the cursor is not one of this list's")
    return place
