"""A port of its own for the metrics of a process that has no API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import start_http_server

from contracts.errors import SettingInvalid
from server.metrics.process import ProcessMetrics


@contextmanager
def metrics_served(metrics: ProcessMetrics, host: str, port: int) -> Iterator[str]:
    """Serve a process's metrics, from a thread, for the length of the block; gives the URL.

    Raises:
        SettingInvalid: the address can't be had.
    """
    try:
        server, thread = start_http_server(port, addr=host, registry=metrics.registry)
    except (OSError, OverflowError) as exc:
        raise SettingInvalid(
            f"--metrics-port: {host}:{port} can't be listened on", hint="Another program has it; choose another."
        ) from exc
    try:
        yield f"http://{host}:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
