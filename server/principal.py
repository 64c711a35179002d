"""Who is asking: a tenant, an actor, and what they may do."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from fastapi import Depends, Request

from adapters.postgres.keys import KEY_BEGINS, ApiKeys
from contracts.base import ActorId, TenantId
from contracts.errors import Forbidden, Unauthenticated
from server.loopback import is_local
from server.settings import Settings
from server.tokens import TokenVerifier

Capability = Literal[
    "mission:submit",
    "mission:read",
    "mission:approve",
    "mission:operate",
    "policy:manage",
    "constitution:manage",
    "capsule:manage",
    "key:manage",
]
CAPABILITIES: frozenset[str] = frozenset(get_args(Capability))
TENANT_HEADER = "X-Colony-Tenant"
KEY_HEADER = "X-Api-Key"
"""The header in which the LangGraph SDK's clients send their key, or a token."""
TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ROLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}")
_MOST_ROLES = 100
_WORK = frozenset({"mission:submit", "mission:read"})
ROLE_CAPABILITIES = {
    "viewer": frozenset({"mission:read"}),
    "submitter": _WORK,
    "approver": frozenset({"mission:read", "mission:approve"}),
    "operator": _WORK | {"mission:operate"},
    "admin": CAPABILITIES,
}
"""What a role stands for in a token without capabilities; one that names some has those and no other."""


@dataclass(frozen=True)
class Principal:
    """The caller of one request: by which API key, if by one; ``local`` is a developer's own machine without any."""

    tenant_id: TenantId
    actor_id: ActorId
    capabilities: frozenset[str]
    roles: frozenset[str] = frozenset()
    key_id: str | None = None
    local: bool = False

    def needs(self, capability: str) -> None:
        """Go on only with a capability.

        Raises:
            Forbidden: the caller doesn't hold it.
        """
        if capability not in self.capabilities:
            raise Forbidden(f"this needs the capability {capability}", code="capability_missing")


DEVELOPER = Principal(TenantId("demo"), ActorId("developer"), CAPABILITIES, local=True)
"""Whoever asks from this machine in the modes that trust it."""


class Gatekeeper:
    """Turns a request's credentials into a principal."""

    def __init__(self, settings: Settings, keys: ApiKeys | None = None) -> None:
        self._settings = settings
        self._tokens = TokenVerifier(settings)
        self._keys = keys

    async def principal(self, request: Request) -> Principal:
        """Return who asks.

        Raises:
            Unauthenticated: there are no credentials that hold.
        """
        given = request.headers.getlist("Authorization")
        keys = request.headers.getlist(KEY_HEADER)
        if len(given) > 1 or len(keys) > 1 or (given and keys):
            raise Unauthenticated("there is more than one Authorization or X-Api-Key header")
        if keys:
            return await self._bearer(keys[0].strip())
        if given:
            scheme, _, credentials = given[0].partition(" ")
            if scheme.lower() != "bearer" or not credentials.strip():
                raise Unauthenticated("the Authorization header is not a bearer token")
            return await self._bearer(credentials.strip())
        if self._settings.deployment_mode.trusts_loopback and is_local(request):
            return DEVELOPER
        raise Unauthenticated("a token is needed", hint="Send it as `Authorization: Bearer`.")

    async def _bearer(self, credentials: str) -> Principal:
        if self._keys is None or not credentials.startswith(KEY_BEGINS):
            return _principal(self._tokens.claims(credentials))
        found = await self._keys.look_up(credentials)
        if found is None:
            raise Unauthenticated("the key does not hold", hint="It may be revoked or have expired.")
        capabilities = CAPABILITIES.intersection(found["capabilities"])
        return Principal(found["tenant_id"], found["actor_id"], capabilities, key_id=found["key_id"])


def _principal(claims: dict[str, Any]) -> Principal:
    tenant, roles = claims.get("tenant"), _roles(claims.get("roles", []))
    if not isinstance(tenant, str) or not TENANT.fullmatch(tenant):
        raise Unauthenticated("the token names no tenant")
    held = claims.get("capabilities", [c for role in roles for c in ROLE_CAPABILITIES.get(role, ())])
    if not isinstance(held, list):
        raise Unauthenticated("the token's capabilities are not a list")
    capabilities = CAPABILITIES.intersection(c for c in held if type(c) is str)
    return Principal(TenantId(tenant), ActorId(claims["sub"]), capabilities, roles)


def _roles(claimed: Any) -> frozenset[str]:
    """Return the names of the caller's roles, as the identity provider and the rules know them."""
    if not isinstance(claimed, list):
        raise Unauthenticated("the token's roles are not a list")
    return frozenset(r for r in claimed[:_MOST_ROLES] if isinstance(r, str) and _ROLE.fullmatch(r))


async def principal_of(request: Request) -> Principal:
    """Return who asks, as a route's dependency."""
    gatekeeper = request.app.state.gatekeeper
    if not isinstance(gatekeeper, Gatekeeper):
        raise TypeError("the app was made without a gatekeeper")
    who = await gatekeeper.principal(request)
    # A product that speaks for many tenants says which one it means: never may a key answer for another.
    if request.headers.get(TENANT_HEADER, who.tenant_id) != who.tenant_id:
        raise Forbidden("the key or token is not one of the tenant that is meant", code="tenant_mismatch")
    request.app.state.limits.admit(who)
    return who


CALLER = Depends(principal_of)
Caller = Annotated[Principal, CALLER]


def holder_of(capability: str) -> Callable[[Principal], Awaitable[Principal]]:
    """Return the dependency of a route that needs a capability: it is asked for before the body is read."""

    async def holder(who: Caller) -> Principal:
        who.needs(capability)
        return who

    return holder


Submitter = Annotated[Principal, Depends(holder_of("mission:submit"))]
READER = Depends(holder_of("mission:read"))
"""For a route that needs to know no more of its caller."""
Reader = Annotated[Principal, READER]
Approver = Annotated[Principal, Depends(holder_of("mission:approve"))]
ConstitutionManager = Annotated[Principal, Depends(holder_of("constitution:manage"))]
POLICY_MANAGER = Depends(holder_of("policy:manage"))
PolicyManager = Annotated[Principal, POLICY_MANAGER]
KeyManager = Annotated[Principal, Depends(holder_of("key:manage"))]
Operator = Annotated[Principal, Depends(holder_of("mission:operate"))]
