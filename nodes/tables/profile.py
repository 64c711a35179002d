"""A table made ready: its columns read, the period cut out, what it counts, and by what it can be grouped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from itertools import islice

from contracts.tables import Frame, written
from nodes.tables.cells import Column, read_column
from nodes.tables.joins import References, attributes, references_of
from nodes.tables.lexicon import LOST, NO, OUTCOMES, WON, YES, Meaning, meaning_of, words
from nodes.tables.sheet import Sheet

MOST_NUMBERS = 120
MOST_GROUPINGS = 20
MOST_GROUPS = 40
_MOST_TIMES = 24
_LONGEST_GROUP = 80
_TIME_WORDS = ("date", "time", "day", "week", "month", "period")


@dataclass(frozen=True)
class Grouping:
    """A way to part the rows; ``key`` is how it is written, as in ``channel``, ``month(date)``, ``agent->manager``."""

    key: str
    values: tuple[str | None, ...]


@dataclass(frozen=True)
class Outcome:
    """A column that says how each row ended; ``lost`` is none where everything that is not won counts as lost."""

    column: str
    won: str
    lost: str | None


@dataclass(frozen=True)
class Profile:
    """A table, read.

    Attributes:
        columns: all rows' values, before the period is cut out.
        rows: the rows that fall in the period, by place; all of them when there is none.
        time: the column that the period was held against.
    """

    sheet: Sheet
    columns: tuple[Column, ...]
    refers: References
    period: tuple[date, date] | None
    time: str | None
    rows: tuple[int, ...]

    @cached_property
    def cut(self) -> tuple[Column, ...]:
        """The columns with the period's rows alone."""
        if len(self.rows) == len(self.sheet.rows):
            return self.columns
        return tuple(replace(c, values=tuple(c.values[n] for n in self.rows)) for c in self.columns)

    @cached_property
    def numbers(self) -> tuple[Column, ...]:
        """The columns of numbers that are no keys, cut; of a table with very many the first."""
        return tuple(c for c in self.cut if c.kind == "number" and c.name not in self.refers.keys)[:MOST_NUMBERS]

    @cached_property
    def meaning(self) -> Meaning:
        """What the numbers are."""
        return meaning_of(self.numbers)

    @cached_property
    def outcome(self) -> Outcome | None:
        """The column that says how each row ended, if one does."""
        candidates = (_outcome(c, self.sheet.column(c.name)) for c in self.columns)
        return next((found for found in candidates if found is not None), None)

    @cached_property
    def groupings(self) -> tuple[Grouping, ...]:
        """The sensible ways to part the rows, the first of them."""
        return tuple(islice(_groupings(self), MOST_GROUPINGS))

    @property
    def span(self) -> str:
        """The end of a formula that holds for a period only."""
        if self.period is None or self.time is None:
            return ""
        return f" for {written(self.time)} in {self.period[0].isoformat()}/{self.period[1].isoformat()}"

    def frame(self) -> Frame:
        """Return the period's rows as a table engine takes them."""
        texts: dict[str, Sequence[str | None]] = {g.key: g.values for g in self.groupings}
        if self.outcome is not None:
            cells = self.sheet.column(self.outcome.column)
            texts |= {written(self.outcome.column): [cells[n] or None for n in self.rows]}
        return Frame(len(self.rows), texts, {c.name: c.values for c in self.numbers})


def profile_of(main: Sheet, others: Sequence[Sheet], period: tuple[date, date] | None) -> Profile:
    """Read a table and cut the period out; without a column of dates no row is known to be in it."""
    columns = tuple(read_column(name, main.column(name)) for name in main.columns)
    time = _time_column(columns)
    places: tuple[int, ...] = tuple(range(len(main.rows)))
    if period is not None:
        first, last = (day.isoformat() for day in period)
        dates = () if time is None else time.values
        places = tuple(n for n, day in enumerate(dates) if day is not None and first <= day <= last)
    return Profile(main, columns, references_of(main, columns, others), period, time.name if time else None, places)


def _time_column(columns: Sequence[Column]) -> Column | None:
    """Return the column of dates that is named like one, else the one with the fewest gaps."""
    dates = [c for c in columns if c.kind == "date"]
    named = [c for c in dates if c.name.lower() in _TIME_WORDS]
    return next(iter(named), None) or min(dates, key=lambda c: c.values.count(None), default=None)


def _outcome(column: Column, cells: Sequence[str]) -> Outcome | None:
    distinct = {cell for cell in cells if cell}
    said = {value.casefold(): value for value in sorted(distinct)}
    if len(said) < len(distinct):
        return None
    won, lost = WON.intersection(said), LOST.intersection(said)
    if column.kind == "text" and len(won) == 1 and len(lost) == 1:
        return Outcome(column.name, said[min(won)], said[min(lost)])
    if "_".join(words(column.name)) in OUTCOMES and len(said) == 2:
        yes, no = YES.intersection(said), NO.intersection(said)
        if len(yes) == 1 and len(no) == 1:
            return Outcome(column.name, said[min(yes)], None)
    return None


def _groupings(profile: Profile) -> Iterator[Grouping]:
    for column in profile.cut:
        if column.kind == "number" and column.name in profile.refers.keys:
            cells = profile.sheet.column(column.name)
            values = tuple(cells[n] or None for n in profile.rows)
            if _parts(values):
                yield Grouping(written(column.name), values)
        elif column.kind == "text" and _parts(column.values):
            yield Grouping(written(column.name), column.values)
        elif column.kind == "date" and (by_time := _by_time(column)) is not None:
            yield by_time
    for join in profile.refers.joins:
        keys = [join.values[n] for n in profile.rows]
        for other in attributes(join):
            values = tuple(join.looked_up(other.name, keys))
            if other.kind == "text" and _parts(values):
                yield Grouping(f"{written(join.key)}->{written(other.name)}", values)


def _parts(values: Sequence[str | None]) -> bool:
    """Tell whether values part the rows into a few groups whose names can be shown."""
    said = [v for v in values if v is not None]
    distinct = set(said)
    few = 2 <= len(distinct) <= MOST_GROUPS and len(distinct) * 2 <= len(said)
    return few and all(len(v) <= _LONGEST_GROUP and v.isprintable() for v in distinct)


def _by_time(column: Column) -> Grouping | None:
    """Group dates by day, month or year: the finest that makes few enough groups."""
    name = written(column.name)
    for key, length in ((name, 10), (f"month({name})", 7), (f"year({name})", 4)):
        values = tuple(None if v is None else v[:length] for v in column.values)
        if 2 <= len({v for v in values if v is not None}) <= _MOST_TIMES:
            return Grouping(key, values)
    return None
