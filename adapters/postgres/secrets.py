"""What a deployment signs with, kept in its database where only the administrator can read it."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

import psycopg

from adapters.postgres.provision import OWNER_OPTION
from contracts.errors import StoreUnavailable


@dataclass(frozen=True)
class Secrets:
    """The database's signing keys, 32 bytes each; every process over the same database has the same ones.

    Attributes:
        tenants: stamps a connection with the tenant that it reads as.
        passes: signs librarian passes.
    """

    tenants: bytes = field(repr=False)
    passes: bytes = field(repr=False)


def tenant_token(key: bytes, tenant_id: str) -> str:
    """Return what a connection reads as the tenant by; for no tenant, the empty stamp, by which it reads nothing.

    ``colony_tenant()`` verifies it, once a statement. It names the tenant and nothing else: a pool in between hands a
    connection's statements to any backend, and a token that leaks opens no other tenant than its own.
    """
    return f"{tenant_id}:{hmac.new(key, tenant_id.encode(), hashlib.sha256).hexdigest()}" if tenant_id else ""


def read_secrets(admin_dsn: str) -> Secrets:
    """Read the signing keys of a migrated database.

    Raises:
        StoreUnavailable: the database does not answer.
    """
    try:
        with psycopg.connect(admin_dsn, connect_timeout=10, options=OWNER_OPTION) as conn:
            rows: dict[str, bytes] = dict(conn.execute("select purpose, secret from colony_secrets").fetchall())
    except psycopg.OperationalError as exc:
        raise StoreUnavailable("Postgres does not answer") from exc
    return Secrets(tenants=bytes(rows["tenant"]), passes=bytes(rows["pass"]))
