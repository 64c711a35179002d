"""A router that a product mounts: Colony's missions under the product's own authentication."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.requests import ClientDisconnect

from colony_gateway.client import ColonyGateway, of
from colony_gateway.settings import GatewaySettings
from colony_gateway.trace import traced
from colony_gateway.values import Caller, Degraded
from colony_gateway.wire import STREAM, Opened, Passed

MAX_BODY = 1_048_576
# Nothing else of the product's caller goes on: neither its cookies nor its own credentials.
_ON = ("Idempotency-Key", "Last-Event-ID", "traceparent", "tracestate")
_DEGRADED: dict[int | str, dict[str, Any]] = {503: {"model": Degraded, "description": "Colony can't be used"}}


def colony_router(
    settings: GatewaySettings | None = None,
    *,
    caller: Callable[..., Any],
    gateway: ColonyGateway | None = None,
    prefix: str = "/api/colony",
) -> APIRouter:
    """Return a router with submit, list, get, events (JSON or SSE), approve, reject, cancel and the approvals.

    Args:
        settings: where Colony is; read from the environment when they are not given.
        caller: the product's own dependency: it authenticates the request and returns a `Caller`. There is no default:
            a router that admits everybody would hand out the gateway's key.
        gateway: a client to share; it is then the product's to close.
        prefix: where the routes are. Colony's answers link to ``/api/colony``.
    """
    owned = gateway is None
    spoken = gateway or ColonyGateway(settings)

    async def admit(request: Request, who: Caller = Depends(caller)) -> None:  # noqa: B008
        request.state.colony_caller = who

    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[None]:
        yield
        if owned:
            await spoken.aclose()

    router = APIRouter(
        prefix=prefix, tags=["colony"], dependencies=[Depends(admit)], responses=_DEGRADED, lifespan=lifespan
    )
    routes = _Routes(spoken)
    router.add_api_route("/missions", routes.submit, methods=["POST"], status_code=202)
    router.add_api_route("/missions", routes.missions, methods=["GET"])
    router.add_api_route("/missions/{mission_id}", routes.mission, methods=["GET"])
    router.add_api_route("/missions/{mission_id}/events", routes.events, methods=["GET"])
    for command in (routes.approve, routes.reject, routes.cancel):
        path = f"/missions/{{mission_id}}/{command.__name__}"
        router.add_api_route(path, command, methods=["POST"], status_code=202)
    router.add_api_route("/approvals", routes.approvals, methods=["GET"])
    return router


@dataclass(frozen=True)
class _Routes:
    gateway: ColonyGateway

    async def submit(self, request: Request) -> Response:
        """Submit a mission."""
        return await self._post(request, "/missions")

    async def missions(self, request: Request) -> Response:
        """List missions, newest first."""
        return await self._get(request, "/missions")

    async def mission(self, request: Request, mission_id: str) -> Response:
        """Return one mission with its packet and what it waits for."""
        return await self._get(request, of(mission_id))

    async def approvals(self, request: Request) -> Response:
        """Return the queue of pending approvals."""
        return await self._get(request, "/approvals")

    async def approve(self, request: Request, mission_id: str) -> Response:
        """Answer the pending approval, proposal by proposal."""
        return await self._post(request, of(mission_id, "approve"))

    async def reject(self, request: Request, mission_id: str) -> Response:
        """Turn down everything that is pending."""
        return await self._post(request, of(mission_id, "reject"))

    async def cancel(self, request: Request, mission_id: str) -> Response:
        """Stop a mission."""
        return await self._post(request, of(mission_id, "cancel"))

    async def events(self, request: Request, mission_id: str) -> Response:
        """Return a mission's events, or stream them when asked for ``text/event-stream``."""
        if STREAM not in request.headers.get("Accept", ""):
            return await self._get(request, of(mission_id, "events"))
        params = dict(request.query_params)
        outcome = await self.gateway.open_events(mission_id, _caller(request), params=params, headers=_on(request))
        if not isinstance(outcome, Opened):
            return shown(outcome)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "X-Trace-Id": outcome.trace_id}
        return StreamingResponse(outcome.frames(), media_type=STREAM, headers=headers)

    async def _get(self, request: Request, path: str) -> Response:
        params = dict(request.query_params)
        return shown(await self.gateway.call("GET", path, _caller(request), params=params, headers=_on(request)))

    async def _post(self, request: Request, path: str) -> Response:
        content = await _body(request)
        if isinstance(content, Response):
            return content
        said = {"Content-Type": request.headers["Content-Type"]} if "Content-Type" in request.headers else {}
        headers = said | _on(request)
        return shown(await self.gateway.call("POST", path, _caller(request), content=content, headers=headers))


def shown(outcome: Passed | Degraded) -> Response:
    """Return what came of a call as an HTTP answer."""
    if isinstance(outcome, Passed):
        return Response(outcome.content, outcome.status, outcome.headers, media_type=outcome.media_type)
    headers = {
        "Retry-After": str(math.ceil(outcome.retry_after_ms / 1_000)),
        "X-Trace-Id": outcome.trace_id,
        "Cache-Control": "no-store",
    }
    return JSONResponse(outcome.model_dump(mode="json"), 503, headers)


def _caller(request: Request) -> Caller:
    who = request.state.colony_caller
    if not isinstance(who, Caller):
        raise TypeError("the dependency given as `caller` must return a colony_gateway.Caller")
    return who


def _on(request: Request) -> dict[str, str]:
    return {name: request.headers[name] for name in _ON if name in request.headers}


async def _body(request: Request) -> bytes | Response:
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY:
                return _problem(request, 413, "too_large", f"the body is over {MAX_BODY} bytes")
    except ClientDisconnect:
        return _problem(request, 400, "malformed", "the body was cut short")
    return bytes(body)


def _problem(request: Request, status: int, code: str, detail: str) -> Response:
    trace_id = traced(request.headers.get("traceparent"))[1]
    body = {"type": "about:blank", "status": status, "code": code, "detail": detail, "trace_id": trace_id}
    return JSONResponse(body, status, {"X-Trace-Id": trace_id}, media_type="application/problem+json")
