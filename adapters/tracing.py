"""The present span as the store and the wire know it (W3C Trace Context)."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Protocol

from opentelemetry import trace
from opentelemetry.trace import format_span_id, format_trace_id
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

NO_SPAN = "0" * 16
_propagator = TraceContextTextMapPropagator()


def span_id(trace_id: str) -> str:
    """Return the present span's id, 16 hex digits; zeros when none is recorded, or it belongs to another trace."""
    span = trace.get_current_span()
    context = span.get_span_context()
    known = span.is_recording() and format_trace_id(context.trace_id) == trace_id
    return format_span_id(context.span_id) if known else NO_SPAN


def traceparent(trace_id: str) -> str:
    """Return the present context for whoever goes on elsewhere; empty when it belongs to another trace."""
    if format_trace_id(trace.get_current_span().get_span_context().trace_id) != trace_id:
        return ""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent", "")


class Outgoing(Protocol):
    """A request of an HTTP client."""

    @property
    def headers(self) -> MutableMapping[str, str]:
        """Its headers."""
        ...


async def stamp(request: Outgoing) -> None:
    """Put the present trace into the headers of a request that goes out; a hook for HTTP clients."""
    _propagator.inject(request.headers)
