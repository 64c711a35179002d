"""Tables added up by DuckDB: in memory, closed to the outside, over exact decimals."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal

import duckdb

from contracts.errors import BadInput
from contracts.tables import Aggregate, Frame, Totals

_WIDTH = 38  # digits of the widest decimal there is

# The text of a cell must never become a path that is read, an extension that is fetched or a setting that is changed.
_CLOSED = {
    "enable_external_access": "false",
    "autoload_known_extensions": "false",
    "autoinstall_known_extensions": "false",
    "allow_community_extensions": "false",
    "threads": "1",
}


class DuckTables:
    """Satisfies ``TablePort``; each call has a database of its own, which is gone when it returns."""

    async def totals(
        self, frame: Frame, asked: Sequence[Aggregate], groupings: Sequence[str | None]
    ) -> tuple[tuple[Totals, ...], ...]:
        """Return, for each grouping, the aggregates of its groups by name.

        Raises:
            BadInput: the numbers are too large to be added exactly.
        """
        return await asyncio.to_thread(_totals, frame, tuple(asked), tuple(groupings))


def _totals(
    frame: Frame, asked: tuple[Aggregate, ...], groupings: tuple[str | None, ...]
) -> tuple[tuple[Totals, ...], ...]:
    with duckdb.connect(":memory:", config=dict(_CLOSED)) as db:
        db.execute("SET lock_configuration = true")
        try:
            table = _Loaded(db, frame)
            return tuple(table.by(grouping, asked) for grouping in groupings)
        except duckdb.DataError as exc:
            raise BadInput("the table's numbers are too large to be added exactly", code="table_too_large") from exc


class _Loaded:
    """A frame in the database. Columns go by number, so that no name and no cell is ever part of a statement."""

    def __init__(self, db: duckdb.DuckDBPyConnection, frame: Frame) -> None:
        self._db = db
        self._texts = {name: f"t{n}" for n, name in enumerate(frame.texts)}
        self._numbers = {name: f"n{n}" for n, name in enumerate(frame.numbers)}
        parts = ["unnest($1::INTEGER[]) AS place"]
        values: list[Sequence[str | int | None]] = [list(range(frame.rows))]
        for name, cells in frame.texts.items():
            values.append(list(cells))
            parts.append(f"unnest(${len(values)}::VARCHAR[]) AS {self._texts[name]}")
        for name, cells in frame.numbers.items():
            values.append(list(cells))
            scale = max((_decimals(cell) for cell in cells if cell is not None), default=0)
            parts.append(f"unnest(${len(values)}::VARCHAR[])::DECIMAL({_WIDTH}, {scale}) AS {self._numbers[name]}")
        db.execute(f"CREATE TABLE cells AS SELECT {', '.join(parts)}", values)

    def by(self, grouping: str | None, asked: tuple[Aggregate, ...]) -> tuple[Totals, ...]:
        """Return the groups of one column's texts, by name, or the one group of all rows."""
        values: list[str] = []
        selected = ", ".join(["count(*)", *(self._select(a, values) for a in asked)])
        if grouping is None:
            query = f"SELECT NULL, {selected} FROM cells"  # noqa: S608
            rows = self._db.execute(query, values).fetchall()
        else:
            key = self._texts[grouping]
            ending = f"FROM cells WHERE {key} IS NOT NULL GROUP BY {key} ORDER BY {key}"
            query = f"SELECT {key}, {selected} {ending}"
            rows = self._db.execute(query, values).fetchall()
        return tuple(Totals(row[0], int(row[1]), tuple(map(_decimal, row[2:]))) for row in rows)

    def _select(self, asked: Aggregate, values: list[str]) -> str:
        column = "*" if asked.column is None else self._numbers[asked.column]
        if asked.function == "total":
            return f"(SELECT sum({column}) FROM cells)"  # noqa: S608
        text = f"{asked.function}({column})"
        if asked.where is None:
            return text
        values.append(asked.where[1])
        return f"{text} FILTER (WHERE {self._texts[asked.where[0]]} = ${len(values)})"


def _decimals(cell: str) -> int:
    return len(cell.partition(".")[2])


def _decimal(value: Decimal | int | None) -> Decimal | None:
    return None if value is None else Decimal(value)
