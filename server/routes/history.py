"""A mission's past: checkpoints, differences, replays and forks."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.requests import Request
from fastapi.responses import JSONResponse

from contracts.errors import BadInput, Conflict, NotFound
from contracts.stateflow import Status
from server import shapes, shapes_history, views
from server.body import parsed
from server.lineages import ForkRequest, ReplayRequest
from server.openapi import BODY_FAILS, fails, takes
from server.principal import Operator, Reader
from server.routes.parts import Body, BoundedRoute, IdempotencyKey, MissionRef, Parts, whole_id
from server.tracing import trace_id_of

router = APIRouter(prefix="/api/colony", tags=["history"], route_class=BoundedRoute)


_Limit = Annotated[int, Query(ge=1, le=200)]
_Cursor = Annotated[str | None, Query(pattern=r"^[0-9a-f-]{1,64}$", description="The next_cursor of the page before.")]
_CheckpointId = Annotated[str, Query(min_length=1, max_length=200)]


@router.get(
    "/missions/{mission_id}/checkpoints",
    response_model=shapes_history.Checkpoints,
    responses=fails(NotFound, BadInput),
)
async def checkpoints(
    mission_id: MissionRef, who: Reader, colony: Parts, cursor: _Cursor = None, limit: _Limit = 50
) -> JSONResponse:
    """List the mission's checkpoints, newest first, with the channels that each changed."""
    return JSONResponse(await colony.service.pasts.checkpoints(who.tenant_id, mission_id, limit, cursor))


@router.get(
    "/missions/{mission_id}/checkpoints/{checkpoint_id}",
    response_model=shapes_history.State,
    responses=fails(NotFound),
)
async def checkpoint(mission_id: MissionRef, checkpoint_id: str, who: Reader, colony: Parts) -> JSONResponse:
    """Return the state at a checkpoint."""
    return JSONResponse(await colony.service.pasts.checkpoint(who.tenant_id, mission_id, checkpoint_id))


@router.get(
    "/missions/{mission_id}/diff", response_model=shapes_history.Difference, responses=fails(NotFound, BadInput)
)
async def diff(
    mission_id: MissionRef,
    who: Reader,
    colony: Parts,
    earlier: Annotated[_CheckpointId, Query(alias="from")],
    to: _CheckpointId,
    other: Annotated[str | None, Query(max_length=200, description="The mission of `to`, if another.")] = None,
) -> JSONResponse:
    """Return what two checkpoints differ in, channel by channel and artifact by artifact; also across missions."""
    other = await whole_id(other) if other is not None else None
    return JSONResponse(await colony.service.pasts.diff(who.tenant_id, mission_id, earlier, to, other))


@router.get("/missions/{mission_id}/tree", response_model=shapes_history.Node, responses=fails(NotFound))
async def tree(mission_id: MissionRef, who: Reader, colony: Parts) -> JSONResponse:
    """Return the mission with its forks and replays, from the first one on."""
    return JSONResponse(await colony.service.pasts.tree(who.tenant_id, mission_id))


@router.post(
    "/missions/{mission_id}/replay",
    status_code=202,
    response_model=shapes.Accepted,
    responses=fails(NotFound, Conflict, *BODY_FAILS),
    openapi_extra=takes(ReplayRequest),
)
async def replay(
    mission_id: MissionRef,
    request: Request,
    who: Operator,
    colony: Parts,
    body: Body,
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse:
    """Run a past mission again, as a new one without effects; with an `Idempotency-Key` a repeat gives the same one."""
    asked = parsed(ReplayRequest, body)
    made = await colony.service.lineages.replay(who, mission_id, asked, trace_id_of(request), idempotency_key)
    return _accepted(made)


@router.get(
    "/missions/{mission_id}/report", response_model=shapes_history.ReplayReport, responses=fails(NotFound, Conflict)
)
async def report(mission_id: MissionRef, who: Reader, colony: Parts) -> JSONResponse:
    """Return what a replay came to: whether it made the same, and where it first did not."""
    return JSONResponse(await colony.service.lineages.report(who, mission_id))


@router.post(
    "/missions/{mission_id}/fork",
    status_code=202,
    response_model=shapes.Accepted,
    responses=fails(NotFound, Conflict, *BODY_FAILS),
    openapi_extra=takes(ForkRequest, required=True),
)
async def fork(
    mission_id: MissionRef,
    request: Request,
    who: Operator,
    colony: Parts,
    body: Body,
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse:
    """Go on from a past checkpoint, edited or not, as a new mission; its effects need an approval of their own.

    With an `Idempotency-Key` header a repeat gives the same fork.
    """
    await colony.reader.mission(who.tenant_id, mission_id)
    asked = parsed(ForkRequest, body)
    named = (asked.checkpoint_id, asked.updates, asked.reason)
    return _accepted(await colony.service.lineages.fork(who, mission_id, *named, trace_id_of(request), idempotency_key))


def _accepted(made: str) -> JSONResponse:
    links = views.links(made)
    answer = {"mission_id": made, "status": Status.RECEIVED.value, "links": links}
    return JSONResponse(answer, status_code=202, headers={"Location": links["self"]})
