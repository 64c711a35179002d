"""The CRM's routes: leads, their chats, notes, tasks and messages, and what is counted over all of them."""

from __future__ import annotations

from collections import defaultdict
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response

from adapters.postgres.root_store import LeadFilter
from adapters.postgres.root_writes import RootWrites
from adapters.root.records import ActivityKind, Answer, Versioned
from contracts.errors import BadInput
from server.embedded_root.access import Store, Tenant, root_router
from server.embedded_root.board import kanban
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
    write,
)

MAX_STAGE = 100

router = root_router("/api/crm")


@router.get("/leads")
async def list_leads(
    store: Store,
    tenant: Tenant,
    stage: Word = None,
    owner: Word = None,
    source: Word = None,
    q: Word = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """List leads by id."""
    place = from_cursor(cursor, str)
    found = await store.leads(tenant, LeadFilter(stage, owner, source, q), place[0] if place else None, limit + 1)
    return shown(page_of(found, limit, _lead, lambda lead: [lead.id]))


@router.get("/leads/{lead_id}")
async def get_lead(lead_id: str, store: Store, tenant: Tenant) -> Response:
    """Return a lead; its ETag is what a write must name."""
    lead = await store.lead(tenant, lead_id)
    return shown(_lead(lead), etag_of(lead.version))


@router.patch("/leads/{lead_id}")
async def patch_lead(request: Request, lead_id: str, store: Store, tenant: Tenant) -> Response:
    """Merge fields into a lead; null takes a field away."""
    changes = _without_id(await read_storable(request), "lead_id", lead_id)
    check_stage(changes)
    holds = precondition_of(request, required=True)

    async def effect(writes: RootWrites) -> Answer:
        lead = await writes.patch_lead(lead_id, changes, holds)
        return rendered(_lead(lead), etag_of(lead.version))

    return await write(request, store, tenant, changes, effect)


@router.get("/leads/{lead_id}/chat")
async def get_chat(lead_id: str, store: Store, tenant: Tenant) -> Response:
    """Return a lead's conversations."""
    return shown({"items": await store.chats(tenant, lead_id), "next_cursor": None})


@router.get("/leads/{lead_id}/writes")
async def get_write_counts(lead_id: str, store: Store, tenant: Tenant) -> Response:
    """Return how often the lead was written: ``{version, notes, tasks, messages}``."""
    return shown(await store.write_counts(tenant, lead_id))


@router.get("/leads/{lead_id}/{kind}")
async def list_activities(
    lead_id: str, kind: ActivityKind, store: Store, tenant: Tenant, cursor: Cursor = None, limit: Limit = 50
) -> Response:
    """List a lead's notes, tasks or messages, oldest first."""
    place = from_cursor(cursor, int)
    found = await store.activities(tenant, lead_id, kind, place[0] if place else 0, limit + 1)
    return shown(page_of(found, limit, lambda row: _activity(kind, lead_id, row), lambda row: [row["position"]]))


@router.post("/leads/{lead_id}/{kind}")
async def add_activity(request: Request, lead_id: str, kind: ActivityKind, store: Store, tenant: Tenant) -> Response:
    """Add a note, task or message to a lead."""
    body = await read_storable(request)
    check_activity(kind, body)
    holds = precondition_of(request, required=False)

    async def effect(writes: RootWrites) -> Answer:
        row = await writes.add_activity(lead_id, kind, body, holds)
        return rendered(_activity(kind, lead_id, row), status=HTTPStatus.CREATED)

    return await write(request, store, tenant, body, effect)


@router.get("/kanban")
async def get_kanban(store: Store, tenant: Tenant) -> Response:
    """Return the board's stages in order with their number of leads."""
    counts, board = await store.stages(tenant)
    return shown(kanban(counts, board))


@router.get("/demographics")
async def get_demographics(store: Store, tenant: Tenant) -> Response:
    """Return the number of leads by source, stage and language; null is for leads that don't say."""
    by: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in await store.demographics(tenant):
        by[row["trait"]].append({"value": row["value"], "leads": row["leads"]})
    total = sum(entry["leads"] for entry in by["stage"])
    return shown({"leads": total, **{trait: by[trait] for trait in ("source", "stage", "language")}})


def _lead(lead: Versioned) -> dict[str, Any]:
    return {"lead_id": lead.id, **lead.data}


def _activity(kind: ActivityKind, lead_id: str, row: dict[str, Any]) -> dict[str, Any]:
    own = {
        f"{kind.removesuffix('s')}_id": row["activity_id"],
        "lead_id": lead_id,
        "created_at": row["created_at"].isoformat().replace("+00:00", "Z"),
    }
    return {**row["attributes"], **own}


def _without_id(body: dict[str, Any], name: str, value: str) -> dict[str, Any]:
    if body.get(name, value) != value:
        raise BadInput(f"{name} can't be changed")
    return {key: item for key, item in body.items() if key != name}


def check_stage(changes: dict[str, Any]) -> None:
    """Refuse a stage that can't be one.

    Raises:
        BadInput: it is no text, empty or too long.
    """
    stage = changes.get("stage", "-")
    if not isinstance(stage, str) or not stage.strip() or len(stage) > MAX_STAGE:
        raise BadInput(f"a stage is a text of 1 to {MAX_STAGE} characters", code="stage_invalid")


def check_activity(kind: ActivityKind, body: dict[str, Any]) -> None:
    """Refuse a note, task or message that says nothing.

    Raises:
        BadInput: it holds no text.
    """
    wanted = ("title", "text", "body") if kind == "tasks" else ("text", "body")
    if not any(isinstance(body.get(name), str) and body[name].strip() for name in wanted):
        raise BadInput(f"a {kind.removesuffix('s')} needs a text in one of: {', '.join(wanted)}")
