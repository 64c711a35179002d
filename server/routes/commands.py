"""What people do with missions: answer the pending approval, stop, retry, give up."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse

from contracts.errors import Conflict, NotFound
from contracts.stateflow import Status
from server import shapes, shapes_approval, views
from server.answering import ApprovalAnswer
from server.approval_queue import shown_approvals
from server.body import parsed
from server.missions import Reason
from server.openapi import BODY_FAILS, fails, takes
from server.principal import Caller, Operator, Principal, Reader
from server.routes.parts import Body, BoundedRoute, MissionRef, Parts

router = APIRouter(prefix="/api/colony", tags=["commands"], route_class=BoundedRoute)


async def _answerer(who: Caller, mission_id: MissionRef, colony: Parts) -> Principal:
    """Let on, before the body is read, whose right it is to answer, or to whom it was delegated."""
    await colony.service.answering.entitle(who, mission_id)
    return who


_Answerer = Annotated[Principal, Depends(_answerer)]
_COMMAND: dict[str, Any] = {
    "status_code": 202,
    "response_model": shapes.Accepted,
    "responses": fails(NotFound, Conflict, *BODY_FAILS),
}
_REASON = takes(Reason)


@router.get("/approvals", response_model=shapes_approval.Approvals, responses=fails())
async def approvals(who: Reader, colony: Parts) -> JSONResponse:
    """Return the queue of pending approvals, oldest first."""
    rows = await colony.reader.approvals(who.tenant_id, None, "pending")
    return JSONResponse({"items": await shown_approvals(colony.reader, who.tenant_id, rows)})


@router.post("/missions/{mission_id}/approve", openapi_extra=takes(ApprovalAnswer), **_COMMAND)
async def approve(mission_id: MissionRef, who: _Answerer, colony: Parts, body: Body) -> JSONResponse:
    """Answer the pending approval, proposal by proposal."""
    return _accepted(mission_id, await colony.service.approve(who, mission_id, parsed(ApprovalAnswer, body)))


@router.post("/missions/{mission_id}/reject", openapi_extra=_REASON, **_COMMAND)
async def reject(mission_id: MissionRef, who: _Answerer, colony: Parts, body: Body) -> JSONResponse:
    """Turn down everything that is pending; the mission ends as rejected."""
    return _accepted(mission_id, await colony.service.reject(who, mission_id, parsed(Reason, body).reason))


@router.post("/missions/{mission_id}/cancel", openapi_extra=_REASON, **_COMMAND)
async def cancel(mission_id: MissionRef, who: Operator, colony: Parts, body: Body) -> JSONResponse:
    """Stop a mission."""
    await colony.service.cancel(who, mission_id, parsed(Reason, body).reason)
    return _accepted(mission_id, Status.CANCELLED)


@router.post("/missions/{mission_id}/retry", openapi_extra=_REASON, **_COMMAND)
async def retry(mission_id: MissionRef, who: Operator, colony: Parts, body: Body) -> JSONResponse:
    """Let a failed or expired mission go on."""
    await colony.service.retry(who, mission_id, parsed(Reason, body).reason)
    return _accepted(mission_id, Status.RUNNING)


@router.post("/missions/{mission_id}/fail", openapi_extra=_REASON, **_COMMAND)
async def fail(mission_id: MissionRef, who: Operator, colony: Parts, body: Body) -> JSONResponse:
    """Give a mission up."""
    await colony.service.fail(who, mission_id, parsed(Reason, body).reason)
    return _accepted(mission_id, Status.FAILED)


def _accepted(mission_id: str, status: Status) -> JSONResponse:
    answer = {"mission_id": mission_id, "status": status.value, "links": views.links(mission_id)}
    return JSONResponse(answer, status_code=202)
