"""Which of a table's rates a decision can stand on, and which groups are best and worst by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from contracts.packets import Metric
from nodes.tables.lexicon import RATES, UNKNOWN

_ORDER = ("roas", "cost_per_sale", "cpl", "cost_per_conversion", "win_rate", "conversion_rate", "cpc", "cpm", "ctr")
_LOWER_IS_BETTER = frozenset(rate.name for rate in RATES if rate.better == "low")
_OF_ROWS = frozenset({"win_rate", "conversion_rate"})
ENOUGH_ROWS = 30
"""Rows below which a share of rows is too shaky to be called best or worst."""


@dataclass(frozen=True)
class Ends:
    """The best and the worst group of one grouping by one rate; ``few`` groups were too small to be compared."""

    grouping: str
    best: Metric
    worst: Metric
    few: int

    @property
    def spends(self) -> bool:
        """Whether the rate says something about money, so that money can be moved by it."""
        return self.best.name in _LOWER_IS_BETTER or self.best.name == "roas"

    @property
    def of_time(self) -> bool:
        """Whether the groups are times, which nothing can be moved to."""
        name, _, _ = str(self.best.group).partition("=")
        value = str(self.best.group)[len(self.grouping) + 1 :]
        return name.startswith(("month(", "year(")) or value[:4].isdigit()


def deciding(metrics: Sequence[Metric], grouping: str | None) -> str | None:
    """Return the rate that says most about what to change, of those that at least two groups of a grouping have."""
    valued = [m.name for m in metrics if m.value is not None and _in(m, grouping)]
    return next((name for name in _ORDER if valued.count(name) > 1), None)


def ends(metrics: Sequence[Metric], groupings: Sequence[str | None]) -> list[Ends]:
    """Return best and worst of each grouping by its deciding rate, those farthest apart first.

    Grouping None are channels that have columns of their own. What is unknown is neither best nor worst.
    """
    found = []
    for grouping in groupings:
        name = deciding(metrics, grouping)
        of_groups = [m for m in metrics if m.name == name and m.value is not None and _in(m, grouping)]
        named = [m for m in of_groups if str(m.group).rpartition("=")[2].casefold() not in UNKNOWN]
        enough = [m for m in named if name not in _OF_ROWS or _support(metrics, m) >= ENOUGH_ROWS]
        ranked = sorted(enough, key=lambda m: (_amount(m), str(m.group)))
        if len(ranked) < 2 or _amount(ranked[0]) == _amount(ranked[-1]):
            continue
        low, high = ranked[0], ranked[-1]
        best, worst = (low, high) if name in _LOWER_IS_BETTER else (high, low)
        found.append(Ends(grouping or "channel", best, worst, len(named) - len(enough)))
    return sorted(found, key=lambda e: -_spread(e))


def _support(metrics: Sequence[Metric], metric: Metric) -> int:
    """Return how many rows a share of rows is of: of a win rate the decided ones."""
    if metric.name != "win_rate":
        return metric.rows
    decided = {"won_count", "lost_count"}
    return sum(int(m.value or 0) for m in metrics if m.group == metric.group and m.name in decided)


def _spread(end: Ends) -> Decimal:
    """Return how far apart the ends are, as a share of the larger."""
    low, high = sorted((_amount(end.best), _amount(end.worst)))
    return (high - low) / max(abs(high), abs(low))


def _in(metric: Metric, grouping: str | None) -> bool:
    if metric.group is None:
        return False
    return "=" not in metric.group if grouping is None else metric.group.startswith(f"{grouping}=")


def _amount(metric: Metric) -> Decimal:
    return Decimal(str(metric.value))
