"""A mission's events: as a list, or as a stream that goes on until the mission has ended."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.requests import Request
from fastapi.responses import JSONResponse, Response

from contracts.errors import BadInput, NotFound
from server import shapes
from server.limits import LimitedStream
from server.openapi import STREAM, fails
from server.principal import Reader
from server.routes.parts import BoundedRoute, MissionRef, Parts
from server.streams import stream

router = APIRouter(prefix="/api/colony", tags=["events"], route_class=BoundedRoute)
_LAST_SEQ = 2**63 - 1
_MOST = 10_000
_STREAMED = {
    "description": "The events. As a stream `id` is the seq, `event` the event_type and `data` the event as JSON; a "
    "`message.delta` has no id: it is a piece of a model's raw answer (`mission_id, task_key, call_id, text`) while it "
    "is being given, neither checked nor stored.",
    "content": {STREAM: {"schema": {"type": "string"}}},
}


@router.get(
    "/missions/{mission_id}/events",
    response_model=shapes.Events,
    responses={200: _STREAMED, **fails(NotFound, BadInput)},
)
async def events(
    request: Request,
    mission_id: MissionRef,
    who: Reader,
    colony: Parts,
    after: Annotated[int, Query(ge=0, le=_LAST_SEQ, description="Only events with a greater seq.")] = 0,
    last_event_id: Annotated[
        int | None, Header(ge=0, le=_LAST_SEQ, description="The same, and goes before it.")
    ] = None,
) -> Response:
    """Return recorded events as JSON, or stream them when asked for ``text/event-stream``."""
    await colony.reader.mission(who.tenant_id, mission_id)
    start = after if last_event_id is None else last_event_id
    if STREAM not in request.headers.get("accept", ""):
        return JSONResponse({"items": await colony.reader.events(who.tenant_id, mission_id, start, _MOST)})
    return LimitedStream(
        stream(colony.reader, colony.doorbell, colony.feed, who.tenant_id, mission_id, start),
        request,
        who,
        media_type=STREAM,
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
