"""The root's answers: read within a limit, and told apart into errors that repeat nothing of the body but its code."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from contracts.errors import NotFound, PreconditionStale, RootRefused, RootUnavailable

MAX_ANSWER = 16 * 1024 * 1024

_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")
_STALE = frozenset({412, 428})
_KEY_REFUSED = frozenset({401, 403})
KEY_REFUSED = "root_key_refused"


class NotYet(Exception):
    """The root asks to be asked again later."""

    def __init__(self, retry_after: float | None) -> None:
        super().__init__("not yet")
        self.retry_after = retry_after


@dataclass(frozen=True)
class Reply:
    """One answer of ``size`` bytes; ``data`` is none where it is no JSON object, ``retry_after`` is in seconds."""

    status: int
    data: dict[str, Any] | None
    etag: str | None
    retry_after: float | None
    size: int = 0

    @property
    def too_large(self) -> bool:
        """Whether there was more of it than is read."""
        return self.size > MAX_ANSWER


async def read_reply(client: httpx.AsyncClient, request: httpx.Request) -> Reply:
    """Send the request and read the answer, but no more than 16 MB of it.

    Raises:
        httpx.RequestError: no whole answer came.
    """
    response = await client.send(request, stream=True)
    try:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MAX_ANSWER:
                break
    finally:
        await response.aclose()
    return Reply(
        response.status_code,
        None if len(body) > MAX_ANSWER else _object(bytes(body)),
        etag if (etag := response.headers.get("ETag", "")).isascii() and etag else None,
        _seconds(response.headers.get("Retry-After")),
        len(body),
    )


def refuse(reply: Reply, what: str) -> None:
    """Raise what the status says; a success passes.

    Raises:
        NotFound, PreconditionStale, RootRefused: as said in the client.
    """
    if reply.status == 404:
        raise NotFound(f"the root has no such {what}", code=f"{what}_not_found")
    if reply.status in _STALE:
        raise PreconditionStale(f"the {what} is no longer the one that was read")
    if reply.status in _KEY_REFUSED:
        raise RootRefused(
            "the root refuses the key", code=KEY_REFUSED, hint="Set ROOT_API_KEY to a key the root accepts."
        )
    if not 200 <= reply.status < 300:
        code = (reply.data or {}).get("code")
        known = code if isinstance(code, str) and _CODE.fullmatch(code) else "no code"
        raise RootRefused(f"the root answered {reply.status} ({known})")
    if reply.too_large:
        raise RootRefused(f"the root's answer is over {MAX_ANSWER} bytes", code="root_answer_too_large")


def unavailable() -> RootUnavailable:
    """Return the error for a root that gives no answer."""
    return RootUnavailable("the root does not answer")


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return None
    # A bare list is a list of items.
    return {"items": value} if isinstance(value, list) else value if isinstance(value, dict) else None


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not a number of JSON")


def _seconds(retry_after: str | None) -> float | None:
    if not retry_after:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        when = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
