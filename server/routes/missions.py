"""Missions: submit, look, answer, operate."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from contracts.base import Value
from contracts.errors import BadInput, NotBuilt
from contracts.mission import MissionClass, MissionRequest
from contracts.stateflow import Status
from server import views
from server.body import parsed, read_body
from server.compose import Colony
from server.missions import Answer
from server.principal import Caller
from server.streams import stream

router = APIRouter(prefix="/api/colony", tags=["missions"])
_KINDS = "task|prompt_package|librarian_pass|research_artifact|worker_result|aggregation_packet|review_packet"
Kind = Annotated[str | None, Query(pattern=f"^({_KINDS}|policy_decision|writeback)$")]
SEQ_LIMIT = 2**63 - 1


def colony_of(request: Request) -> Colony:
    """Return the process's parts."""
    colony = request.app.state.colony
    if not isinstance(colony, Colony):
        raise TypeError("the app was made without its parts")
    return colony


Parts = Annotated[Colony, Depends(colony_of)]
Body = Annotated[dict[str, Any], Depends(read_body)]


class Reason(Value):
    """The body of a command on a mission."""

    reason: str | None = None


@router.post("/missions", status_code=202)
async def submit(
    request: Request,
    who: Caller,
    colony: Parts,
    body: Body,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
) -> JSONResponse:
    """Accept a mission. The same key with the same body gives the same answer."""
    asked = parsed(MissionRequest, body)
    done = await colony.service.submit(who, asked, idempotency_key, trace_id_of(request))
    row = await colony.reader.mission(who.tenant_id, done.mission_id)
    answer = {
        "mission_id": done.mission_id,
        "status": Status.RECEIVED.value,
        "trace_id": row["trace_id"],
        "links": views.links(done.mission_id),
    }
    return JSONResponse(answer, status_code=202, headers={"Location": answer["links"]["self"]})


def trace_id_of(request: Request) -> str:
    """Return the caller's W3C trace id, or a new one."""
    parts = request.headers.get("traceparent", "").split("-")
    if (
        len(parts) >= 4
        and len(parts[1]) == 32
        and all(c in "0123456789abcdef" for c in parts[1])
        and set(parts[1]) != {"0"}
    ):
        return parts[1]
    return secrets.token_hex(16)


