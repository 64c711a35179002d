"""The SDK's store: items under namespaces, the caller's tenant's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response

from contracts.clock import rfc3339
from contracts.errors import BadInput, Conflict, TooLarge
from server.body import parsed
from server.openapi import BODY_FAILS, fails, takes
from server.principal import Reader, Submitter
from server.routes.parts import Body, BoundedRoute
from server.routes.sdk_parts import SdkParts
from server.sdk import bodies, shapes

router = APIRouter(tags=["store"], route_class=BoundedRoute)
MOST_BYTES = 262_144
"""How large an item may be, as JSON."""
_DOTTED = r"^[^\x00.]{1,200}(\.[^\x00.]{1,200}){0,9}$"


@router.put(
    "/store/items",
    status_code=204,
    responses=fails(Conflict, *BODY_FAILS),
    openapi_extra=takes(bodies.ItemPut, required=True),
)
async def put(who: Submitter, sdk: SdkParts, body: Body) -> Response:
    """Keep an item, in the place of the one with its name."""
    item = parsed(bodies.ItemPut, body)
    if len(json.dumps(item.value)) > MOST_BYTES:
        raise TooLarge(f"value: an item is at most {MOST_BYTES} bytes of JSON")
    await sdk.memories.put(who.tenant_id, who.actor_id, item.namespace, item.key, item.value, item.ttl)
    return Response(status_code=204)


@router.get("/store/items", response_model=shapes.Item | None, responses=fails(BadInput))
async def get(
    who: Reader,
    sdk: SdkParts,
    key: Annotated[str, Query(min_length=1, max_length=400, pattern=r"^[^\x00]+$")],
    namespace: Annotated[str | None, Query(pattern=_DOTTED, description="Its parts, with dots between.")] = None,
) -> JSONResponse:
    """Return an item; null when it is not there."""
    found = await sdk.memories.get(who.tenant_id, namespace.split(".") if namespace else [], key)
    return JSONResponse(_shown(found) if found else None)


@router.delete(
    "/store/items", status_code=204, responses=fails(*BODY_FAILS), openapi_extra=takes(bodies.ItemNamed, required=True)
)
async def delete(who: Submitter, sdk: SdkParts, body: Body) -> Response:
    """Forget an item."""
    item = parsed(bodies.ItemNamed, body)
    await sdk.memories.delete(who.tenant_id, item.namespace, item.key)
    return Response(status_code=204)


@router.post(
    "/store/items/search",
    response_model=shapes.Items,
    responses=fails(*BODY_FAILS),
    openapi_extra=takes(bodies.ItemSearch),
)
async def search(who: Reader, sdk: SdkParts, body: Body) -> JSONResponse:
    """List items under a namespace that hold certain values, last changed first."""
    asked = parsed(bodies.ItemSearch, body)
    if asked.query:
        raise BadInput("query: items are not searched by meaning", code="query_unsupported", hint="Use filter.")
    found = await sdk.memories.search(
        who.tenant_id, asked.namespace_prefix or (), asked.filter, asked.limit, asked.offset
    )
    return JSONResponse({"items": [_shown(row) for row in found]})


@router.post(
    "/store/namespaces",
    response_model=shapes.Namespaces,
    responses=fails(*BODY_FAILS),
    openapi_extra=takes(bodies.NamespaceSearch),
)
async def namespaces(who: Reader, sdk: SdkParts, body: Body) -> JSONResponse:
    """List namespaces."""
    asked = parsed(bodies.NamespaceSearch, body)
    found = await sdk.memories.namespaces(
        who.tenant_id, asked.prefix or (), asked.suffix or (), asked.max_depth or 10, asked.limit, asked.offset
    )
    return JSONResponse({"namespaces": found})


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "namespace": list(row["namespace"]),
        "key": row["key"],
        "value": row["payload"],
        "created_at": rfc3339(row["created_at"]),
        "updated_at": rfc3339(row["updated_at"]),
    }
