"""A mission's past: replays and what came of them."""

from __future__ import annotations

from typing import NoReturn

from fastapi import APIRouter
from fastapi.requests import Request
from fastapi.responses import JSONResponse

from contracts.errors import Conflict, NotBuilt, NotFound
from contracts.stateflow import Status
from server import shapes, shapes_history, views
from server.body import parsed
from server.compose import Colony
from server.lineages import ReplayRequest
from server.openapi import BODY_FAILS, fails, takes
from server.principal import Operator, Principal, Reader
from server.routes.parts import Body, BoundedRoute, MissionRef, Parts
from server.tracing import trace_id_of

router = APIRouter(prefix="/api/colony", tags=["history"], route_class=BoundedRoute)


async def _refused(colony: Colony, who: Principal, mission_id: str, what: str) -> NoReturn:
    await colony.reader.mission(who.tenant_id, mission_id)
    raise NotBuilt(f"{what} is not built yet", hint="The mission's events and artifacts are there.")


@router.get("/missions/{mission_id}/checkpoints", include_in_schema=False)
async def checkpoints(mission_id: MissionRef, who: Reader, colony: Parts) -> None:
    """List the mission's checkpoints."""
    await _refused(colony, who, mission_id, "the list of checkpoints")


@router.get("/missions/{mission_id}/checkpoints/{checkpoint_id}", include_in_schema=False)
async def checkpoint(mission_id: MissionRef, checkpoint_id: str, who: Reader, colony: Parts) -> None:  # noqa: ARG001
    """Return the state at a checkpoint."""
    await _refused(colony, who, mission_id, "the state at a checkpoint")


@router.get("/missions/{mission_id}/diff", include_in_schema=False)
async def diff(mission_id: MissionRef, who: Reader, colony: Parts) -> None:
    """Return the difference of two checkpoints, channel by channel."""
    await _refused(colony, who, mission_id, "the difference of checkpoints")


@router.post(
    "/missions/{mission_id}/replay",
    status_code=202,
    response_model=shapes.Accepted,
    responses=fails(NotFound, Conflict, *BODY_FAILS),
    openapi_extra=takes(ReplayRequest),
)
async def replay(mission_id: MissionRef, request: Request, who: Operator, colony: Parts, body: Body) -> JSONResponse:
    """Run a past mission again, as a new one without effects."""
    asked = parsed(ReplayRequest, body)
    made = await colony.service.lineages.replay(who, mission_id, asked, trace_id_of(request))
    links = views.links(made)
    answer = {"mission_id": made, "status": Status.RECEIVED.value, "links": links}
    return JSONResponse(answer, status_code=202, headers={"Location": links["self"]})


@router.get(
    "/missions/{mission_id}/report", response_model=shapes_history.ReplayReport, responses=fails(NotFound, Conflict)
)
async def report(mission_id: MissionRef, who: Reader, colony: Parts) -> JSONResponse:
    """Return what a replay came to: whether it made the same, and where it first did not."""
    return JSONResponse(await colony.service.lineages.report(who, mission_id))


@router.post("/missions/{mission_id}/fork", status_code=202, include_in_schema=False)
async def fork(mission_id: MissionRef, who: Operator, colony: Parts) -> None:
    """Go on from a past checkpoint, as a new mission."""
    await _refused(colony, who, mission_id, "fork")