@router.get("/missions")
async def missions(
    who: Caller,
    colony: Parts,
    status: Status | None = None,
    type_: Annotated[MissionClass | None, Query(alias="type")] = None,
    cursor: Annotated[str | None, Query(max_length=400)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> JSONResponse:
    """List missions, newest first."""
    who.needs("mission:read")
    rows = await colony.reader.missions(
        who.tenant_id,
        status=status.value if status else None,
        mission_type=type_.value if type_ else None,
        before=_from_cursor(cursor),
        limit=limit + 1,
    )
    shown = [views.summary(row) for row in rows[:limit]]
    next_cursor = _to_cursor(rows[limit - 1]) if len(rows) > limit else None
    return JSONResponse({"items": shown, "next_cursor": next_cursor})


def _to_cursor(row: dict[str, Any]) -> str:
    moment, last = views.cursor_of(row)
    return base64.urlsafe_b64encode(json.dumps([moment.isoformat(), last]).encode()).decode()


def _from_cursor(cursor: str | None) -> tuple[datetime, str] | None:
    if cursor is None:
        return None
    try:
        moment, last = json.loads(base64.urlsafe_b64decode(cursor))
        when = datetime.fromisoformat(moment)
    except (ValueError, TypeError, binascii.Error) as exc:
        raise BadInput("the cursor is not one that this API gave", code="invalid_cursor") from exc
    if when.tzinfo is None or not isinstance(last, str) or "\x00" in last:
        raise BadInput("the cursor is not one that this API gave", code="invalid_cursor")
    return when, last


@router.get("/missions/{mission_id}")
async def mission(mission_id: str, who: Caller, colony: Parts) -> JSONResponse:
    """Return one mission with its packet and what it waits for."""
    who.needs("mission:read")
    return JSONResponse(await views.detail(colony.reader, who.tenant_id, mission_id))


@router.get("/missions/{mission_id}/artifacts")
async def artifacts(mission_id: str, who: Caller, colony: Parts, kind: Kind = None) -> JSONResponse:
    """List a mission's artifacts in the order they were stored."""
    who.needs("mission:read")
    await colony.reader.mission(who.tenant_id, mission_id)
    rows = await colony.reader.artifacts(who.tenant_id, mission_id, kind)
    return JSONResponse({"items": [views.artifact(row) for row in rows]})


@router.get("/missions/{mission_id}/events")
async def events(
    request: Request,
    mission_id: str,
    who: Caller,
    colony: Parts,
    after: Annotated[int, Query(ge=0, le=SEQ_LIMIT)] = 0,
    last_event_id: Annotated[int | None, Header(ge=0, le=SEQ_LIMIT)] = None,
) -> Response:
    """Return recorded events as JSON, or stream them when asked for ``text/event-stream``."""
    who.needs("mission:read")
    await colony.reader.mission(who.tenant_id, mission_id)
    start = after if last_event_id is None else last_event_id
    if "text/event-stream" not in request.headers.get("accept", ""):
        return JSONResponse({"items": await colony.reader.events(who.tenant_id, mission_id, start, 10_000)})
    return StreamingResponse(
        stream(colony.reader, colony.doorbell, who.tenant_id, mission_id, start),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


@router.post("/missions/{mission_id}/approve", status_code=202)
async def approve(mission_id: str, who: Caller, colony: Parts, body: Body) -> JSONResponse:
    """Answer the pending approval, proposal by proposal."""
    await colony.service.approve(who, mission_id, parsed(Answer, body))
    return _accepted(mission_id, Status.RUNNING)


@router.post("/missions/{mission_id}/reject", status_code=202)
async def reject(mission_id: str, who: Caller, colony: Parts, body: Body) -> JSONResponse:
    """Turn down everything that is pending; the mission ends as rejected."""
    await colony.service.reject(who, mission_id, parsed(Reason, body).reason)
    return _accepted(mission_id, Status.RUNNING)


@router.post("/missions/{mission_id}/cancel", status_code=202)
async def cancel(mission_id: str, who: Caller, colony: Parts, body: Body) -> JSONResponse:
    """Stop a mission."""
    await colony.service.cancel(who, mission_id, parsed(Reason, body).reason)
    return _accepted(mission_id, Status.CANCELLED)


@router.post("/missions/{mission_id}/retry", status_code=202)
async def retry(mission_id: str, who: Caller, colony: Parts, body: Body) -> JSONResponse:
    """Let a failed or expired mission go on."""
    await colony.service.retry(who, mission_id, parsed(Reason, body).reason)
    return _accepted(mission_id, Status.RUNNING)


@router.post("/missions/{mission_id}/fail", status_code=202)
async def fail(mission_id: str, who: Caller, colony: Parts, body: Body) -> JSONResponse:
    """Give a mission up."""
    await colony.service.fail(who, mission_id, parsed(Reason, body).reason)
    return _accepted(mission_id, Status.FAILED)


def _accepted(mission_id: str, status: Status) -> JSONResponse:
    answer = {"mission_id": mission_id, "status": status.value, "links": views.links(mission_id)}
    return JSONResponse(answer, status_code=202)


@router.get("/missions/{mission_id}/bundle")
async def bundle(mission_id: str, who: Caller, colony: Parts) -> Response:
    """Return the mission's audit bundle, to be verified offline."""
    who.needs("mission:read")
    await colony.reader.mission(who.tenant_id, mission_id)
    from server.bundle import make_bundle

    content = await make_bundle(colony.reader, who.tenant_id, mission_id)
    headers = {"Content-Disposition": f'attachment; filename="{mission_id}.zip"'}
    return Response(content, media_type="application/zip", headers=headers)


@router.get("/approvals")
async def approvals(who: Caller, colony: Parts) -> JSONResponse:
    """Return the queue of pending approvals, oldest first."""
    who.needs("mission:read")
    rows = await colony.reader.approvals(who.tenant_id, None, "pending")
    return JSONResponse({"items": [views.approval(row) for row in rows]})


@router.get("/missions/{mission_id}/checkpoints")
@router.get("/missions/{mission_id}/checkpoints/{checkpoint_id}")
@router.get("/missions/{mission_id}/diff")
@router.post("/missions/{mission_id}/replay")
@router.post("/missions/{mission_id}/fork")
async def history(mission_id: str, who: Caller, colony: Parts) -> JSONResponse:
    """Say that this version does not answer history, replay and fork yet."""
    who.needs("mission:read")
    await colony.reader.mission(who.tenant_id, mission_id)
    raise NotBuilt("checkpoints, replay, fork and diff are not built yet", hint="The events and artifacts are there.")
