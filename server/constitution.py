"""Which keys this deployment trusts constitutions by, and what a developer mode begins with."""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.postgres.constitutions import found
from adapters.postgres.secrets import Secrets
from graph.constitution import Guard, key_id, raw, signed
from policies.constitution import developers
from server.settings import Settings


def own_key(secrets: Secrets) -> Ed25519PrivateKey:
    """Return the key of a developer mode: made from what the database keeps for its owner, so that it goes with it."""
    seed = hmac.new(secrets.passes, b"colony.constitution.own.v1", hashlib.sha256).digest()
    return Ed25519PrivateKey.from_private_bytes(seed)


def _has_own(settings: Settings) -> bool:
    return not settings.constitution_keys and not settings.deployment_mode.is_production


def guard_for(settings: Settings, secrets: Secrets) -> Guard:
    """Return what verifies constitutions here: by CONSTITUTION_PUBLIC_KEY; a developer mode without it by its own."""
    if not _has_own(settings):
        return Guard(settings.constitution_keys)
    public = raw(own_key(secrets))
    return Guard([public], own=key_id(public))


def founded(admin_dsn: str, settings: Settings, secrets: Secrets) -> None:
    """Sign and put in force the constitution that a developer mode begins with, unless there is one.

    Raises:
        StoreUnavailable: Postgres does not answer.
    """
    if _has_own(settings):
        first = developers(alone=settings.deployment_mode.trusts_loopback)
        found(admin_dsn, signed(first, own_key(secrets)))
