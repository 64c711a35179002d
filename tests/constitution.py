"""Constitutions for tests: signed, agreed to by two people, and put in force in a test's own database."""

import base64
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.postgres.constitutions import ConstitutionStore
from adapters.postgres.pools import open_pool
from adapters.postgres.provision import dsns_for
from adapters.postgres.secrets import read_secrets
from contracts.constitution import Constitution
from graph.constitution import raw, signed
from policies.constitution import SHIPPED, developers

INTRUDER = "set session_replication_role = replica"
"""An intruder with the whole database: no trigger, no row-level security."""


SIGNER = Ed25519PrivateKey.from_private_bytes(b"the operator's key, kept offline")
PUBLIC_KEY = base64.b64encode(raw(SIGNER)).decode()
"""What a test's production trusts."""


async def agreed(environment: Mapping[str, Any]) -> None:
    """Put the shipped constitution in force where a deployment is to trust the tests' key, unless one is."""
    if environment.get("CONSTITUTION_PUBLIC_KEY") == PUBLIC_KEY:
        await activate(environment["DATABASE_URL"], SHIPPED, SIGNER, again=True)


def next_version(before: Constitution | None, limits: Mapping[str, Any] | None = None) -> Constitution:
    """Return the version after one, with some limits changed."""
    made = before or developers(alone=True)
    changes: dict[str, Any] = {"limits": made.limits.model_copy(update=dict(limits or {}))}
    if before is not None:
        changes |= {"version": before.version + 1, "previous_sha256": before.sha256()}
    return made.model_copy(update=changes)


async def activate(database: str, one: Constitution, key: Ed25519PrivateKey, *, again: bool = False) -> None:
    """Let two people put a constitution in force, straight in the store."""
    pool = await open_pool(dsns_for(database).app, name="people", tenants=read_secrets(database).tenants, most=1)
    try:
        store = ConstitutionStore(pool)
        if again and await store.in_force() is not None:
            return
        assert await store.propose("demo", "ann", signed(one, key), "") == "proposed"
        became = await store.answer("demo", "bob", one.sha256(), approves=True, people=one.people, reason="")
        assert became == "activated"
    finally:
        await pool.close()
