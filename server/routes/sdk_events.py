"""The protocol's third version: commands on a thread, and its events as a stream or over a WebSocket."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from contracts.errors import NotFound
from server.body import parsed
from server.openapi import BODY_FAILS, fails, takes
from server.principal import Caller, Reader
from server.routes.parts import Body, BoundedRoute
from server.routes.sdk_parts import EVENTS, LastEventId, SdkParts, ThreadRef, streamed
from server.sdk import bodies, shapes
from server.sdk.commands import Commands
from server.sdk.events import event_stream
from server.sdk.frames import number_of, place_at, place_of
from server.tracing import trace_id_of

router = APIRouter(tags=["events"], route_class=BoundedRoute)
_STREAMED: dict[str, Any] = {
    "response_class": Response,
    "responses": {
        200: {"description": "The thread's events.", "content": EVENTS},
        **fails(NotFound, *BODY_FAILS),
    },
    "openapi_extra": takes(bodies.EventsAsked, required=True),
}


@router.post(
    "/threads/{thread_id:name}/commands",
    response_model=shapes.CommandAnswer,
    responses=fails(NotFound, *BODY_FAILS),
    openapi_extra=takes(bodies.ThreadCommand, required=True),
)
async def command(request: Request, thread_id: ThreadRef, who: Caller, sdk: SdkParts, body: Body) -> JSONResponse:
    """Carry out a command; what it can't do is said in its answer, `type: error`."""
    return JSONResponse(await Commands(sdk, who, thread_id, trace_id_of(request)).answer(body))


# The public protocol gives one call two names.
@router.post("/threads/{thread_id:name}/stream/events", **_STREAMED)
@router.post("/threads/{thread_id:name}/stream", **_STREAMED)
async def events(
    request: Request, thread_id: ThreadRef, who: Reader, sdk: SdkParts, body: Body, last_event_id: LastEventId = None
) -> Response:
    """Stream a thread's events over all its runs: everything, or what comes after `since` or the last id."""
    asked = parsed(bodies.EventsAsked, body)
    await sdk.threads.row(who, thread_id)
    had = place_of(last_event_id)
    if had > place_at(asked.since):
        asked = asked.model_copy(update={"since": number_of(had)})
    return streamed(request, who, sdk, thread_id, lambda frames: event_stream(frames, asked))
