"""Missions: submit, list, look at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.requests import Request
from fastapi.responses import JSONResponse, Response

from contracts.errors import BadInput, Conflict, NotFound
from contracts.mission import MissionClass, MissionRequest
from contracts.stateflow import Status
from server import shapes, views
from server.body import parsed
from server.bundle import make_bundle
from server.openapi import BODY_FAILS, fails, takes
from server.principal import Reader, Submitter
from server.routes.parts import Body, BoundedRoute, IdempotencyKey, MissionRef, Parts
from server.tracing import trace_id_of

router = APIRouter(prefix="/api/colony", tags=["missions"], route_class=BoundedRoute)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Cursor = Annotated[
    str | None, Query(pattern=r"^[0-9]{1,16}_[A-Za-z0-9_-]{1,80}$", description="The next_cursor of the page before.")
]


@router.post(
    "/missions",
    status_code=202,
    response_model=shapes.Submitted,
    responses=fails(Conflict, *BODY_FAILS),
    openapi_extra=takes(MissionRequest, required=True),
)
async def submit(
    request: Request, who: Submitter, colony: Parts, body: Body, idempotency_key: IdempotencyKey = None
) -> JSONResponse:
    """Accept a mission.

    With an `Idempotency-Key` header (1 to 200 printable ASCII characters) a repeat is safe: the same key with the same
    body gives the first answer again, and with another body it is refused.
    """
    asked = parsed(MissionRequest, body)
    done = await colony.service.submit(who, asked, idempotency_key, trace_id_of(request))
    row = await colony.reader.mission(who.tenant_id, done.mission_id)
    answer = views.submitted(row)
    return JSONResponse(answer, status_code=202, headers={"Location": answer["links"]["self"]})


@router.get("/missions", response_model=shapes.MissionPage, responses=fails(BadInput))
async def missions(
    who: Reader,
    colony: Parts,
    status: Status | None = None,
    type_: Annotated[MissionClass | None, Query(alias="type")] = None,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> JSONResponse:
    """List missions, newest first."""
    rows = await colony.reader.missions(
        who.tenant_id,
        status=status.value if status else None,
        mission_type=type_.value if type_ else None,
        before=_from_cursor(cursor),
        limit=limit + 1,
    )
    next_cursor = _to_cursor(rows[limit - 1]) if len(rows) > limit else None
    return JSONResponse({"items": [views.summary(row) for row in rows[:limit]], "next_cursor": next_cursor})


def _to_cursor(row: dict[str, Any]) -> str:
    """Return where a page that ends with this row goes on: the row's moment in microseconds, and its id."""
    return f"{(row['created_at'] - _EPOCH) // timedelta(microseconds=1)}_{row['mission_id']}"


def _from_cursor(cursor: str | None) -> tuple[datetime, str] | None:
    if cursor is None:
        return None
    moment, _, last = cursor.partition("_")
    return _EPOCH + timedelta(microseconds=int(moment)), last


@router.get("/missions/{mission_id}", response_model=shapes.Mission, responses=fails(NotFound))
async def mission(mission_id: MissionRef, who: Reader, colony: Parts) -> JSONResponse:
    """Return one mission with its packet and what it waits for."""
    return JSONResponse(await views.detail(colony.reader, who.tenant_id, mission_id))


@router.get("/missions/{mission_id}/artifacts", response_model=shapes.Artifacts, responses=fails(NotFound, BadInput))
async def artifacts(
    mission_id: MissionRef, who: Reader, colony: Parts, kind: shapes.ArtifactKind | None = None
) -> JSONResponse:
    """List a mission's artifacts in the order they were stored."""
    await colony.reader.mission(who.tenant_id, mission_id)
    rows = await colony.reader.artifacts(who.tenant_id, mission_id, kind.value if kind else None)
    return JSONResponse({"items": [views.artifact(row) for row in rows]})


@router.get(
    "/missions/{mission_id}/bundle",
    response_class=Response,
    responses={
        200: {"description": "The bundle", "content": {"application/zip": {"schema": {"format": "binary"}}}},
        **fails(NotFound),
    },
)
async def bundle(mission_id: MissionRef, who: Reader, colony: Parts) -> Response:
    """Return the mission's audit bundle, to be verified offline."""
    content = await make_bundle(colony.reader, who.tenant_id, mission_id, colony.governance.guard.keys)
    headers = {"Content-Disposition": f'attachment; filename="{mission_id}.zip"'}
    return Response(content, media_type="application/zip", headers=headers)
