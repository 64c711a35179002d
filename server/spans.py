"""Spans on their way out, stripped to a list of harmless attributes.

Instrumentation of libraries notes URLs, queries and errors' words, which hold leads' ids and people's questions. So
what leaves is decided at the door and not where a span is made: an attribute that is not listed here is dropped.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

import requests
import structlog
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.httpx import HTTPX2ClientInstrumentor, HTTPXClientInstrumentor
from opentelemetry.propagate import set_global_textmap
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, Status
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_log = structlog.get_logger(__name__)
_FLUSH_S = _STOP_S = 1.0

ALLOWED = frozenset(
    {
        "colony.mission_id",
        "colony.mission_type",
        "colony.epoch",
        "colony.stage",
        "colony.revision",
        "colony.tier",
        "colony.status",
        "gen_ai.operation.name",
        "gen_ai.request.model",
        "gen_ai.tool.name",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
        "error.type",
        "http.request.method",
        "http.response.status_code",
        "http.route",
    }
)
# Of a request that goes out they are the operator's settings; of one that comes in, what the caller wrote.
ALLOWED_OUT = ALLOWED | {"server.address", "server.port"}


class StrippedExporter(SpanExporter):
    """Gives another exporter the spans without events, without errors' words, and with listed attributes only."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner
        self._down = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch; that it can't be sent is said once, until it can again."""
        result = self._inner.export([stripped(span) for span in spans])
        if (down := result is not SpanExportResult.SUCCESS) is not self._down:
            self._down = down
            if down:
                _log.warning("spans can't be delivered: the collector does not take them; they are dropped")
            else:
                _log.info("spans are delivered again")
        return result

    def shutdown(self) -> None:
        """Close the other exporter, which ends its retries."""
        self._inner.shutdown()


def stripped(span: ReadableSpan) -> ReadableSpan:
    """Return a span with nothing in it that is not listed."""
    allowed = ALLOWED_OUT if span.kind is SpanKind.CLIENT else ALLOWED
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes={name: value for name, value in (span.attributes or {}).items() if name in allowed},
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


@contextmanager
def export_to(endpoint: str) -> Iterator[None]:
    """Send spans to a collector for the length of the block; once in a process's life."""
    session = requests.Session()
    # A proxy from the environment is for the way out, never for this machine's own collector.
    session.trust_env = urlsplit(endpoint).hostname not in {"localhost", "127.0.0.1", "::1"}
    session.max_redirects = 0
    exporter = StrippedExporter(OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", session=session))
    resource = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", "colony")})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    # No baggage: what a caller sends along is not for roots and model providers.
    set_global_textmap(TraceContextTextMapPropagator())
    clients = (HTTPXClientInstrumentor(), HTTPX2ClientInstrumentor())
    for client in clients:
        client.instrument()
    try:
        yield
    finally:
        for client in clients:
            client.uninstrument()
        _stop(provider, exporter)


def _stop(provider: TracerProvider, exporter: StrippedExporter) -> None:
    """Send what is left if the collector takes it at once; a thread that still waits for it ends with the process."""
    flushing = threading.Thread(target=provider.shutdown, daemon=True)
    flushing.start()
    flushing.join(_FLUSH_S)
    if flushing.is_alive():
        exporter.shutdown()
        flushing.join(_STOP_S)
