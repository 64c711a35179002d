"""What the SDK's routes share: their parts, and how a thread's frames are sent."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, Header, Query, Request
from pydantic import StringConstraints

from adapters.postgres.threads import thread_not_found
from contracts.errors import NotFound
from server.limits import LimitedStream
from server.openapi import STREAM
from server.principal import Principal
from server.routes.parts import Parts
from server.sdk.frames import MODES, Frame
from server.sdk.service import Sdk

_LONGEST_ID = 200
NO_STORE = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


async def sdk_of(colony: Parts) -> Sdk:
    """Return what the SDK's routes are made of."""
    return colony.sdk


async def thread_ref(thread_id: str) -> str:
    """Return a thread's id if it can be one.

    Raises:
        NotFound: no thread has such an id.
    """
    if len(thread_id) > _LONGEST_ID or not thread_id.isprintable():
        raise thread_not_found()
    return thread_id


async def run_ref(run_id: str) -> str:
    """Return a run's id if it can be one.

    Raises:
        NotFound: no run has such an id.
    """
    if len(run_id) > _LONGEST_ID or not run_id.isprintable():
        raise NotFound("the thread has no such run", code="run_not_found")
    return run_id


SdkParts = Annotated[Sdk, Depends(sdk_of)]
ThreadRef = Annotated[str, Depends(thread_ref)]
RunRef = Annotated[str, Depends(run_ref)]
_MODE = "(" + "|".join(MODES) + ")"
_ONE = Annotated[str, StringConstraints(pattern=rf'^({_MODE}|\["{_MODE}"(,"{_MODE}")*\])$')]
Modes = Annotated[
    list[_ONE] | None,
    Query(max_length=20, description="Stream modes, one each or, as the JavaScript client says them, as a JSON list."),
]
LastEventId = Annotated[
    str | None,
    Header(
        pattern=r"^(-1|[0-9]{1,12}(-[0-9]{1,3}(\.[0-9a-f]{1,40})?)?)$",
        description="The id of the last event that was received; only what comes after it is sent. `-1` is the start.",
    ),
]
EVENTS: dict[str, Any] = {
    STREAM: {
        "schema": {
            "type": "object",
            "properties": {name: {"type": "string"} for name in ("id", "event", "data")},
            "required": ["event", "data"],
        }
    }
}
STREAMED: dict[int | str, dict[str, Any]] = {
    200: {"description": "The run's events, up to `end`.", "content": EVENTS},
}
ANSWERED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "What the run came to: the last state, or `__error__`.",
        "content": {"application/json": {"schema": {}}},
    },
}


def modes_of(told: list[str] | None, default: Sequence[str]) -> list[str]:
    """Return the modes that a query names."""
    named = [mode for one in told or () for mode in (json.loads(one) if one.startswith("[") else [one])]
    return list(dict.fromkeys(named)) or list(default)


def streamed(
    request: Request,
    who: Principal,
    sdk: Sdk,
    thread_id: str,
    render: Callable[[AsyncIterator[Frame | None]], AsyncIterator[bytes]],
    headers: dict[str, str] | None = None,
    gone: Callable[[], None] | None = None,
) -> LimitedStream:
    """Send a thread's frames as they come, rendered; ``gone`` is called when the client leaves before the end."""

    async def sent() -> AsyncIterator[bytes]:
        async with sdk.listening(who, thread_id) as frames, aclosing(render(frames)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                yield chunk

    named = {**NO_STORE, **(headers or {})}
    return LimitedStream(watched(sent(), gone), request, who, media_type=STREAM, headers=named)


async def watched(chunks: AsyncIterator[bytes], gone: Callable[[], None] | None) -> AsyncIterator[bytes]:
    """Give what there is to send, and note when whom it is sent to leaves before the end."""
    over = False
    try:
        async with aclosing(chunks):  # type: ignore[type-var]
            async for chunk in chunks:
                yield chunk
        over = True
    finally:
        if gone is not None and not over:
            gone()


def run_headers(
    thread_id: str, run_id: str, part: str, *, stateless: bool = False, asked: Mapping[str, Any] | None = None
) -> dict[str, str]:
    """Return where a run is and where its stream or answer can be had again, as it was ``asked`` for.

    Clients whose stream breaks go on at that place and say nothing but the last id that they have.
    """
    query = f"?{urlencode(asked, doseq=True)}" if asked else ""
    return {
        "Location": f"/threads/{thread_id}/runs/{run_id}/{part}{query}",
        "Content-Location": f"/runs/{run_id}" if stateless else f"/threads/{thread_id}/runs/{run_id}",
    }
