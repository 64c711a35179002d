"""Who is asking: a tenant, an actor, and what they may do."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

import jwt
from fastapi import Depends, Request
from jwt import PyJWK, PyJWKSet

from contracts.base import ActorId, TenantId
from contracts.errors import Forbidden, SettingInvalid, Unauthenticated
from server.loopback import is_local
from server.settings import Settings

CAPABILITIES = frozenset(
    {
        "mission:submit",
        "mission:read",
        "mission:approve",
        "mission:operate",
        "policy:manage",
        "constitution:manage",
        "capsule:manage",
        "key:manage",
    }
)
# Asymmetric only: a shared secret among the public keys would let everybody who reads them sign.
_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
TENANT_HEADER = "X-Colony-Tenant"
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LONGEST_SUBJECT = 200


@dataclass(frozen=True)
class Principal:
    """The caller of one request."""

    tenant_id: TenantId
    actor_id: ActorId
    capabilities: frozenset[str]

    def needs(self, capability: str) -> None:
        """Go on only with a capability.

        Raises:
            Forbidden: the caller doesn't hold it.
        """
        if capability not in self.capabilities:
            raise Forbidden(f"this needs the capability {capability}", code="capability_missing")


class Gatekeeper:
    """Turns a request's credentials into a principal."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._keys = _keys(settings)

    def principal(self, request: Request) -> Principal:
        """Return who asks.

        Raises:
            Unauthenticated: there are no credentials that hold.
        """
        given = request.headers.get("Authorization")
        if given is not None:
            scheme, _, token = given.partition(" ")
            if scheme.lower() != "bearer" or not token.strip():
                raise Unauthenticated("the Authorization header is not a bearer token")
            return _principal(self._claims(token.strip()))
        if self._settings.deployment_mode.trusts_loopback and is_local(request):
            return Principal(TenantId("demo"), ActorId("developer"), CAPABILITIES)
        raise Unauthenticated("a token is needed", hint="Send it as `Authorization: Bearer`.")

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            key = self._keys.get(jwt.get_unverified_header(token).get("kid"))
            if key is None:
                raise Unauthenticated("nobody here knows the token's key")
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                issuer=self._settings.jwt_issuer,
                audience=self._settings.jwt_audience,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except (jwt.PyJWTError, ValueError, RecursionError, OverflowError) as exc:
            raise Unauthenticated("the token does not hold") from exc
        return claims


def _principal(claims: dict[str, Any]) -> Principal:
    tenant, subject, held = claims.get("tenant"), claims.get("sub"), claims.get("capabilities", [])
    if not isinstance(tenant, str) or not _TENANT.fullmatch(tenant):
        raise Unauthenticated("the token names no tenant")
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT or not subject.isprintable():
        raise Unauthenticated("the token names nobody")
    if not isinstance(held, list):
        raise Unauthenticated("the token's capabilities are not a list")
    return Principal(TenantId(tenant), ActorId(subject), CAPABILITIES.intersection(c for c in held if type(c) is str))


def _keys(settings: Settings) -> dict[str | None, PyJWK]:
    if settings.jwt_jwks_file is None:
        return {}
    if not settings.jwt_issuer or not settings.jwt_audience:
        raise SettingInvalid("JWT_JWKS_FILE is set without JWT_ISSUER and JWT_AUDIENCE", hint="Set all three, or none.")
    try:
        keys = PyJWKSet.from_json(settings.jwt_jwks_file.read_text(encoding="utf-8")).keys
    except (OSError, ValueError, AttributeError, jwt.PyJWTError) as exc:
        raise SettingInvalid("JWT_JWKS_FILE can't be used", hint="It must be a readable JSON Web Key Set.") from exc
    usable = {key.key_id: key for key in keys if key.algorithm_name in _ALGORITHMS}
    if not usable:
        raise SettingInvalid("JWT_JWKS_FILE holds no public key", hint="It must hold RSA, EC or Ed25519 keys.")
    return usable


async def principal_of(request: Request) -> Principal:
    """Return who asks, as a route's dependency."""
    gatekeeper = request.app.state.gatekeeper
    if not isinstance(gatekeeper, Gatekeeper):
        raise TypeError("the app was made without a gatekeeper")
    who = gatekeeper.principal(request)
    # A product that speaks for many tenants says which one it means: never may a key answer for another.
    if request.headers.get(TENANT_HEADER, who.tenant_id) != who.tenant_id:
        raise Forbidden("the key or token is not one of the tenant that is meant", code="tenant_mismatch")
    return who


Caller = Annotated[Principal, Depends(principal_of)]


def holder_of(capability: str) -> Callable[[Principal], Awaitable[Principal]]:
    """Return the dependency of a route that needs a capability: it is asked for before the body is read."""

    async def holder(who: Caller) -> Principal:
        who.needs(capability)
        return who

    return holder


Submitter = Annotated[Principal, Depends(holder_of("mission:submit"))]
Reader = Annotated[Principal, Depends(holder_of("mission:read"))]
Approver = Annotated[Principal, Depends(holder_of("mission:approve"))]
Operator = Annotated[Principal, Depends(holder_of("mission:operate"))]
