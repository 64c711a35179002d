"""The constitution: what is in force, and how people put another one in its place."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse

from contracts.errors import Conflict, NotFound
from server import shapes_constitution as shapes
from server.body import parsed
from server.constituting import ConstitutionProposal
from server.missions import Reason
from server.openapi import BODY_FAILS, fails, takes
from server.principal import READER, ConstitutionManager
from server.routes.parts import Body, BoundedRoute, Parts

router = APIRouter(prefix="/api/colony", tags=["constitution"], route_class=BoundedRoute)


async def document_ref(sha256: str) -> str:
    """Return a document's hash if it can be one.

    Raises:
        NotFound: no document has such a hash.
    """
    if not re.fullmatch(r"[0-9a-f]{64}", sha256, re.ASCII):
        raise NotFound("there is no such constitution", code="constitution_not_found")
    return sha256


DocumentRef = Annotated[str, Depends(document_ref)]
_ANSWER_FAILS = fails(NotFound, Conflict, *BODY_FAILS)


@router.get("/constitution", response_model=shapes.ConstitutionState, responses=fails(), dependencies=[READER])
async def state(colony: Parts) -> JSONResponse:
    """Return the constitution in force, or why there is none that holds."""
    return JSONResponse(await colony.constituting.state())


@router.get("/constitution/versions", response_model=shapes.ConstitutionVersions, responses=fails())
async def versions(who: ConstitutionManager, colony: Parts) -> JSONResponse:
    """Return every document that was proposed, oldest first, with who did what about it."""
    return JSONResponse({"items": await colony.constituting.versions(who)})


@router.post(
    "/constitution",
    status_code=201,
    response_model=shapes.ConstitutionVersion,
    responses=fails(Conflict, *BODY_FAILS),
    openapi_extra=takes(ConstitutionProposal, required=True),
)
async def propose(who: ConstitutionManager, colony: Parts, body: Body) -> JSONResponse:
    """Propose a signed document, and agree to it. Somebody else must, too, before it is in force."""
    return JSONResponse(await colony.constituting.propose(who, parsed(ConstitutionProposal, body)), status_code=201)


@router.post(
    "/constitution/{sha256}/approve",
    response_model=shapes.ConstitutionVersion,
    responses=_ANSWER_FAILS,
    openapi_extra=takes(Reason),
)
async def approve(sha256: DocumentRef, who: ConstitutionManager, colony: Parts, body: Body) -> JSONResponse:
    """Agree to exactly this document; the last agreement that it needs puts it in force."""
    reason = parsed(Reason, body).reason
    return JSONResponse(await colony.constituting.answer(who, sha256, approves=True, reason=reason))


@router.post(
    "/constitution/{sha256}/reject",
    response_model=shapes.ConstitutionVersion,
    responses=_ANSWER_FAILS,
    openapi_extra=takes(Reason),
)
async def reject(sha256: DocumentRef, who: ConstitutionManager, colony: Parts, body: Body) -> JSONResponse:
    """Turn a document down for good, whoever has agreed to it."""
    reason = parsed(Reason, body).reason
    return JSONResponse(await colony.constituting.answer(who, sha256, approves=False, reason=reason))
