"""The routes of Oracle (pages, documents), Catalyst (campaigns) and Sentinel (signals)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Query, Request, Response

from adapters.postgres.root_writes import RootWrites
from adapters.root.records import MAX_ID, Answer, Versioned, addressable
from contracts.errors import BadInput
from server.embedded_root.access import Store, Tenant, root_router
from server.embedded_root.exchange import (
    Cursor,
    Limit,
    Word,
    etag_of,
    from_cursor,
    page_of,
    precondition_of,
    read_storable,
    rendered,
    shown,
    to_cursor,
    write,
)

Question = Annotated[str, Query(min_length=1, max_length=4_000)]
DocumentIds = Annotated[list[str] | None, Query(max_length=200)]
RowLimit = Annotated[int, Query(ge=1, le=10_000)]

router = root_router("/api")


@router.get("/oracle/documents")
async def list_documents(
    store: Store,
    tenant: Tenant,
    q: Word = None,
    include: Literal["text"] | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """List documents by id, or those that hold any of the words asked for, best first; the text only on request."""
    place = from_cursor(cursor, str, str)
    after = (_rank(place[0]), place[1]) if place else None
    found = await store.documents(tenant, q, after, limit + 1, with_text=include == "text")
    return shown(page_of(found, limit, _document, lambda row: [row["rank"], row["document_id"]]))


@router.get("/oracle/passages")
async def search_passages(
    store: Store, tenant: Tenant, q: Question, document_id: DocumentIds = None, limit: Limit = 50
) -> Response:
    """Find the passages that fit a question best, of all documents or of those named; 404 if a named one is missing."""
    rows = await store.passages(tenant, q, document_id, limit)
    return shown({"items": [_document(row) for row in rows], "next_cursor": None})


@router.get("/oracle/documents/{document_id}")
async def get_document(document_id: str, store: Store, tenant: Tenant) -> Response:
    """Return a document with its text."""
    row = await store.document(tenant, document_id)
    return shown(_document(row), etag_of(row["version"]))


@router.get("/oracle/pages")
async def list_pages(store: Store, tenant: Tenant, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """List pages by id."""
    place = from_cursor(cursor, str)
    found = await store.pages(tenant, place[0] if place else None, limit + 1)
    return shown(page_of(found, limit, _page, lambda page: [page.id]))


@router.get("/oracle/pages/{page_id}")
async def get_page(page_id: str, store: Store, tenant: Tenant) -> Response:
    """Return a page."""
    page = await store.page(tenant, page_id)
    return shown(_page(page), etag_of(page.version))


@router.patch("/oracle/pages/{page_id}")
async def patch_page(request: Request, page_id: str, store: Store, tenant: Tenant) -> Response:
    """Merge fields into a page; with `If-None-Match: *` make a page that isn't there yet."""
    body = await read_storable(request)
    if body.get("page_id", page_id) != page_id:
        raise BadInput("page_id can't be changed")
    _check_id(page_id)
    changes = {key: value for key, value in body.items() if key != "page_id"}
    holds = precondition_of(request, required=True)

    async def effect(writes: RootWrites) -> Answer:
        page = await writes.patch_page(page_id, changes, holds)
        return rendered(_page(page), etag_of(page.version))

    return await write(request, store, tenant, changes, effect)


@router.get("/catalyst/campaigns")
async def list_campaigns(store: Store, tenant: Tenant, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """List campaigns by id, without their rows."""
    place = from_cursor(cursor, str)
    found = await store.campaigns(tenant, place[0] if place else None, limit + 1)
    return shown(page_of(found, limit, _campaign, lambda row: [row["campaign_id"]]))


@router.get("/catalyst/campaigns/{campaign_id}")
async def get_campaign(
    campaign_id: str, store: Store, tenant: Tenant, cursor: Cursor = None, limit: RowLimit = 10_000
) -> Response:
    """Return a campaign with its rows, every value as it was imported: ``{…, total, rows, next_cursor}``."""
    place = from_cursor(cursor, int)
    offset = place[0] if place else 0
    campaign = await store.campaign(tenant, campaign_id)
    rows = await store.campaign_rows(tenant, campaign_id, offset, limit)
    end = offset + len(rows)
    more = bool(rows) and end < campaign["total"]
    data = {
        **_campaign(campaign),
        "total": campaign["total"],
        "rows": [{name: row[name] for name in campaign["columns"] if name in row} for row in rows],
        "next_cursor": to_cursor([end]) if more else None,
    }
    return shown(data, etag_of(campaign["version"]))


@router.get("/sentinel/leads/{lead_id}/signals")
async def get_signals(lead_id: str, store: Store, tenant: Tenant) -> Response:
    """Return a lead's signals."""
    rows = await store.signals(tenant, lead_id)
    items = [{"signal_id": row["signal_id"], "lead_id": lead_id, **row["attributes"]} for row in rows]
    return shown({"items": items, "next_cursor": None})


def _document(row: dict[str, Any]) -> dict[str, Any]:
    names = ("document_id", "title", "source", "media_type", "characters", "heading", "start", "end", "score", "text")
    return {name: row[name] for name in names if row.get(name) is not None}


def _page(page: Versioned) -> dict[str, Any]:
    return {"page_id": page.id, **page.data}


def _campaign(row: dict[str, Any]) -> dict[str, Any]:
    return {"campaign_id": row["campaign_id"], "columns": row["columns"]}


def _check_id(page_id: str) -> None:
    if len(page_id) > MAX_ID:
        raise BadInput(f"an id has {MAX_ID} characters at most")
    try:
        addressable(page_id)
    except ValueError as exc:
        raise BadInput(str(exc)) from exc


def _rank(text: str) -> str:
    try:
        return str(float(text)) if 0 <= float(text) <= 1e9 else "0"
    except ValueError as exc:
        raise BadInput("the cursor is not one of this list's", code="malformed") from exc
