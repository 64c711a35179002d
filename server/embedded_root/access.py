"""Who may call the embedded root, and for which tenant."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import SecretStr

from adapters.postgres.root_store import RootStore
from contracts.errors import Malformed, NotFound, Unauthenticated
from server.loopback import is_local

TENANT_HEADER = "X-Colony-Tenant"
DEFAULT_TENANT = "demo"

_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Service:
    """What every route of one embedded root shares."""

    store: RootStore
    api_key: SecretStr | None
    require_key: bool


def service_of(request: Request) -> Service:
    """Return what the app was made with."""
    service = request.app.state.service
    if not isinstance(service, Service):
        raise TypeError("the embedded root was not made by create_root_app")
    return service


def tenant_of(request: Request, service: Annotated[Service, Depends(service_of)]) -> str:
    """Admit the caller and return the tenant it speaks for.

    Raises:
        Unauthenticated: no key, a wrong key, or no key configured and the caller isn't local.
        Malformed: the tenant's name is not one.
    """
    if not (_has_key(request, service.api_key) or (not service.require_key and is_local(request))):
        raise Unauthenticated("a key is needed", hint="Send ROOT_API_KEY as `Authorization: Bearer`.")
    tenant = request.headers.get(TENANT_HEADER, DEFAULT_TENANT)
    if not _TENANT.fullmatch(tenant):
        raise Malformed(f"{TENANT_HEADER} is not a tenant's name")
    return tenant


def whole_ids(request: Request) -> None:
    """Refuse an id with an escaped slash: the router unescapes first and would take it for two segments.

    Raises:
        NotFound: always, since no object has such an id.
    """
    if b"%2f" in request.scope.get("raw_path", b"").lower():
        raise NotFound("no object has such an id")


def root_router(prefix: str = "") -> APIRouter:
    """Return a router for routes of the root."""
    return APIRouter(prefix=prefix, dependencies=[Depends(whole_ids)])


def store_of(service: Annotated[Service, Depends(service_of)]) -> RootStore:
    """Return the store behind the root."""
    return service.store


Tenant = Annotated[str, Depends(tenant_of)]
Store = Annotated[RootStore, Depends(store_of)]


def _has_key(request: Request, key: SecretStr | None) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if key is None or not key.get_secret_value() or scheme.lower() != "bearer":
        return False
    return hmac.compare_digest(given.strip().encode(), key.get_secret_value().encode())
