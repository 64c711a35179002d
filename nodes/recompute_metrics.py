"""Recompute metrics from their written formulas and the cited table's text. Shares nothing with what computed them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction

from contracts.evidence import ResearchArtifact
from contracts.packets import Metric
from nodes.recompute_tables import Recount, grouped

_TEXT = r'"(?:[^"\\]|\\.)*"'
_NAME = rf"(?:[A-Za-z_][A-Za-z0-9_.]*|{_TEXT})"
_PART = rf"(?:sum|count|min|max|total)\({_NAME}(?: where {_NAME} = {_TEXT})?\)"
_SUM = rf"(?:{_PART}|\({_PART}(?: \+ {_PART})+\))"
_FORMULA = re.compile(
    rf"(?:(?P<scale>[0-9]+) \* )?(?P<over>{_SUM})(?: / (?P<under>{_SUM}))?"
    rf"(?: for (?P<time>{_NAME}) in (?P<first>[0-9-]{{10}})/(?P<last>[0-9-]{{10}}))?"
)
_ONE_PART = re.compile(
    rf"(?P<fn>sum|count|min|max|total)\((?P<column>{_NAME})(?: where (?P<where>{_NAME}) = (?P<is>{_TEXT}))?\)"
)
_GROUP = re.compile(
    rf"(?:(?P<part>month|year)\((?P<time>{_NAME})\)|(?P<column>{_NAME})(?:->(?P<other>{_NAME}))?)=(?P<value>.*)",
    re.DOTALL,
)
_LENGTHS = {"month": 7, "year": 4}
_EXACT = Context(prec=200)

Check = tuple[bool, str]


def recomputed(metrics: Sequence[Metric], evidence: Iterable[ResearchArtifact]) -> dict[str, tuple[Metric, Check]]:
    """Return, for every metric by the name that claims use, whether it comes out the same, and why not."""
    tables = sorted((a for a in evidence if a.kind == "table"), key=lambda a: a.source.id)
    main = [a for a in tables if a.source.entity == "table"]
    review = _Review(Recount(main[0].text), [Recount(a.text) for a in tables if a is not main[0]]) if main else None
    found: dict[str, tuple[Metric, Check]] = {}
    for metric in metrics:
        name = metric.name if metric.group is None else f"{metric.name} [{metric.group}]"
        check = (False, "there is no table to compute it from") if review is None else review.check(metric)
        found[name] = (metric, (False, "two metrics have one name") if name in found else check)
    return found


@dataclass(frozen=True)
class _Scope:
    """The rows a formula is about, and all rows of the period."""

    group: Sequence[int]
    every: Sequence[int]


class _Review:
    def __init__(self, main: Recount, others: Sequence[Recount]) -> None:
        self._main = main
        self._others = others
        self._places: dict[str, dict[str, list[int]]] = {}

    def check(self, metric: Metric) -> Check:
        formula = _FORMULA.fullmatch(metric.formula)
        if formula is None:
            return False, "the formula is not one that can be recomputed"
        try:
            scope = self._scope(metric, formula)
            value, rows = self._value(formula, scope)
        except (ValueError, KeyError):
            return False, "the formula names something that the table does not have"
        if rows != metric.rows:
            return False, f"{rows} rows go into it, not {metric.rows}"
        held = _same(metric.value, value)
        return held, "it comes out the same" if held else "it comes out differently"

    def _scope(self, metric: Metric, formula: re.Match[str]) -> _Scope:
        every: Sequence[int] = range(len(self._main.rows))
        if formula["time"]:
            days = self._main.dates(_plain(formula["time"]))
            every = [n for n in every if (day := days[n]) and formula["first"] <= day <= formula["last"]]
        group = _GROUP.fullmatch(metric.group or "")
        if metric.group is None or group is None:
            return _Scope(every, every)
        members = self._groups(group)[group["value"]]
        if formula["time"]:
            within = set(every)
            members = [n for n in members if n in within]
        return _Scope(members, every)

    def _groups(self, group: re.Match[str]) -> Mapping[str, list[int]]:
        key = group.string[: group.start("value")]
        if key not in self._places:
            self._places[key] = grouped(self._group_values(group))
        return self._places[key]

    def _group_values(self, group: re.Match[str]) -> list[str | None]:
        if group["part"]:
            return [d and d[: _LENGTHS[group["part"]]] for d in self._main.dates(_plain(group["time"]))]
        name = _plain(group["column"])
        cells: list[str | None] = list(self._main.cells(name))
        if not group["other"]:
            days = self._main.dates(name)
            return days if sum(d is not None for d in days) * 10 >= sum(map(bool, cells)) * 9 else cells
        looked_up = self._looked_up(name, _plain(group["other"]))
        return [looked_up.get(str(cell)) or None for cell in cells]

    def _looked_up(self, name: str, other: str) -> Mapping[str, str]:
        """Return what another table says for each of its keys, if each is there once and any is in the table."""
        for table in self._others:
            if table.columns[:1] == [name] and other in table.columns:
                keys = table.cells(name)
                if len(set(keys)) == len(keys) and not set(keys).isdisjoint(self._main.cells(name)):
                    return dict(zip(keys, table.cells(other), strict=True))
        raise KeyError(other)

    def _value(self, formula: re.Match[str], scope: _Scope) -> tuple[Decimal | Fraction | None, int]:
        over = [self._part(m, scope) for m in _ONE_PART.finditer(formula["over"])]
        if not formula["under"]:
            single = len(over) == 1
            total = None if any(v is None for v, _ in over) else _added(v for v, _ in over)
            return total, over[0][1] if single else len(scope.group)
        under = [self._part(m, scope) for m in _ONE_PART.finditer(formula["under"])]
        if any(v is None for v, _ in [*over, *under]) or (divisor := _added(v for v, _ in under)) == 0:
            return None, len(scope.group)
        return Fraction(_added(v for v, _ in over)) * int(formula["scale"] or 1) / Fraction(divisor), len(scope.group)

    def _part(self, part: re.Match[str], scope: _Scope) -> tuple[Decimal | None, int]:
        """Return one aggregate and how many values went into it."""
        rows = scope.every if part["fn"] == "total" else scope.group
        if part["where"]:
            cells, wanted = self._main.cells(_plain(part["where"])), json.loads(part["is"])
            rows = [n for n in rows if cells[n] == wanted]
        if part["column"] == "rows":
            return Decimal(len(rows)), len(scope.group)
        numbers = self._main.numbers(_plain(part["column"]))
        values = [v for n in rows if (v := numbers[n]) is not None]
        if part["fn"] == "count":
            return Decimal(len(values)), len(values)
        if not values:
            return None, 0
        if part["fn"] in {"min", "max"}:
            return (min(values) if part["fn"] == "min" else max(values)), len(values)
        return _added(values), len(values)


def _plain(name: str) -> str:
    return str(json.loads(name)) if name.startswith('"') else name


def _added(values: Iterable[Decimal | None]) -> Decimal:
    total = Decimal(0)
    for value in values:
        total = _EXACT.add(total, value or Decimal(0))
    return total


def _same(said: float | int | str | None, value: Decimal | Fraction | None) -> bool:
    if said is None or value is None:
        return said is None and value is None
    if isinstance(value, Decimal):
        return Decimal(str(said)) == value
    # A rate is given as the double that is nearest to it.
    return Fraction(str(said)) == value or float(said) == float(value)
