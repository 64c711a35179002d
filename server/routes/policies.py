"""A tenant's own rules: store them in versions, check them, put one in force, look at what was in force when."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse

from contracts.errors import Conflict, NotFound
from server import shapes_policy as shapes
from server.body import parsed
from server.compose import Colony
from server.hindsight import Hindsight, WhatIf
from server.missions import Reason
from server.openapi import BODY_FAILS, fails, takes
from server.policysets import RuleFilesGiven, checked_told
from server.principal import POLICY_MANAGER, PolicyManager, Reader
from server.routes.parts import Body, BoundedRoute, Parts

router = APIRouter(prefix="/api/colony", tags=["policies"], route_class=BoundedRoute)
_NO_VERSION = 2**31
_GIVEN = takes(RuleFilesGiven, required=True)


async def version_ref(version: int) -> int:
    """Return a version's number if it can be one.

    Raises:
        NotFound: no version has such a number.
    """
    if version >= _NO_VERSION:
        raise NotFound("there is no such version of the rules", code="rules_not_found")
    return version


async def decision_ref(decision_id: str) -> str:
    """Return a decision's name if it can be one.

    Raises:
        NotFound: no decision has such a name.
    """
    if not re.fullmatch(r"pd_[0-9a-f]{32}", decision_id, re.ASCII):
        raise NotFound("there is no such decision", code="decision_not_found")
    return decision_id


DecisionRef = Annotated[str, Depends(decision_ref)]


def _hindsight(colony: Colony) -> Hindsight:
    return Hindsight(colony.policies.store, colony.policies.governance, colony.constituting.store)


VersionRef = Annotated[int, Depends(version_ref)]


@router.get("/policies", response_model=shapes.RuleState, responses=fails())
async def state(who: PolicyManager, colony: Parts) -> JSONResponse:
    """Return which rules are in force for the tenant, its versions, and who activated what."""
    return JSONResponse(await colony.policies.state(who.tenant_id))


@router.post(
    "/policies",
    status_code=201,
    response_model=shapes.RuleVersionWhole,
    responses=fails(Conflict, *BODY_FAILS),
    openapi_extra=_GIVEN,
)
async def put(who: PolicyManager, colony: Parts, body: Body) -> JSONResponse:
    """Store the tenant's rules as a new version, and say what is wrong with them. Nothing is in force by that."""
    return JSONResponse(await colony.policies.put(who, parsed(RuleFilesGiven, body)), status_code=201)


@router.post(
    "/policies/check",
    response_model=shapes.RulesChecked,
    responses=fails(*BODY_FAILS),
    openapi_extra=_GIVEN,
    dependencies=[POLICY_MANAGER],
)
async def check(colony: Parts, body: Body) -> JSONResponse:
    """Check rules without storing them."""
    return JSONResponse(checked_told(await colony.policies.checked(parsed(RuleFilesGiven, body).files)))


@router.post(
    "/policies/what-if",
    response_model=shapes.WhatIfPage,
    responses=fails(Conflict, *BODY_FAILS),
    openapi_extra=takes(WhatIf, required=True),
)
async def what_if(who: PolicyManager, colony: Parts, body: Body) -> JSONResponse:
    """Ask a page of the tenant's past questions again under other rules, and list the decisions that flip."""
    return JSONResponse(await _hindsight(colony).what_if(who.tenant_id, parsed(WhatIf, body)))


@router.get("/policies/decisions/{decision_id}", response_model=shapes.Explanation, responses=fails(NotFound))
async def explain(decision_id: DecisionRef, who: Reader, colony: Parts) -> JSONResponse:
    """Explain a decision: its inputs, the rules that determined it, and what would have changed it."""
    return JSONResponse(await _hindsight(colony).explain(who.tenant_id, decision_id))


@router.get("/policies/{version:int}", response_model=shapes.RuleVersionWhole, responses=fails(NotFound))
async def version(version: VersionRef, who: PolicyManager, colony: Parts) -> JSONResponse:
    """Return a version whole; 0 is the shipped rules alone."""
    return JSONResponse(await colony.policies.version(who.tenant_id, version))


@router.post(
    "/policies/{version:int}/activate",
    response_model=shapes.Activated,
    responses=fails(NotFound, Conflict, *BODY_FAILS),
    openapi_extra=takes(Reason),
)
async def activate(version: VersionRef, who: PolicyManager, colony: Parts, body: Body) -> JSONResponse:
    """Put a version in force for every question that is asked from the answer on; 0 is back to the shipped rules."""
    return JSONResponse(await colony.policies.activate(who, version, parsed(Reason, body).reason))
