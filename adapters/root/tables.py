"""Tables of the root: a campaign's rows or an imported CSV document, and the tables that it refers to by a key.

Items are ``{entity, id, title, etag, data}``: one ``table``, then its ``lookup`` tables. A lookup is a table of
the same tenant whose first column is a column of the table.
"""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from adapters.root import catalyst, oracle
from adapters.root.client import RootClient
from adapters.root.reading import MAX_PAGES, added_up, cursor_of, listed, malformed, objects
from adapters.root.records import addressable
from contracts.errors import BadInput, NotFound

Items = list[dict[str, Any]]

_PAGE = 200
_MOST_LOOKUPS = 8
_MOST_CANDIDATES = 40
_LARGEST_LOOKUP = 1_000_000  # characters
_CSV = "text/csv"


class RootTables:
    """Reads tables for one tenant."""

    def __init__(self, client: RootClient, tenant_id: str) -> None:
        self._client = client
        self._tenant = tenant_id

    async def campaign(self, campaign_id: str) -> Items:
        """Return a campaign's rows and what they refer to.

        Raises:
            NotFound: there is no such campaign.
        """
        read = await self._client.get_campaign(self._tenant, campaign_id)
        table = _item("table", campaign_id, campaign_id, read.data, read.etag)
        columns = [str(name) for name in read.data.get("columns", [])]
        found = await self._campaign_lookups(campaign_id, columns)
        return [table, *_distinct([*found, *await self._document_lookups("", columns, "")])]

    async def dataset(self, name: str) -> Items:
        """Return the table of a name: a campaign's id, a document's id or source, its file's name, or a folder's.

        Raises:
            NotFound: there is no such table.
            BadInput: several tables have that name, or it is no table.
        """
        for campaign_id in filter(_is_id, dict.fromkeys((name, name.removesuffix(".csv")))):
            try:
                return await self.campaign(campaign_id)
            except NotFound:
                continue  # then it is a document
        documents = [d async for d in self._documents()]
        named = _called(name, documents)
        if len(named) > 1:
            raise BadInput(
                f"{len(named)} documents are called {name[:80]}; give a document_id", code="dataset_ambiguous"
            )
        if named and not _is_csv(named[0]):
            raise BadInput(f"{name[:80]} is not a CSV document", code="not_a_table")
        folder = [d for d in documents if _is_csv(d) and _folder(d) == name.strip("/")]
        if not named and not folder:
            raise NotFound(f"there is no campaign, document or folder {name[:80]}", code="dataset_not_found")
        chosen = named[0] if named else max(folder, key=_size)
        return await self._document(chosen)

    async def _document(self, chosen: Mapping[str, Any]) -> Items:
        read = await self._client.get_document(self._tenant, str(chosen["document_id"]))
        data = oracle.document(read.data, str(chosen["document_id"]))
        table = _item("table", str(data["document_id"]), str(data.get("source") or ""), _text_of(data), read.etag)
        columns = _header(str(data.get("text") or ""))
        found = await self._document_lookups(_folder(data), columns, str(data["document_id"]))
        return [table, *_distinct([*found, *await self._campaign_lookups("", columns)])]

    async def _campaign_lookups(self, own: str, columns: Sequence[str]) -> Items:
        found: Items = []
        size = 0
        async for campaign in self._campaigns():
            given = [str(name) for name in campaign.get("columns", [])]
            if campaign["campaign_id"] == own or not _refers(columns, given) or len(found) == _MOST_LOOKUPS:
                continue
            read = await self._client.get_campaign(self._tenant, str(campaign["campaign_id"]))
            size = added_up(size, read)
            name = str(campaign["campaign_id"])
            found.append(_item("lookup", name, name, read.data, read.etag))
        return found

    async def _document_lookups(self, folder: str, columns: Sequence[str], own: str) -> Items:
        found: Items = []
        beside = [
            d
            async for d in self._documents()
            if _is_csv(d) and _folder(d) == folder and d["document_id"] != own and _size(d) <= _LARGEST_LOOKUP
        ]
        size = 0
        for document in beside[:_MOST_CANDIDATES]:
            read = await self._client.get_document(self._tenant, str(document["document_id"]))
            size = added_up(size, read)
            data = oracle.document(read.data)
            if _refers(columns, _header(str(data.get("text") or ""))):
                source = str(data.get("source") or data["document_id"])
                found.append(_item("lookup", str(data["document_id"]), source, _text_of(data), read.etag))
        return found[:_MOST_LOOKUPS]

    async def _documents(self) -> AsyncIterator[dict[str, Any]]:
        cursor: str | None = None
        size = 0
        for _ in range(MAX_PAGES):
            page = await self._client.list_documents(self._tenant, limit=_PAGE, cursor=cursor)
            size = added_up(size, page)
            for item in objects(listed(page.data, "documents", "documents"), "documents"):
                yield oracle.document(item)
            if not (cursor := cursor_of(page.data, "documents")):
                return
        raise malformed("documents", "are a list that does not end")

    async def _campaigns(self) -> AsyncIterator[dict[str, Any]]:
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            try:
                page = await self._client.list_campaigns(self._tenant, limit=_PAGE, cursor=cursor)
            except NotFound:
                return  # a root need not list them
            for item in catalyst.headers(page.data):
                yield item
            if not (cursor := cursor_of(page.data, "campaigns")):
                return
        raise malformed("campaigns", "are a list that does not end")


