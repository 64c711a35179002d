"""What has to be known about a table before its numbers are believed: gaps, unreadable cells, broken references."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from nodes.tables.cells import Column
from nodes.tables.joins import Join
from nodes.tables.lexicon import KNOWN_AFTERWARDS, MONEY, UNKNOWN
from nodes.tables.profile import MOST_GROUPINGS, MOST_NUMBERS, Profile
from nodes.tables.wanted import currency, unit_of

_SHOWN = 5
_MARKS = frozenset({"99", "999", "9999", "-1", "-99", "-999"})
_MARK_SHARE = 20  # of a hundred


def remarks(profile: Profile) -> list[str]:
    """Return, as sentences, what is missing, left out or does not fit."""
    name = profile.sheet.name
    found = [f"{remark} ({name})" for remark in profile.sheet.remarks]
    found += [_size(profile), *_limits(profile), *_currencies(profile)]
    for column in profile.cut:
        found += _of_column(profile, column)
    for join in profile.refers.joins:
        found += _of_join(profile, join)
    found += [
        f"Missing join: {one.key} can't be looked up in {one.table}, which {one.why}: nothing is grouped by what it "
        "says [rows]."
        for one in profile.refers.broken
    ]
    return found


def risks(profile: Profile) -> list[str]:
    """Return what could mislead who acts on the numbers."""
    rows, found = len(profile.rows), []
    roles = profile.meaning.roles
    in_rates = {name for columns in roles.values() for name in columns}
    for column in profile.numbers:
        missing = column.values.count(None)
        if missing and column.name in in_rates:
            found.append(
                f"{column.name} is missing in {missing} of {rows} rows; its total and the rates that use it leave "
                f"those rows' {column.name} out and count their other columns [{column.name}_total]."
            )
        if (mark := _mark(column)) is not None:
            found.append(
                f"{column.name} is {mark} in {column.values.count(mark)} of {rows} rows, which looks like a mark for "
                f"'none': its total and mean say little [{column.name}_total]."
            )
        if profile.outcome is not None and column.name.lower() in KNOWN_AFTERWARDS:
            found.append(
                f"{column.name} is known only after the outcome ({profile.outcome.column}): it leaks the answer and "
                f"can't be used to choose whom to contact [{column.name}_mean]."
            )
    found += [
        f"{count} rows name a {join.key} that {join.sheet.name} does not have: figures by {join.key}'s attributes "
        "leave them out [rows]."
        for join in profile.refers.joins
        if (count := sum(_in_period(profile, join).values()))
    ]
    return found


def _currencies(profile: Profile) -> Iterator[str]:
    columns = {name for role in MONEY for name in profile.meaning.roles.get(role, ())}
    if currency(profile, columns) is None:
        named = ", ".join(f"{c.name} in {unit_of(c)}" for c in profile.numbers if c.name in columns)
        yield f"Amounts are in different currencies ({named}): none are added up or divided by one another."


def _size(profile: Profile) -> str:
    sheet, rows = profile.sheet, len(profile.rows)
    if profile.period is None:
        return f"{sheet.name} has {rows} rows and {len(sheet.columns)} columns [rows]."
    first, last = (day.isoformat() for day in profile.period)
    if profile.time is None:
        return f"{sheet.name} has no column of dates: none of its {len(sheet.rows)} rows is known to be in the period."
    days = [d for c in profile.columns if c.name == profile.time for d in c.values if d is not None]
    undated = len(sheet.rows) - len(days)
    span = f"{profile.time} runs from {min(days)} to {max(days)}"
    gaps = f"; {undated} rows have no {profile.time} and are left out" if undated else ""
    return f"{rows} of {len(sheet.rows)} rows of {sheet.name} fall in {first} to {last} ({span}{gaps}) [rows]."


def _limits(profile: Profile) -> Iterator[str]:
    """Say what a very wide table has too much of."""
    numbers = sum(c.kind == "number" and c.name not in profile.refers.keys for c in profile.columns)
    if numbers > MOST_NUMBERS:
        yield f"{profile.sheet.name} has {numbers} columns of numbers: the first {MOST_NUMBERS} are totalled [rows]."
    if len(profile.groupings) == MOST_GROUPINGS:
        yield f"Rows are grouped in {MOST_GROUPINGS} ways at most: {profile.groupings[-1].key} is the last [rows]."


def _of_column(profile: Profile, column: Column) -> Iterator[str]:
    rows = len(profile.rows)
    empty = column.values.count(None)
    if empty and column.kind == "number" and column.name not in profile.refers.keys:
        yield (
            f"{column.name} has no value in {empty} of {rows} rows; they are left out of its total and mean "
            f"[{column.name}_count]."
        )
    elif empty:
        yield f"{column.name} is empty in {empty} of {rows} rows [rows]."
    if column.unreadable and column.name not in profile.refers.keys:
        yield (
            f"{column.unreadable} of {len(profile.sheet.rows)} cells of {column.name} are no {column.kind} that can be "
            "used exactly and are left out."
        )
    zeros = sum(1 for v in column.values if v is not None and not v.strip("+-0."))
    roles = {name for columns in profile.meaning.roles.values() for name in columns}
    if zeros and column.kind == "number" and column.name in roles:
        yield f"{column.name} is 0 in {zeros} of {rows} rows: rates are of totals, no row is divided by it."
    if column.kind == "text":
        vague = {v: n for v in column.distinct if v.casefold() in UNKNOWN and (n := column.values.count(v))}
        for value, count in sorted(vague.items()):
            yield f"{column.name} is '{value}' in {count} of {rows} rows [rows]."


def _of_join(profile: Profile, join: Join) -> Iterator[str]:
    rows = len(profile.rows)
    unmatched = _in_period(profile, join)
    if not unmatched:
        yield f"Every {join.key} that is named is in {join.sheet.name}."
    for value, count in list(unmatched.items())[:_SHOWN]:
        alike = join.alike(value)
        hint = f"; it looks like '{alike}'" if alike else ""
        yield (
            f"Missing join: {join.key} '{value[:80]}' is not in {join.sheet.name} ({count} of {rows} rows){hint} "
            "[rows]."
        )
    if len(unmatched) > _SHOWN:
        rest = sum(list(unmatched.values())[_SHOWN:])
        yield (
            f"Missing join: {len(unmatched) - _SHOWN} more values of {join.key}, in {rest} rows, are not there either "
            "[rows]."
        )
    blank = sum(join.values[n] is None for n in profile.rows)
    if blank:
        yield (
            f"Missing join: {blank} of {rows} rows name no {join.key} and can't be held against {join.sheet.name} "
            "[rows]."
        )


def _in_period(profile: Profile, join: Join) -> dict[str, int]:
    counts = Counter(join.values[n] for n in profile.rows)
    return {value: counts[value] for value in join.unmatched if counts[value]}


def _mark(column: Column) -> str | None:
    """Return a number that stands for 'none': the largest or smallest, all nines or -1, in many rows."""
    said = [v for v in column.values if v is not None]
    found = [m for m in sorted(_MARKS.intersection(said)) if said.count(m) * 100 >= len(said) * _MARK_SHARE]
    return found[0] if len(found) == 1 else None
