"""Health and metrics."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from contracts.errors import ConstitutionUnverified, StoreUnavailable
from server import shapes
from server.compose import Colony
from server.errors import status_for
from server.metrics.store import StoreMetrics
from server.routes.parts import BoundedRoute, Parts

router = APIRouter(prefix="/api/colony", tags=["health"], route_class=BoundedRoute)
_PING_S = 2.0
_NOT_READY = status_for(StoreUnavailable)


@router.get("/health", response_model=shapes.Health)
async def live() -> JSONResponse:
    """Say that the process is up."""
    return JSONResponse({"status": "ok"})


@router.get(
    "/health/ready",
    response_model=shapes.Readiness,
    responses={_NOT_READY.value: {"model": shapes.Readiness, "description": "What is down."}},
)
async def ready(colony: Parts) -> JSONResponse:
    """Say whether every part answers."""
    if await _store_answers(colony):
        parts, law = {"postgres": {"status": "ok"}}, await _constitution(colony)
        # Without a constitution missions are refused, and requests are not: it is activated by one.
        status = "ok" if law["status"] == "ok" else "degraded"
        return JSONResponse({"status": status, "parts": {**parts, "constitution": law}})
    parts = {"postgres": {"status": "down", "code": StoreUnavailable.code}}
    answer = {"status": "degraded", "parts": parts}
    return JSONResponse(answer, status_code=_NOT_READY.value, headers={"Retry-After": "1"})


async def _store_answers(colony: Colony) -> bool:
    """Tell whether Postgres gives a sign of life in time; one that neither answers nor refuses is left behind."""
    ping = asyncio.ensure_future(colony.reader.ping())
    await asyncio.wait({ping}, timeout=_PING_S)
    if not ping.done():
        ping.cancel()
        return False
    error = ping.exception()
    if error is not None and not isinstance(error, StoreUnavailable):
        raise error
    return error is None


async def _constitution(colony: Colony) -> dict[str, str]:
    try:
        await colony.constituting.verified()
    except (ConstitutionUnverified, StoreUnavailable) as exc:
        return {"status": "down", "code": exc.code}
    return {"status": "ok"}


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        HTTPStatus.OK.value: {
            "description": "Prometheus' text format",
            "content": {CONTENT_TYPE_LATEST: {"schema": {"type": "string"}}},
        },
    },
)
async def metrics(colony: Parts) -> Response:
    """Return counts over all tenants, and this process's own, in Prometheus' text format."""
    stored = CollectorRegistry()
    try:
        stored.register(StoreMetrics(await colony.reader.metrics()))
    except StoreUnavailable:
        stored.register(StoreMetrics(None))
    page = generate_latest(stored) + generate_latest(colony.metrics.registry)
    return Response(page, media_type=CONTENT_TYPE_LATEST)
