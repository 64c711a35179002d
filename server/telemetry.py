"""Tracing of this process, on only where a collector is configured."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from server.settings import Settings


@contextmanager
def exported(settings: Settings) -> Iterator[None]:
    """Send this process's spans to the configured collector for the length of the block; without one, do nothing.

    A collector that is away costs its spans, one line in the log, and at most two seconds at the process's end. The
    ``OTEL_*`` variables of the SDK (headers, timeout, sampler, resource) hold besides.
    """
    # Their own complaints repeat themselves for every batch and request; what is worth saying is said by `spans`.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    if settings.otlp_endpoint is None:
        yield
        return
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http")  # the names that are stable
    from server.spans import export_to

    with export_to(settings.otlp_endpoint):
        yield
