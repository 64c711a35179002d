"""API keys of the caller's tenant: make, list, revoke."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse, Response

from contracts.errors import NotFound
from server.body import parsed
from server.keys import KeyList, KeyRequest, MadeKey, shown, wanted
from server.openapi import BODY_FAILS, fails, takes
from server.principal import KeyManager
from server.routes.parts import Body, BoundedRoute, Parts

router = APIRouter(prefix="/api/colony", tags=["keys"], route_class=BoundedRoute)
_KEY_ID = re.compile(r"[A-Za-z0-9_]{1,80}", re.ASCII)


async def key_ref(key_id: str) -> str:
    """Return a key's id if it can be one.

    Raises:
        NotFound: no key has such an id.
    """
    if not _KEY_ID.fullmatch(key_id):
        raise NotFound("there is no such key", code="key_not_found")
    return key_id


KeyRef = Annotated[str, Depends(key_ref)]


@router.post(
    "/keys",
    status_code=201,
    response_model=MadeKey,
    responses=fails(*BODY_FAILS),
    openapi_extra=takes(KeyRequest, required=True),
)
async def create(who: KeyManager, colony: Parts, body: Body) -> JSONResponse:
    """Make a key that acts as the caller, with no capability that the caller lacks."""
    key, row = await colony.keys.create(wanted(parsed(KeyRequest, body), who))
    return JSONResponse({**shown(row), "key": key}, status_code=201, headers={"Cache-Control": "no-store"})


@router.get("/keys", response_model=KeyList, responses=fails())
async def keys(who: KeyManager, colony: Parts) -> JSONResponse:
    """List the tenant's keys."""
    return JSONResponse({"items": [shown(row) for row in await colony.keys.of_tenant(who.tenant_id)]})


@router.delete("/keys/{key_id}", status_code=204, response_class=Response, responses=fails(NotFound))
async def revoke(key_id: KeyRef, who: KeyManager, colony: Parts) -> Response:
    """Revoke a key and all that were made with it, from this moment on."""
    await colony.keys.revoke(who.tenant_id, key_id, who.actor_id)
    return Response(status_code=204)
