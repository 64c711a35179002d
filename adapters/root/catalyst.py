"""Catalyst's border: campaigns as tables. It has no writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.root.reading import identified, listed, malformed, objects, unwrapped

_CAMPAIGN = ("campaign_id", "id", "campaignId")
_ROWS = ("rows", "records", "metrics")


def campaign(pages: Sequence[Mapping[str, Any]], campaign_id: str) -> dict[str, Any]:
    """Return ``{campaign_id, columns, rows, …}`` of a campaign's pages; rows may be objects, or lists in column order.

    Raises:
        RootRefused: it is no table, or another campaign.
    """
    records = [unwrapped(page, "campaign", *_CAMPAIGN) for page in pages]
    first = identified(records[0], "campaign", *_CAMPAIGN, expected=campaign_id)
    columns = _columns(first)
    rows = [_row(row, columns) for one in records for row in listed(one, "campaign", *_ROWS)]
    names = columns or list(dict.fromkeys(name for row in rows for name in row))
    rest = {key: value for key, value in first.items() if key not in (*_ROWS, "data", "items")}
    return {**rest, "columns": names, "rows": rows, "next_cursor": None}


def headers(page: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return ``{campaign_id, columns}`` of each campaign in a list."""
    found = objects(listed(page, "campaigns", "campaigns"), "campaigns")
    return [{**identified(one, "campaign", *_CAMPAIGN), "columns": _columns(one)} for one in found]


def _columns(record: Mapping[str, Any]) -> list[str]:
    columns = record.get("columns") or record.get("headers") or []
    if not isinstance(columns, list):
        raise malformed("campaign", "has columns that are no list")
    given = [c.get("name") if isinstance(c, Mapping) else c for c in columns]
    names = [name for name in given if isinstance(name, str)]
    if len(names) < len(given):
        raise malformed("campaign", "has a column without a name")
    return names


def _row(row: Any, columns: Sequence[str]) -> dict[str, Any]:
    if isinstance(row, Mapping):
        return dict(row)
    if not isinstance(row, list) or len(row) != len(columns):
        raise malformed("campaign", "has a row that does not fit its columns")
    return dict(zip(columns, row, strict=True))
