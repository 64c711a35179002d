"""From exact aggregates to metrics: a rate without a denominator has no value, and why is said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from functools import reduce

from contracts.packets import Metric
from contracts.tables import Aggregate, Formula, Totals, shown
from nodes.tables.profile import Profile
from nodes.tables.wanted import Wanted

# Wide enough that no sum of an engine's decimals is ever rounded.
_EXACT = Context(prec=200)


@dataclass(frozen=True)
class Computed:
    """A metric with what asked for it; ``why`` says why it has no value, where it has none."""

    metric: Metric
    wanted: Wanted
    why: str | None = None


def needed(every: Iterable[Wanted]) -> tuple[Aggregate, ...]:
    """Return all aggregates that formulas are made of, each once."""
    asked = [a for w in every for a in (*w.formula.aggregates, *_counted(w.formula))]
    return tuple(dict.fromkeys(asked))


def computed(
    profile: Profile, every: Sequence[Wanted], asked: Sequence[Aggregate], by: Mapping[str | None, Sequence[Totals]]
) -> list[Computed]:
    """Return every metric, with one for each group where it is wanted by group."""
    found = []
    for one in every:
        for totals in by[one.grouping]:
            values = dict(zip(asked, totals.values, strict=True))
            group = one.channel if one.grouping is None else f"{one.grouping}={totals.group}"
            found.append(_metric(profile, one, group, values, totals.rows))
    return found


def _counted(formula: Formula) -> tuple[Aggregate, ...]:
    """Return what counts the values that went into a formula of one column."""
    if formula.under or len(formula.over) > 1 or formula.over[0].column is None:
        return ()
    return (Aggregate("count", formula.over[0].column, formula.over[0].where),)


def _metric(
    profile: Profile, one: Wanted, group: str | None, values: Mapping[Aggregate, Decimal | None], rows: int
) -> Computed:
    value, why = evaluated(one.formula, values)
    counted = [values[a] for a in _counted(one.formula)]
    went_in = int(counted[0] or 0) if counted else rows
    written = f"{one.formula}{profile.span}"
    metric = Metric(name=one.name, value=shown(value), unit=one.unit, formula=written, rows=went_in, group=group)
    return Computed(metric, one, why)


def evaluated(
    formula: Formula, values: Mapping[Aggregate, Decimal | None]
) -> tuple[Decimal | Fraction | None, str | None]:
    """Return a formula's value, or none and why: nothing is divided by zero, and nothing missing counts as zero."""
    if (empty := next((a for a in formula.aggregates if values[a] is None), None)) is not None:
        return None, f"{empty} has no value"
    over = _added(values[a] for a in formula.over)
    if not formula.under:
        return over, None
    under = _added(values[a] for a in formula.under)
    if under == 0:
        return None, f"{Formula(formula.under)} is 0"
    return Fraction(over) * formula.scale / Fraction(under), None


def _added(parts: Iterable[Decimal | None]) -> Decimal:
    return reduce(_EXACT.add, (p for p in parts if p is not None), Decimal(0))
