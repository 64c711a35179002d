"""How a table refers to others: a column of it that is the first column, and the key, of another table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nodes.tables.cells import Column, read_column
from nodes.tables.sheet import Sheet


@dataclass(frozen=True)
class Join:
    """One reference.

    Attributes:
        key: the column's name in both tables.
        place: each key's row in the table that is referred to.
        unmatched: values of the column that the other table does not have, with their rows counted.
        blank: rows that refer to nothing.
    """

    key: str
    sheet: Sheet
    place: Mapping[str, int]
    unmatched: Mapping[str, int]
    blank: int

    def alike(self, value: str) -> str | None:
        """Return the one key that is the value but for spaces, case and punctuation."""
        found = [key for key in self.place if _bare(key) == _bare(value)]
        return found[0] if len(found) == 1 and _bare(value) else None

    def looked_up(self, column: str, values: Sequence[str | None]) -> list[str | None]:
        """Return another column of the table referred to, for each value of the key."""
        cells = self.sheet.column(column)
        places = [None if v is None else self.place.get(v) for v in values]
        return [None if p is None else cells[p] or None for p in places]


def joins_of(columns: Sequence[Column], others: Sequence[Sheet]) -> list[Join]:
    """Return the references of a table's text columns, one for each column that is a key elsewhere."""
    found = []
    for column in columns:
        fitting = (_join(column, other) for other in others if column.kind == "text")
        if (join := next((j for j in fitting if j is not None), None)) is not None:
            found.append(join)
    return found


def _join(column: Column, other: Sheet) -> Join | None:
    if not other.columns or other.columns[0] != column.name or len(other.columns) < 2:
        return None
    keys = [row[0] for row in other.rows]
    place = {key: n for n, key in enumerate(keys)}
    if len(place) < len(keys) or "" in place or not column.distinct.intersection(place):
        return None
    unmatched = Counter(v for v in column.values if v is not None and v not in place)
    return Join(column.name, other, place, dict(unmatched.most_common()), column.values.count(None))


def attributes(join: Join) -> list[Column]:
    """Return the other columns of the table referred to, read."""
    return [read_column(name, join.sheet.column(name)) for name in join.sheet.columns[1:]]


def _bare(text: str) -> str:
    return re.sub(r"\W|_", "", text.casefold())
