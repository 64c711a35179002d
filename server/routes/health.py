"""Health and metrics."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from contracts.errors import StoreUnavailable
from server.routes.missions import Parts

router = APIRouter(prefix="/api/colony", tags=["health"])


@router.get("/health")
async def live() -> dict[str, str]:
    """Say that the process is up."""
    return {"status": "ok"}


@router.get("/health/ready")
async def ready(colony: Parts) -> JSONResponse:
    """Say whether every part answers."""
    try:
        await colony.reader.ping()
    except StoreUnavailable as exc:
        parts = {"postgres": {"status": "down", "code": exc.code}}
        return JSONResponse({"status": "degraded", "parts": parts}, status_code=503)
    return JSONResponse({"status": "ok", "parts": {"postgres": {"status": "ok"}}})


@router.get("/metrics")
async def metrics(colony: Parts) -> Response:
    """Return counts over all tenants in Prometheus' text format."""
    registry = CollectorRegistry()
    missions = Gauge("colony_missions", "Missions by status", ["status"], registry=registry)
    pending = Gauge("colony_approvals_pending", "Approvals that wait for a person", registry=registry)
    for what, count in (await colony.reader.counts()).items():
        if what == "approval_pending":
            pending.set(count)
        else:
            missions.labels(what.removeprefix("mission_")).set(count)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
