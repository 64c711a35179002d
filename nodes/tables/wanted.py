"""Which metrics a table gives: totals of every number, rates of what is recognised, the same for every group."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from contracts.tables import Aggregate, Formula, written
from nodes.tables.cells import Column
from nodes.tables.lexicon import CURRENCIES, MONEY, RATES, Rate, Role, role_of, words
from nodes.tables.profile import Outcome, Profile


@dataclass(frozen=True)
class Wanted:
    """One metric to compute, for all rows or for every group of a grouping.

    Attributes:
        grouping: the grouping's key, none for all rows.
        channel: the channel that the formula's own columns are of.
        headline: whether a claim is made of it.
    """

    name: str
    unit: str
    formula: Formula
    grouping: str | None = None
    channel: str | None = None
    headline: bool = False


MOST_MEASURES = 24
"""Columns that are totalled for every group; of a table with more the first."""

MONEY_UNIT = "money"
"""The unit of amounts whose currency nothing names."""

ROWS = Formula((Aggregate("count"),))


def wanted(profile: Profile) -> list[Wanted]:
    """Return everything that can be computed of the table, in the order it is shown."""
    found = [Wanted("rows", "rows", ROWS, headline=True)]
    for column in profile.numbers:
        found += _of_column(profile, column)
    found += _common(profile, None)
    found += _of_channels(profile)
    for grouping in profile.groupings:
        found.append(Wanted("rows", "rows", ROWS, grouping.key))
        found += _common(profile, grouping.key)
    first: dict[tuple[str, str | None, str | None], Wanted] = {}
    for one in found:
        first.setdefault((one.name, one.grouping, one.channel), one)
    return list(first.values())


def _of_column(profile: Profile, column: Column) -> Iterator[Wanted]:
    unit, name = unit_of(column), column.name
    total = Aggregate("sum", name)
    yield Wanted(f"{name}_total", unit, Formula((total,)), headline=name in profile.meaning.measures)
    yield Wanted(f"{name}_mean", unit, Formula((total,), (Aggregate("count", name),)))
    yield Wanted(f"{name}_min", unit, Formula((Aggregate("min", name),)))
    yield Wanted(f"{name}_max", unit, Formula((Aggregate("max", name),)))
    yield Wanted(f"{name}_count", "values", Formula((Aggregate("count", name),)))


def unit_of(column: Column) -> str:
    """Return the unit of a column's numbers: what its cells say, else what its name says."""
    if column.unit is not None:
        return column.unit
    named = next((word.upper() for word in words(column.name) if word in CURRENCIES), None)
    role = role_of(column.name)
    return named or ("value" if role is None else MONEY_UNIT if role in MONEY else role)


def currency(profile: Profile, columns: Iterable[str]) -> str | None:
    """Return the unit of amounts in several columns: their one currency, ``money`` when none or not all name it.

    None when they name several: such amounts can't be added, and nothing can be told of one by another.
    """
    units = {unit_of(c) for c in profile.numbers if c.name in set(columns)}
    named = units - {MONEY_UNIT}
    if len(named) > 1:
        return None
    return min(named) if len(units) == 1 and named else MONEY_UNIT


def _common(profile: Profile, grouping: str | None) -> Iterator[Wanted]:
    """Yield what is computed for all rows and for every group alike."""
    if grouping is not None:
        units = {c.name: unit_of(c) for c in profile.numbers}
        for name in profile.meaning.measures[:MOST_MEASURES]:
            yield Wanted(f"{name}_total", units[name], Formula((Aggregate("sum", name),)), grouping)
    roles = profile.meaning.roles
    for role, columns in roles.items():
        unit = _unit(profile, role, columns)
        if len(columns) > 1 and unit is not None:
            yield Wanted(f"{role}_total", unit, Formula(_sums(columns)), grouping, headline=True)
    for rate in RATES:
        if rate.over in roles and rate.under in roles:
            yield from _rate(profile, rate, roles[rate.over], roles[rate.under], grouping)
    if grouping is not None and "spend" in roles and currency(profile, roles["spend"]) is not None:
        whole = tuple(Aggregate("total", name) for name in roles["spend"])
        yield Wanted("spend_share", "ratio", Formula(_sums(roles["spend"]), whole), grouping)
    if profile.outcome is not None and grouping != written(profile.outcome.column):
        yield from _of_outcome(profile, profile.outcome, grouping)


def _rate(
    profile: Profile,
    rate: Rate,
    over: tuple[str, ...],
    under: tuple[str, ...],
    grouping: str | None = None,
    channel: str | None = None,
) -> Iterator[Wanted]:
    """Yield a rate in the currency of its own columns; none of amounts in several."""
    amounts = [*(over if rate.over in MONEY else ()), *(under if rate.under in MONEY else ())]
    unit = rate.unit
    if amounts:
        if (of_amounts := currency(profile, amounts)) is None:
            return
        unit = unit if unit == "ratio" else f"{of_amounts} {unit}"
    formula = Formula(_sums(over), _sums(under), rate.scale)
    yield Wanted(rate.name, unit, formula, grouping, channel, headline=True)


def _sums(columns: tuple[str, ...]) -> tuple[Aggregate, ...]:
    return tuple(Aggregate("sum", name) for name in columns)


def _unit(profile: Profile, role: Role, columns: tuple[str, ...]) -> str | None:
    return currency(profile, columns) if role in MONEY else role


def _of_channels(profile: Profile) -> Iterator[Wanted]:
    """Yield each channel's totals, its share of the spend and its rates, where channels have columns of their own."""
    for channel, measures in profile.meaning.channels.items():
        spend = (measures["spend"],)
        for role, name in measures.items():
            total = Formula(_sums((name,)))
            yield Wanted(f"{role}_total", _unit(profile, role, (name,)) or role, total, channel=channel, headline=True)
        if currency(profile, profile.meaning.roles["spend"]) is not None:
            share = Formula(_sums(spend), _sums(profile.meaning.roles["spend"]))
            yield Wanted("spend_share", "ratio", share, channel=channel, headline=True)
        for rate in RATES:
            if rate.over in measures and rate.under in measures:
                over, under = (measures[rate.over],), (measures[rate.under],)
                yield from _rate(profile, rate, over, under, channel=channel)


def _of_outcome(profile: Profile, outcome: Outcome, grouping: str | None) -> Iterator[Wanted]:
    column = written(outcome.column)
    won = Aggregate("count", where=(column, outcome.won))
    every = Aggregate("count")
    if outcome.lost is None:
        yield Wanted("converted_count", "rows", Formula((won,)), grouping, headline=True)
        yield Wanted("conversion_rate", "ratio", Formula((won,), (every,)), grouping, headline=True)
        return
    lost = Aggregate("count", where=(column, outcome.lost))
    yield Wanted("won_count", "rows", Formula((won,)), grouping, headline=True)
    yield Wanted("lost_count", "rows", Formula((lost,)), grouping, headline=True)
    yield Wanted("win_rate", "ratio", Formula((won,), (won, lost)), grouping, headline=True)
    yield Wanted("won_share", "ratio", Formula((won,), (every,)), grouping)
    units = {c.name: unit_of(c) for c in profile.numbers}
    for name in profile.meaning.roles.get("revenue", ()):
        of_won = Aggregate("sum", name, (column, outcome.won))
        valued = Aggregate("count", name, (column, outcome.won))
        yield Wanted(f"won_{name}_total", units[name], Formula((of_won,)), grouping, headline=True)
        yield Wanted(f"won_{name}_mean", f"{units[name]} per row won", Formula((of_won,), (valued,)), grouping)
