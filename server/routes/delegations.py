"""Delegations: an approver lets a person, or whoever holds a role, answer in their place for a time."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from adapters.postgres.delegations import Delegation
from contracts.base import ActorId
from contracts.clock import rfc3339
from contracts.errors import NotFound
from server import shapes_approval
from server.body import parsed
from server.delegating import DelegationRequest
from server.openapi import BODY_FAILS, fails, takes
from server.principal import Approver, Reader
from server.routes.parts import Body, BoundedRoute, Parts

router = APIRouter(prefix="/api/colony", tags=["delegations"], route_class=BoundedRoute)


@router.post(
    "/delegations",
    status_code=201,
    response_model=shapes_approval.Delegation,
    responses=fails(*BODY_FAILS),
    openapi_extra=takes(DelegationRequest, required=True),
)
async def delegate(who: Approver, colony: Parts, body: Body) -> JSONResponse:
    """Let somebody answer approvals in the caller's place. What was lent can't be lent on."""
    wanted = parsed(DelegationRequest, body)
    row = await colony.service.delegations.lend(
        Delegation(
            delegation_id=f"dlg_{secrets.token_hex(16)}",
            tenant_id=who.tenant_id,
            actor_id=who.actor_id,
            to_actor=ActorId(wanted.to_actor) if wanted.to_actor else None,
            to_role=wanted.to_role,
            reason=wanted.reason,
            duration_ms=wanted.duration_ms,
            made_with=who.key_id,
        )
    )
    return JSONResponse(_shown(row), status_code=201)


@router.get("/delegations", response_model=shapes_approval.Delegations, responses=fails())
async def delegations(who: Reader, colony: Parts) -> JSONResponse:
    """Return the delegations, newest first, those that have ended too."""
    return JSONResponse({"items": [_shown(row) for row in await colony.service.delegations.lent(who.tenant_id)]})


@router.delete("/delegations/{delegation_id}", response_model=shapes_approval.Delegation, responses=fails(NotFound))
async def take_back(delegation_id: str, who: Approver, colony: Parts) -> JSONResponse:
    """End a delegation now: one's own, or, with the capability to manage policies, anybody's."""
    anyones = "policy:manage" in who.capabilities
    if not delegation_id.isascii() or not delegation_id.isprintable():
        raise NotFound("there is no such delegation", code="delegation_not_found")
    row = await colony.service.delegations.take_back(who.tenant_id, delegation_id, who.actor_id, anyones=anyones)
    return JSONResponse(_shown(row))


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    revoked = row["revoked_at"]
    return {
        **{key: row[key] for key in ("delegation_id", "actor_id", "to_actor", "to_role", "reason", "revoked_by")},
        "created_at": rfc3339(row["created_at"]),
        "expires_at": rfc3339(row["expires_at"]),
        "revoked_at": rfc3339(revoked) if revoked else None,
    }
