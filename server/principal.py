"""Who is asking: a tenant, an actor, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import jwt
from fastapi import Depends, Request
from jwt import PyJWKSet

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
_ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]


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
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme:
            if scheme.lower() != "bearer" or not token.strip():
                raise Unauthenticated("the Authorization header is not a bearer token")
            return self._from_token(token.strip())
        if self._settings.deployment_mode.trusts_loopback and is_local(request):
            return Principal(TenantId("demo"), ActorId("developer"), CAPABILITIES)
        raise Unauthenticated("a token is needed", hint="Send it as `Authorization: Bearer`.")

    def _from_token(self, token: str) -> Principal:
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = next((k for k in self._keys.keys if k.key_id == kid), None) if self._keys else None
            if key is None:
                raise Unauthenticated("nobody here knows the token's key")
            claims = jwt.decode(
                token,
                key,
                algorithms=[a for a in _ALGORITHMS if a == key.algorithm_name],
                issuer=self._settings.jwt_issuer,
                audience=self._settings.jwt_audience,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.PyJWTError as exc:
            raise Unauthenticated("the token does not hold") from exc
        return _principal(claims)


def _principal(claims: dict[str, Any]) -> Principal:
    tenant, subject, held = claims.get("tenant"), claims.get("sub"), claims.get("capabilities", [])
    if not isinstance(tenant, str) or not tenant or not isinstance(subject, str) or not isinstance(held, list):
        raise Unauthenticated("the token lacks tenant, sub or capabilities")
    return Principal(TenantId(tenant), ActorId(subject), CAPABILITIES.intersection(c for c in held if type(c) is str))


def _keys(settings: Settings) -> PyJWKSet | None:
    if settings.jwt_jwks_file is None:
        return None
    if not settings.jwt_issuer or not settings.jwt_audience:
        raise SettingInvalid("JWT_JWKS_FILE is set without JWT_ISSUER and JWT_AUDIENCE", hint="Set all three, or none.")
    try:
        return PyJWKSet.from_json(settings.jwt_jwks_file.read_text(encoding="utf-8"))
    except (OSError, ValueError, jwt.PyJWTError) as exc:
        raise SettingInvalid("JWT_JWKS_FILE can't be used", hint="It must be a readable JSON Web Key Set.") from exc


def principal_of(request: Request) -> Principal:
    """Return who asks, as a route's dependency."""
    gatekeeper = request.app.state.gatekeeper
    if not isinstance(gatekeeper, Gatekeeper):
        raise TypeError("the app was made without a gatekeeper")
    return gatekeeper.principal(request)


Caller = Annotated[Principal, Depends(principal_of)]
