"""The trace a request belongs to: the caller's, when it sends one, else a new one; the same for the whole request."""

from __future__ import annotations

import secrets

import structlog
from fastapi import Request
from fastapi.telemetry import TelemetryConfig
from opentelemetry import context, trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, format_trace_id
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

_propagator = TraceContextTextMapPropagator()
_QUIET = ("/api/colony/health", "/api/colony/metrics")

# The framework makes the span of a request where spans are exported; nothing else of what it could tell is wanted.
SPANS = TelemetryConfig(
    metrics=False,
    logs=False,
    operation_spans=False,
    auto_configure=False,
    exclude=lambda scope: scope["path"].startswith(_QUIET),
)


class InTrace:
    """ASGI middleware: every request is served within a trace, whether or not spans are made of it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; what is logged meanwhile names its trace."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        span = _span_of(scope)
        trace_id = format_trace_id(span.get_span_context().trace_id)
        scope.setdefault("state", {})["trace_id"] = trace_id
        token = context.attach(trace.set_span_in_context(span))
        try:
            with structlog.contextvars.bound_contextvars(trace_id=trace_id):
                await self._app(scope, receive, send)
        finally:
            context.detach(token)


def _span_of(scope: Scope) -> trace.Span:
    """Return the span that is being recorded for the request, else the caller's, else the start of a trace."""
    present = trace.get_current_span()
    if present.get_span_context().is_valid:
        return present
    callers = trace.get_current_span(_propagator.extract(Headers(scope=scope), context.Context()))
    if callers.get_span_context().is_valid:
        return callers
    new = SpanContext(
        secrets.randbits(128) or 1,
        secrets.randbits(64) or 1,
        is_remote=False,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )
    return NonRecordingSpan(new)


def trace_id_of(request: Request) -> str:
    """Return the W3C trace id of a request, 32 hex digits."""
    if not hasattr(request.state, "trace_id"):  # an app of ours that is served without the middleware
        request.state.trace_id = secrets.token_hex(16)
    return str(request.state.trace_id)
