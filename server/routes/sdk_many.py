"""Several runs at once: begun, stopped, forgotten."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response

from contracts.errors import BadInput, Conflict, NotBuilt, NotFound
from server.body import parsed, read_list
from server.openapi import BODY_FAILS, fails, takes, takes_schema
from server.principal import Caller, Operator
from server.routes.parts import Body, BoundedRoute
from server.routes.sdk_parts import RunRef, SdkParts, ThreadRef
from server.routes.sdk_runs import CancelAction, told_of
from server.sdk import run_bodies, shapes
from server.sdk.described import BATCH
from server.tracing import trace_id_of

router = APIRouter(tags=["runs"], route_class=BoundedRoute)
_MOST = 20
Bodies = Annotated[list[Any], Depends(read_list)]


@router.post(
    "/runs/batch",
    response_model=shapes.RunList,
    responses=fails(NotFound, Conflict, NotBuilt, *BODY_FAILS),
    openapi_extra=takes_schema(BATCH),
)
async def batch(request: Request, who: Caller, sdk: SdkParts, body: Bodies) -> JSONResponse:
    """Begin runs, each in a thread of its own; what is wrong with one of them is said before any is begun."""
    if not 1 <= len(body) <= _MOST:
        raise BadInput(f"a batch has 1 to {_MOST} runs", code="batch_size")
    asked = [parsed(run_bodies.RunCreate, one if isinstance(one, dict) else {}) for one in body]
    begun = [await sdk.start(who, None, one, trace_id_of(request), tells=told_of(one)) for one in asked]
    return JSONResponse([await sdk.run(who, run.thread_id, run.run_id) for run in begun])


@router.post(
    "/runs/cancel",
    status_code=204,
    responses=fails(NotFound, Conflict, *BODY_FAILS),
    openapi_extra=takes(run_bodies.CancelMany),
)
async def cancel_many(who: Operator, sdk: SdkParts, body: Body, action: CancelAction = "interrupt") -> Response:
    """Stop runs: those named of a thread, or all of developers' graphs that stand so."""
    asked = parsed(run_bodies.CancelMany, body)
    if asked.thread_id is None and asked.run_ids is None and asked.status is None:
        raise NotFound("no run is named", code="run_not_found", hint="Name thread_id with run_ids, or a status.")
    await sdk.cancel_many(who, asked, action)
    return Response(status_code=204)


@router.delete("/threads/{thread_id:name}/runs/{run_id:name}", status_code=204, responses=fails(NotFound, Conflict))
async def forget(thread_id: ThreadRef, run_id: RunRef, who: Operator, sdk: SdkParts) -> Response:
    """Forget a run that has ended, of a developer's own graph; a mission's record is kept."""
    await sdk.forget_run(who, thread_id, run_id)
    return Response(status_code=204)
