"""How a table refers to others: a column of it that is the first column, and the key, of another table.

Keys are compared as they are written, whatever kind they are of: ``007`` is not ``7``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from nodes.tables.cells import Column, read_column
from nodes.tables.lexicon import KEYS, words
from nodes.tables.sheet import Sheet


@dataclass(frozen=True)
class Join:
    """One reference.

    Attributes:
        key: the column's name in both tables.
        values: the column's cells as they are written, of all rows; None where there is nothing.
        place: each key's row in the table that is referred to.
        unmatched: values of the column that the other table does not have, with their rows counted.
    """

    key: str
    sheet: Sheet
    values: tuple[str | None, ...]
    place: Mapping[str, int]
    unmatched: Mapping[str, int]

    def alike(self, value: str) -> str | None:
        """Return the one key that is the value but for spaces, case and punctuation."""
        found = self._bare.get(_bare(value), ())
        return found[0] if len(found) == 1 and _bare(value) else None

    @cached_property
    def _bare(self) -> Mapping[str, Sequence[str]]:
        found: dict[str, list[str]] = {}
        for key in self.place:
            found.setdefault(_bare(key), []).append(key)
        return found

    def looked_up(self, column: str, values: Sequence[str | None]) -> list[str | None]:
        """Return another column of the table referred to, for each value of the key."""
        cells = self.sheet.column(column)
        places = [None if v is None else self.place.get(v) for v in values]
        return [None if p is None else cells[p] or None for p in places]


class Broken(NamedTuple):
    """A reference that leads nowhere: the column, the table that has it as its key, and why no row is found by it."""

    key: str
    table: str
    why: str


class References(NamedTuple):
    """What a table refers to, and what it would refer to if the other table could be used."""

    joins: tuple[Join, ...]
    broken: tuple[Broken, ...]

    @property
    def keys(self) -> frozenset[str]:
        """The columns that refer to something: their numbers are names, and nothing is to be added up."""
        return frozenset({join.key for join in self.joins} | {broken.key for broken in self.broken})


def references_of(main: Sheet, columns: Sequence[Column], others: Sequence[Sheet]) -> References:
    """Return a table's references, one for each column that is a key elsewhere.

    A column of numbers that happens to be the first of another table as well ("age") is a broken reference only if it
    is called like a key.
    """
    joins: list[Join] = []
    broken: list[Broken] = []
    for column in columns:
        fitting = [o for o in others if len(o.columns) > 1 and o.columns[0] == column.name]
        found = [_join(column.name, main, other) for other in fitting]
        joins += [one for one in found if isinstance(one, Join)][:1]
        if column.kind != "number" or not KEYS.isdisjoint(words(column.name)[-1:]):
            broken += [one for one in found if isinstance(one, Broken)]
    return References(tuple(joins), tuple(broken))


def _join(name: str, main: Sheet, other: Sheet) -> Join | Broken:
    keys = Counter(row[0] for row in other.rows)
    values = tuple(cell or None for cell in main.column(name))
    unmatched = Counter(v for v in values if v is not None and v not in keys)
    twice = next((key for key, n in keys.items() if n > 1 and key), None)
    if twice is not None:
        return Broken(name, other.name, f"has several rows for '{twice[:80]}'")
    if "" in keys:
        return Broken(name, other.name, "has a row without a key")
    if keys.keys().isdisjoint(values):
        return Broken(name, other.name, "has none of its values")
    return Join(name, other, values, {key: n for n, key in enumerate(keys)}, dict(unmatched.most_common()))


def attributes(join: Join) -> list[Column]:
    """Return the other columns of the table referred to, read."""
    return [read_column(name, join.sheet.column(name)) for name in join.sheet.columns[1:]]


def _bare(text: str) -> str:
    return re.sub(r"\W|_", "", text.casefold())
