"""The store's metrics: counts, ages, tokens, cost and failures over all tenants, the same from whichever process."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

Row = Mapping[str, Any]

# By name: what it means, and its labels. `_total` is a counter, `_seconds` a histogram, anything else a gauge.
STORE: dict[str, tuple[str, tuple[str, ...]]] = {
    "colony_missions_started_total": ("Missions submitted", ("mission_type",)),
    "colony_missions_ended_total": ("Missions that ended, by how", ("mission_type", "status")),
    "colony_mission_queued_seconds": ("Time from submission until a worker took the mission", ("mission_type",)),
    "colony_stage_duration_seconds": ("Time a stage took, without waiting for a person", ("mission_type", "stage")),
    "colony_model_calls_total": ("Requests to models", ("tier", "provider", "model", "status")),
    "colony_model_tokens_total": ("Tokens to and from models", ("tier", "provider", "model", "direction")),
    "colony_model_cost_usd_total": ("US dollars spent on models", ("tier", "provider", "model")),
    "colony_model_call_duration_seconds": ("Time until a model's answer ended", ("tier", "provider", "model")),
    "colony_provider_failures_total": ("Requests that a model provider did not answer", ("provider", "model", "code")),
    "colony_tool_calls_total": ("Tool calls; a refused one has no tool's name", ("tool", "status")),
    "colony_tool_failures_total": ("Tool calls that failed, by why", ("tool", "code")),
    "colony_policy_decisions_total": ("Policy decisions", ("layer", "outcome")),
    "colony_approval_wait_seconds": ("Time that an approval waited until it was closed", ("outcome",)),
    "colony_writebacks_total": ("Changes sent to the root, by how that ended", ("outcome",)),
}
GAUGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "colony_missions": ("Missions that have not ended", ("status",)),
    "colony_missions_without_runner": ("Missions that should run and that no worker has", ()),
    "colony_missions_without_runner_age_seconds": ("Time since the longest-waiting of them was last touched", ()),
    "colony_leases_held": ("Missions that a worker has", ()),
    "colony_queue_jobs": ("Jobs in the queue", ("status",)),
    "colony_approvals_pending": ("Approvals that wait for a person", ()),
    "colony_approvals_pending_age_seconds": ("Age of the oldest of them", ()),
    "colony_writebacks_unresolved": ("Changes of which nobody knows whether the root made them", ()),
    "colony_halts_in_force": ("Halts of a tenant, or of everybody, that nobody has lifted yet", ()),
    "colony_relay_backlog_events": ("Events that a channel has not carried yet", ("channel",)),
    "colony_relay_backlog_missions": ("Missions with such events", ("channel",)),
    "colony_relay_backlog_age_seconds": ("For how long the oldest of them has waited", ("channel",)),
    "colony_relay_retrying_missions": ("Missions whose next event was refused at least once", ("channel",)),
    "colony_relay_dead_letters": ("Events that a channel has given up", ("channel",)),
}
UP = "colony_store_up"


class StoreMetrics(Collector):
    """One reading of the store; ``None`` when it did not answer."""

    def __init__(self, read: tuple[Iterable[Row], Iterable[Row]] | None) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """Give the families, those without a sample included."""
        yield GaugeMetricFamily(UP, "Whether Postgres answered this scrape", value=float(self._read is not None))
        if self._read is None:
            return
        series, gauges = (
            {name: list(rows) for name, rows in groupby(sorted(part, key=_name), _name)} for part in self._read
        )
        for name, (meaning, labels) in STORE.items():
            make = _counter if name.endswith("_total") else _histogram
            yield make(name, meaning, labels, series.get(name, []))
        for name, (meaning, labels) in GAUGES.items():
            family = GaugeMetricFamily(name, meaning, labels=labels)
            for row in gauges.get(name, []):
                family.add_metric(_values(row, labels), float(row["value"]))
            yield family


def _name(row: Row) -> str:
    return str(row["name"])


def _values(row: Row, labels: tuple[str, ...]) -> list[str]:
    return [str(row["labels"].get(label, "")) for label in labels]


def _counter(name: str, meaning: str, labels: tuple[str, ...], rows: Iterable[Row]) -> Metric:
    family = CounterMetricFamily(name, meaning, labels=labels)
    for row in rows:
        family.add_metric(_values(row, labels), float(row["sum"]))
    return family


def _histogram(name: str, meaning: str, labels: tuple[str, ...], rows: Iterable[Row]) -> Metric:
    family = HistogramMetricFamily(name, meaning, labels=labels)
    for values, group in groupby(
        sorted(rows, key=lambda r: (_values(r, labels), r["le"])), lambda r: _values(r, labels)
    ):
        below, total, buckets = 0, 0.0, []
        for row in group:
            below += int(row["count"])
            total += float(row["sum"])
            buckets.append(("+Inf" if row["le"] == math.inf else str(row["le"]), below))
        family.add_metric(values, buckets, sum_value=total)
    return family
