"""What a table's metrics must be: plain csv and fractions, written for the tests, sharing nothing with the product."""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

Row = dict[str, str]
Key = tuple[str, str | None]
Rate = tuple[Sequence[str], Sequence[str], int]
Filter = Callable[[Row], bool]


@dataclass(frozen=True)
class Expected:
    """A metric's exact value, how many rows go into it, and whether it is a quotient."""

    value: Fraction | None
    rows: int
    quotient: bool = False


@dataclass(frozen=True)
class Spec:
    """What one table is expected to give.

    ``rates`` are (numerator columns, denominator columns, factor); ``counts`` are filters by metric name, ``shares``
    quotients of filters, ``valued`` sums of a column over a filter.
    """

    numbers: Sequence[str]
    measures: Sequence[str] = ()
    groups: Mapping[str, Callable[[Row], str | None]] = field(default_factory=dict)
    sums: Mapping[str, Sequence[str]] = field(default_factory=dict)
    rates: Mapping[str, Rate] = field(default_factory=dict)
    counts: Mapping[str, Filter] = field(default_factory=dict)
    shares: Mapping[str, tuple[Filter, Filter]] = field(default_factory=dict)
    valued: Mapping[str, tuple[str, Filter]] = field(default_factory=dict)
    spend: Sequence[str] = ()
    outcome: str | None = None


def read(path: Path, delimiter: str = ",") -> list[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def expected(rows: Sequence[Row], spec: Spec) -> dict[Key, Expected]:
    """Return every metric of a table and of each of its groups."""
    found: dict[Key, Expected] = {}
    for name in spec.numbers:
        values = _values(rows, name)
        found[f"{name}_count", None] = Expected(Fraction(len(values)), len(values))
        found[f"{name}_total", None] = Expected(_sum(values), len(values))
        found[f"{name}_mean", None] = _quotient(_sum(values), Fraction(len(values)), len(rows))
        found[f"{name}_min", None] = Expected(min(values, default=None), len(values))
        found[f"{name}_max", None] = Expected(max(values, default=None), len(values))
    found |= _of_rows(rows, spec, None, rows)
    for key, part in spec.groups.items():
        for value in sorted({v for row in rows if (v := part(row))}):
            members = [row for row in rows if part(row) == value]
            shown = spec if key != spec.outcome else _without_outcome(spec)
            found |= _of_rows(members, shown, f"{key}={value}", rows)
    return found


def _without_outcome(spec: Spec) -> Spec:
    return Spec(spec.numbers, spec.measures, {}, spec.sums, spec.rates, spend=spec.spend)


def _of_rows(rows: Sequence[Row], spec: Spec, group: str | None, every: Sequence[Row]) -> dict[Key, Expected]:
    n = len(rows)
    found: dict[Key, Expected] = {("rows", group): Expected(Fraction(n), n)}
    for name in spec.measures:
        values = _values(rows, name)
        found[f"{name}_total", group] = Expected(_sum(values), len(values))
    for name, columns in spec.sums.items():
        found[name, group] = Expected(_total(rows, columns), n)
    for name, (over, under, factor) in spec.rates.items():
        top, bottom = _total(rows, over), _total(rows, under)
        found[name, group] = _quotient(None if top is None else top * factor, bottom, n)
    for name, kept in spec.counts.items():
        found[name, group] = Expected(Fraction(sum(map(kept, rows))), n)
    for name, (over_of, under_of) in spec.shares.items():
        found[name, group] = _quotient(Fraction(sum(map(over_of, rows))), Fraction(sum(map(under_of, rows))), n)
    for name, (column, kept) in spec.valued.items():
        values = _values([row for row in rows if kept(row)], column)
        found[f"{name}_total", group] = Expected(_sum(values), len(values))
        found[f"{name}_mean", group] = _quotient(_sum(values), Fraction(len(values)), n)
    if spec.spend and group is not None:
        found["spend_share", group] = _quotient(_total(rows, spec.spend), _total(every, spec.spend), n)
    return found


def _values(rows: Sequence[Row], name: str) -> list[Fraction]:
    return [Fraction(row[name]) for row in rows if row[name] != ""]


def _sum(values: Sequence[Fraction]) -> Fraction | None:
    return sum(values, Fraction(0)) if values else None


def _total(rows: Sequence[Row], columns: Sequence[str]) -> Fraction | None:
    parts = [_sum(_values(rows, name)) for name in columns]
    return None if None in parts else sum((p for p in parts if p is not None), Fraction(0))


def _quotient(over: Fraction | None, under: Fraction | None, rows: int) -> Expected:
    return Expected(None if over is None or not under else over / under, rows, quotient=True)


def differences(metrics: Sequence[Mapping[str, Any]], wanted: Mapping[Key, Expected]) -> list[str]:
    """Say where metrics and expectations differ: a total to the last digit, a quotient in the double nearest to it."""
    given = {(m["name"], m["group"]): m for m in metrics}
    found = [f"{key} is missing" for key in wanted if key not in given]
    found += [f"{key} was not expected" for key in given if key not in wanted]
    found += [f"{len(metrics) - len(given)} metrics have the name of another"] * (len(given) < len(metrics))
    for key in given.keys() & wanted.keys():
        value, want = given[key]["value"], wanted[key]
        if value is None or want.value is None:
            same = value is None and want.value is None
        elif want.quotient:
            same = float(value) == float(want.value)
        else:
            same = Fraction(str(value)) == want.value
        if not same:
            found.append(f"{key} is {value}, not {want.value}")
        elif given[key]["rows"] != want.rows:
            found.append(f"{key} is of {given[key]['rows']} rows, not {want.rows}")
    return found
