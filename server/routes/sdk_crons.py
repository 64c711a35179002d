"""Schedules of developers' own graphs. Missions have none: whoever schedules them begins them."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from server.body import parsed
from server.principal import Caller
from server.routes.parts import Body, BoundedRoute
from server.routes.sdk_parts import SdkParts, ThreadRef
from server.sdk import run_bodies
from server.sdk.crons import GraphCrons, cron_not_found, no_crons
from server.sdk.service import Sdk

router = APIRouter(tags=["crons"], route_class=BoundedRoute, include_in_schema=False)


def _crons(sdk: Sdk) -> GraphCrons:
    if sdk.crons is None:
        raise no_crons()
    return sdk.crons


@router.post("/runs/crons")
async def make(who: Caller, sdk: SdkParts, body: Body) -> JSONResponse:
    """Run a graph by the clock, each time in a thread of its own."""
    return JSONResponse(await _crons(sdk).make(who, None, parsed(run_bodies.CronCreate, body)))


@router.post("/threads/{thread_id:name}/runs/crons")
async def make_in(thread_id: ThreadRef, who: Caller, sdk: SdkParts, body: Body) -> JSONResponse:
    """Run a graph by the clock in a thread."""
    crons, asked = _crons(sdk), parsed(run_bodies.CronCreate, body)
    await sdk.threads.row(who, thread_id)
    return JSONResponse(await crons.make(who, thread_id, asked))


@router.post("/runs/crons/search")
async def search(who: Caller, sdk: SdkParts, body: Body) -> JSONResponse:
    """List schedules, newest first."""
    found, total = await _crons(sdk).found(who, parsed(run_bodies.CronSearch, body))
    return JSONResponse(found, headers={"X-Pagination-Total": str(total)})


@router.post("/runs/crons/count")
async def count(who: Caller, sdk: SdkParts, body: Body) -> JSONResponse:
    """Count schedules."""
    asked = parsed(run_bodies.CronSearch, body).model_copy(update={"limit": 1, "offset": 0})
    return JSONResponse((await _crons(sdk).found(who, asked))[1])


@router.patch("/runs/crons/{cron_id:name}")
async def change(cron_id: str, who: Caller, sdk: SdkParts, body: Body) -> JSONResponse:
    """Change a schedule."""
    return JSONResponse(await _crons(sdk).change(who, _named(cron_id), parsed(run_bodies.CronPatch, body)))


@router.delete("/runs/crons/{cron_id:name}", status_code=204)
async def forget(cron_id: str, who: Caller, sdk: SdkParts) -> Response:
    """Forget a schedule."""
    await _crons(sdk).forget(who, _named(cron_id))
    return Response(status_code=204)


def _named(cron_id: str) -> str:
    if not cron_id.isprintable():
        raise cron_not_found()
    return cron_id
