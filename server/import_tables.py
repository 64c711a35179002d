"""CSV files into leads and campaigns. A row that can't be used is named by its line; the others go in."""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from adapters.documents import decode
from adapters.root.records import CampaignRecord, LeadRecord, Record
from server.import_report import Parsed, Placed, read_file

LEAD_COLUMNS = frozenset(
    {"lead_id", "name", "email", "phone", "stage", "source", "created_at", "owner", "budget_min", "budget_max", "notes"}
)
MAX_FIELD = 8 * 1024 * 1024
ROWS_PER_RECORD = 500

_NUMBER = re.compile(r"\d+(\.\d+)?|\d{1,3}(,\d{3})+(\.\d+)?")

R = TypeVar("R", bound=Record)
Row = tuple[int, dict[str, str]]


def read_leads(path: Path, renames: Mapping[str, str]) -> Parsed[LeadRecord]:
    """Read leads; unknown columns become attributes, empty cells are left out.

    Raises:
        BadInput: the file can't be read.
    """
    parsed: Parsed[LeadRecord] = Parsed()
    table = _Table(path, renames, parsed)
    if "lead_id" not in table.columns and table.columns:
        parsed.error(path.name, 1, f"no column lead_id among {', '.join(table.columns)}; name it with --map")
        return parsed
    seen: dict[str, int] = {}
    for line, cells in table.rows():
        try:
            record = _lead(cells)
        except ValueError as exc:
            parsed.error(path.name, line, exc)
            continue
        if record.lead_id in seen:
            parsed.error(path.name, line, f"lead_id {record.lead_id} is already on line {seen[record.lead_id]}")
            continue
        seen[record.lead_id] = line
        parsed.records.append(Placed(path.name, line, record))
    return parsed


def read_campaigns(path: Path, renames: Mapping[str, str]) -> Parsed[CampaignRecord]:
    """Read campaigns by their column ``campaign_id``; without one the whole file is a campaign named like the file.

    Values stay the text they are, so that totals can be exact.

    Raises:
        BadInput: the file can't be read.
    """
    parsed: Parsed[CampaignRecord] = Parsed()
    table = _Table(path, renames, parsed)
    by_campaign: dict[str, list[Row]] = defaultdict(list)
    for line, cells in table.rows():
        campaign = cells.pop("campaign_id", "") if "campaign_id" in table.columns else path.stem
        if not campaign:
            parsed.error(path.name, line, "campaign_id: the cell is empty")
            continue
        by_campaign[campaign].append((line, cells))
    columns = [column for column in table.columns if column != "campaign_id"]
    for campaign, rows in by_campaign.items():
        for offset in range(0, len(rows), ROWS_PER_RECORD):
            part = rows[offset : offset + ROWS_PER_RECORD]
            raw = {"campaign_id": campaign, "columns": columns, "offset": offset, "total": len(rows)}
            try:
                record = CampaignRecord.model_validate({**raw, "rows": [cells for _, cells in part]})
            except ValueError as exc:
                parsed.error(path.name, part[0][0], exc)
                continue
            parsed.records.append(Placed(path.name, part[0][0], record))
    return parsed


def _lead(cells: dict[str, str]) -> LeadRecord:
    attributes: dict[str, Any] = {column: value for column, value in cells.items() if value and column != "lead_id"}
    for column in ("budget_min", "budget_max"):
        if column in attributes:
            attributes[column] = _number(column, attributes[column])
    if "created_at" in attributes:
        _check_time("created_at", attributes["created_at"])
    if not cells["lead_id"]:
        raise ValueError("lead_id: the cell is empty")
    return LeadRecord(lead_id=cells["lead_id"], attributes=attributes)


def _number(column: str, text: str) -> int | float:
    if not _NUMBER.fullmatch(text) or len(text) > 30:
        raise ValueError(f"{column}: not a number without a currency sign, such as 250000")
    plain = text.replace(",", "")
    return float(plain) if "." in plain else int(plain)


def _check_time(column: str, text: str) -> None:
    try:
        datetime.fromisoformat(text)
    except ValueError as exc:
        raise ValueError(f"{column}: not a date or time such as 2026-03-31 or 2026-03-31T09:00:00Z") from exc


class _Table:
    """A CSV file, its header renamed; problems go to the parsed result."""

    def __init__(self, path: Path, renames: Mapping[str, str], parsed: Parsed[R]) -> None:
        self._file = path.name
        self._parsed = parsed
        text, notes = decode(read_file(path))
        for note in notes:
            parsed.warn(path.name, note)
        csv.field_size_limit(MAX_FIELD)
        # Strict, or an unclosed quote would swallow the rest of the file without a word.
        self._reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
        self.columns = self._header(renames)

    def _header(self, renames: Mapping[str, str]) -> list[str]:
        header = next(self._lines(), (1, []))[1]
        given = [cell.strip() for cell in header]
        for name in renames.keys() - set(given):
            self._parsed.warn(self._file, f"the map renames {name}, but there is no such column", 1)
        columns = [renames.get(name) or _known(name) for name in given]
        if not header:
            self._parsed.error(self._file, 1, "the file is empty")
        elif "" in columns or len(set(columns)) < len(columns):
            self._parsed.error(self._file, 1, "the header has a column without a name, or two of the same name")
            return []
        return columns

    def rows(self) -> Iterator[Row]:
        """Yield each usable row with the line it begins on."""
        if not self.columns:
            return
        for line, cells in self._lines():
            if len(cells) == len(self.columns):
                yield line, {name: cell.strip() for name, cell in zip(self.columns, cells, strict=True)}
            else:
                reason = f"{len(cells)} cells where the header has {len(self.columns)}"
                self._parsed.error(self._file, line, reason)

    def _lines(self) -> Iterator[tuple[int, list[str]]]:
        while True:
            line = self._reader.line_num + 1
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as exc:
                self._parsed.error(self._file, line, f"not readable as CSV from here on: {exc}")
                continue
            if any(cell.strip() for cell in cells):
                yield line, cells


def _known(name: str) -> str:
    return name.lower() if name.lower() in LEAD_COLUMNS | {"campaign_id"} else name


def _delimiter(text: str) -> str:
    first = re.sub(r'"[^"]*"', "", text.lstrip("\n").split("\n", 1)[0])
    return ";" if first.count(";") > first.count(",") else ","
