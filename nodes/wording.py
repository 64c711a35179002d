"""How claims are worded: by code, from what is checked. No worker's and no model's own words are part of a claim."""

from __future__ import annotations

from contracts.evidence import Claim
from contracts.packets import Metric
from contracts.tables import metric_key


def fact_text(key: str, value: str) -> str:
    """Word a fact that was found in a conversation."""
    return f"{key.replace('_', ' ')}: {value}"


def record_text(line: str) -> str:
    """Word what a root's record says."""
    return f"on record, {line}"


def metric_text(metric: Metric) -> str:
    """Word a metric, with how it was computed."""
    return f"{metric_key(metric)} is {metric.value} {metric.unit}: {metric.formula}, {metric.rows} rows"


def is_worded(claim: Claim, metric: Metric | None = None) -> bool:
    """Tell whether a claim says its quote, or its value as code words it, and nothing else."""
    if metric is not None:
        return claim.text == metric_text(metric)
    quotes = {c.quote for c in claim.citations}
    if claim.value is None:
        return claim.text in quotes
    return claim.text in {*quotes, *map(record_text, quotes), fact_text(claim.attribute, claim.value)}
