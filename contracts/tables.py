"""Formulas over tables, as values that can be written down, and what a table engine is given to compute them.

A formula is written so that a person can do it again: ``sum(spend) / sum(clicks)``,
``count(rows where y = "yes") / count(rows)``, ``1000 * sum(spend) / sum(impressions)``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from contracts.packets import Metric

Function = Literal["sum", "count", "min", "max", "total"]

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_LEAST_PLAIN, _MOST_PLAIN = 1e-4, 1e16


def written(column: str) -> str:
    """Return a column's name as formulas show it: in quotes unless it is a plain word."""
    plain = _PLAIN_NAME.fullmatch(column) and column != "rows"
    return column if plain else json.dumps(column, ensure_ascii=False)


@dataclass(frozen=True)
class Aggregate:
    """One aggregate of a column, or of the rows themselves when there is no column.

    Attributes:
        function: ``total`` is the sum over all rows, whatever group is looked at.
        where: only rows whose column, as it is written, has exactly this text.
    """

    function: Function
    column: str | None = None
    where: tuple[str, str] | None = None

    def __str__(self) -> str:
        inner = "rows" if self.column is None else written(self.column)
        if self.where is not None:
            inner += f" where {self.where[0]} = {json.dumps(self.where[1], ensure_ascii=False)}"
        return f"{self.function}({inner})"


@dataclass(frozen=True)
class Formula:
    """A sum of aggregates, or a rate of two such sums; ``over`` is multiplied by ``scale``."""

    over: tuple[Aggregate, ...]
    under: tuple[Aggregate, ...] = ()
    scale: int = 1

    def __str__(self) -> str:
        text = _sum(self.over)
        if self.scale != 1:
            text = f"{self.scale} * {text}"
        return f"{text} / {_sum(self.under)}" if self.under else text

    @property
    def aggregates(self) -> tuple[Aggregate, ...]:
        """All that has to be known to compute it."""
        return self.over + self.under


def _sum(parts: Sequence[Aggregate]) -> str:
    text = " + ".join(map(str, parts))
    return f"({text})" if len(parts) > 1 else text


@dataclass(frozen=True)
class Frame:
    """A table's columns as an engine takes them: every column as long as the table.

    Attributes:
        texts: columns to filter and group by, under the names that formulas and groups are written with.
        numbers: columns to compute with, as canonical decimals; None where there is no value.
    """

    rows: int
    texts: Mapping[str, Sequence[str | None]]
    numbers: Mapping[str, Sequence[str | None]]


@dataclass(frozen=True)
class Totals:
    """The aggregates of one group (``None``: of all rows), in the order they were asked for."""

    group: str | None
    rows: int
    values: tuple[Decimal | None, ...]


def shown(value: Decimal | Fraction | None) -> float | int | str | None:
    """Return a number as JSON carries it without changing it.

    A whole number is an integer and a decimal that a double prints digit for digit is a number; any other is text with
    all its digits. A rate is the double nearest to it.
    """
    if value is None:
        return None
    if isinstance(value, Fraction):
        value = Decimal(value.numerator) if value.denominator == 1 else Decimal(repr(float(value)))
    if value == value.to_integral_value():
        return int(value) if abs(value) < 1 << 53 else str(int(value))
    near = float(value)
    plain = _LEAST_PLAIN <= abs(near) < _MOST_PLAIN
    # Never normalize(): it rounds to the context's digits.
    return near if plain and Decimal(repr(near)) == value else format(value, "f").rstrip("0")


def metric_key(metric: Metric) -> str:
    """Return the name by which claims and findings refer to a metric."""
    return metric.name if metric.group is None else f"{metric.name} [{metric.group}]"
