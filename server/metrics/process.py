"""This process's own metrics: requests, streams, pools and missions at work. Another process has its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

PoolStats = Callable[[], Mapping[str, int]]
_POOL = {
    "colony_db_pool_connections": ("Connections open", "pool_size"),
    "colony_db_pool_idle": ("Connections open and not in use", "pool_available"),
    "colony_db_pool_max": ("Most connections that the pool may open", "pool_max"),
    "colony_db_pool_waiting": ("Callers that wait for a connection", "requests_waiting"),
}


@dataclass(eq=False)
class ProcessMetrics(Collector):
    """The registry of one process.

    Attributes:
        pools: each connection pool's statistics, by name.
        streams: how many event streams are open.
        at_work: how many missions run here.
        law: the highest version of the constitution seen here, and whether it failed to verify at the last look.
    """

    pools: Mapping[str, PoolStats]
    streams: Callable[[], int]
    at_work: Callable[[], int]
    law: Callable[[], tuple[int, bool]] = lambda: (0, False)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.requests = Counter(
            "colony_http_requests_total", "Requests answered", ["route", "method", "status"], registry=self.registry
        )
        self.latency = Histogram(
            "colony_http_request_duration_seconds",
            "Time until an answer's first byte",
            ["route", "method"],
            registry=self.registry,
        )
        self._refused = Counter(
            "colony_http_refused_total", "Requests and streams refused by a limit", ["limit"], registry=self.registry
        )
        for whose in ("principal", "tenant"):
            for what in ("rate", "streams"):
                self._refused.labels(f"{whose}_{what}")
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.registry.register(self)

    def refused(self, limit: str) -> None:
        """Count a refusal by a limit."""
        self._refused.labels(limit).inc()

    def collect(self) -> Iterator[Metric]:
        """Give what is read anew at every scrape."""
        yield GaugeMetricFamily("colony_streams_open", "Event streams open in this process", value=self.streams())
        yield GaugeMetricFamily("colony_missions_at_work", "Missions that this process runs", value=self.at_work())
        version, failed = self.law()
        yield GaugeMetricFamily(
            "colony_constitution_version", "Highest version of the constitution seen in force here", value=version
        )
        yield GaugeMetricFamily(
            "colony_constitution_unverified", "Whether none held when this process last looked", value=failed
        )
        stats = {name: read() for name, read in self.pools.items()}
        for metric, (meaning, key) in _POOL.items():
            family = GaugeMetricFamily(metric, meaning, labels=["pool"])
            for name, now in stats.items():
                family.add_metric([name], float(now.get(key, 0)))
            yield family