def _item(entity: str, name: str, title: str, data: Mapping[str, Any], etag: str | None) -> dict[str, Any]:
    return {"entity": entity, "id": name, "title": title, "etag": etag, "data": dict(data)}


def _distinct(items: Items) -> Items:
    """Keep one table of each key: the first."""
    return list({_first_column(item["data"]): item for item in reversed(items)}.values())[::-1][:_MOST_LOOKUPS]


def _first_column(data: Mapping[str, Any]) -> str:
    columns = _header(str(data["text"])) if "text" in data else [str(c) for c in data.get("columns", [])]
    return columns[0] if columns else ""


def _text_of(data: Mapping[str, Any]) -> dict[str, Any]:
    return {"text": str(data.get("text") or "")}


def _refers(columns: Sequence[str], others: Sequence[str]) -> bool:
    """Tell whether a table may refer to another: by the other's first column, and it is not just more of the same."""
    return len(others) > 1 and others[0] in columns and set(others) != set(columns)


def _header(text: str) -> list[str]:
    first = next((line for line in text.split("\n") if line.strip()), "")[:100_000]
    delimiter = max((",", ";", "\t", "|"), key=first.count)
    return [cell.strip() for cell in next(csv.reader([first], delimiter=delimiter), [])]


def _called(name: str, documents: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the documents of a name: by id, else by source, else by the file's name, with its ending or without."""
    for of in (_by_id, _by_source, _by_file, _by_stem):
        if found := [d for d in documents if of(d) == name]:
            return found
    return []


def _size(document: Mapping[str, Any]) -> int:
    try:
        return int(document.get("characters") or 0)
    except (TypeError, ValueError):
        raise malformed("document", "has characters that are no number") from None


def _by_id(document: Mapping[str, Any]) -> str:
    return str(document["document_id"])


def _by_source(document: Mapping[str, Any]) -> str:
    return str(document.get("source") or "")


def _by_file(document: Mapping[str, Any]) -> str:
    return PurePosixPath(_by_source(document)).name


def _by_stem(document: Mapping[str, Any]) -> str:
    return PurePosixPath(_by_source(document)).stem if _is_csv(document) else ""


def _folder(document: Mapping[str, Any]) -> str:
    folder = str(PurePosixPath(_by_source(document)).parent)
    return "" if folder == "." else folder


def _is_csv(document: Mapping[str, Any]) -> bool:
    return document.get("media_type") == _CSV or _by_source(document).lower().endswith(".csv")


def _is_id(name: str) -> bool:
    try:
        return bool(addressable(name))
    except ValueError:
        return False
