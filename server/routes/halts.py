"""The kill switch: stop everything that a tenant's missions do, see who did, and let them go on."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from server.body import parsed
from server.halting import Halt, HaltRequest, Halts, shown
from server.openapi import BODY_FAILS, fails, takes
from server.principal import Operator, PolicyManager, Reader
from server.routes.parts import Body, BoundedRoute, Parts

router = APIRouter(prefix="/api/colony", tags=["halts"], route_class=BoundedRoute)


def _state(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"halted": any(row["lifted_at"] is None for row in rows), "items": [shown(row) for row in rows]}


@router.get("/halt", response_model=Halts, responses=fails())
async def state(who: Reader, colony: Parts) -> JSONResponse:
    """Tell whether the caller's tenant is halted, by whom and why."""
    return JSONResponse(_state(await colony.halts.of_tenant(who.tenant_id)))


@router.post(
    "/halt",
    status_code=201,
    response_model=Halt,
    responses=fails(*BODY_FAILS),
    openapi_extra=takes(HaltRequest, required=True),
)
async def halt(who: Operator, colony: Parts, body: Body) -> JSONResponse:
    """Stop every run of the tenant and let nothing begin: no claim, no call, no write, until it is lifted."""
    row = await colony.halts.halt(who.tenant_id, who.actor_id, parsed(HaltRequest, body).reason)
    return JSONResponse(shown(row), status_code=201)


@router.delete("/halt", response_model=Halts, responses=fails())
async def lift(who: PolicyManager, colony: Parts) -> JSONResponse:
    """Lift the tenant's halts; missions go on where they were. One over everybody is its administrator's to lift."""
    await colony.halts.lift(who.tenant_id, who.actor_id)
    return JSONResponse(_state(await colony.halts.of_tenant(who.tenant_id)))
