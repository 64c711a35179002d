"""Counting requests: by the route's template, never by what was asked."""

from __future__ import annotations

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.metrics.process import ProcessMetrics

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class CountedRequests:
    """ASGI middleware: every answer is counted, and its time up to the first byte, so that no stream's length is."""

    def __init__(self, app: ASGIApp, metrics: ProcessMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        method = scope["method"] if scope["method"] in _METHODS else "other"

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = route_of(scope)
                self._metrics.requests.labels(route, method, message["status"]).inc()
                self._metrics.latency.labels(route, method).observe(time.perf_counter() - began)
            await send(message)

        await self._app(scope, receive, sending)


def route_of(scope: Scope) -> str:
    """Return the template that a request matched, such as ``/api/colony/missions/{mission_id}``."""
    template = getattr(scope.get("route"), "path", None)
    return f"{scope.get('root_path', '')}{template}" if template else "unmatched"
