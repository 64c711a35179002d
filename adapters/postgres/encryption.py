"""Whether a database's payloads are sealed, and under which keys: looked at once, before a process reads anything."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import psycopg
import structlog
from psycopg.rows import DictRow, dict_row

from adapters.postgres.guard import store_errors
from adapters.postgres.pools import Pool
from adapters.postgres.provision import BACKUP_ROLE
from adapters.postgres.queries import Queries
from adapters.postgres.vault import Vault, derived, key_id
from contracts.canonical import canonical_bytes
from contracts.errors import SettingInvalid, StoreUnavailable

State = Literal["encrypting", "encrypted"]
_log = structlog.get_logger(__name__)
_LOOK_S = 2.0
_DOCS = "see docs/encryption.md"


@dataclass(frozen=True)
class Marker:
    """What the database says about its payloads: since when they are sealed, and under which keys."""

    state: State
    key_ids: tuple[str, ...]
    since: datetime
    made_by: str
    mac: bytes

    def holds(self, keys: Sequence[bytes]) -> bool:
        """Whether one of these keys made it, as it is."""
        return any(hmac.compare_digest(self.mac, _mac(key, self.state, self.key_ids, self.since)) for key in keys)


def vault_for(admin_dsn: str, keys: Sequence[bytes]) -> Vault:
    """Return the vault of a database, which these keys must fit. A database without missions is sealed from here on.

    Raises:
        SettingInvalid: the payloads are sealed under a key that is not among them (``encryption_key_missing``), or are
            in plaintext though there is a key (``payloads_in_plaintext``), or the marker is not these keys' own.
        StoreUnavailable: Postgres does not answer.
    """
    with _locked(admin_dsn) as conn:
        found = read(conn)
        if found is None and keys and _missions(conn):
            raise SettingInvalid(
                "PAYLOAD_ENCRYPTION_KEY is set, and the missions in the database are in plaintext",
                code="payloads_in_plaintext",
                hint=f"Stop the services and run `colony db encrypt`; {_DOCS}.",
            )
        if found is not None:
            check(found, keys)
        if keys and (found is None or key_id(keys[0]) not in found.key_ids):
            held = () if found is None else found.key_ids
            write(conn, keys[0], found.state if found else "encrypted", (*held, key_id(keys[0])))
    return Vault(keys, tolerant=found is not None and found.state == "encrypting")


def check(found: Marker, keys: Sequence[bytes]) -> None:
    """Go on only with every key that something may be sealed under, and with a marker that one of them made.

    Raises:
        SettingInvalid: as said above.
    """
    missing = [name for name in found.key_ids if name not in {key_id(key) for key in keys}]
    if missing:
        raise SettingInvalid(
            f"PAYLOAD_ENCRYPTION_KEY lacks {', '.join(missing)}, under which payloads in the database are encrypted",
            code="encryption_key_missing",
            hint=f"Add it after the key that is to encrypt, or run `colony db rotate` where both are known; {_DOCS}.",
        )
    if not found.holds(keys):
        raise SettingInvalid(
            "the database's record of its encryption was not made with PAYLOAD_ENCRYPTION_KEY",
            code="encryption_marker_tampered",
            hint=f"Somebody has changed the table colony_encryption; {_DOCS}.",
        )


async def confirm(pool: Pool) -> None:
    """Look again once the process can be seen by whoever encrypts: a process without a key must not write beside it.

    Raises:
        SettingInvalid: the database is encrypted, and this process has no key.
    """
    with store_errors():
        async with pool.connection() as conn:
            marked = await (await conn.execute(Queries.load("encryption")["marker"])).fetchone()
    if marked is not None and not pool.vault.active:
        check(_marker(marked), ())


async def until_encrypted(pool: Pool) -> None:
    """Read plaintext no longer, as soon as every payload of the database is sealed."""
    if not pool.vault.tolerant:
        return
    _log.warning("plaintext is read until `colony db encrypt` has ended")
    while pool.vault.tolerant:
        await asyncio.sleep(_LOOK_S)
        with suppress(StoreUnavailable), store_errors():
            async with pool.connection() as conn:
                row = await (await conn.execute(Queries.load("encryption")["marker"])).fetchone()
            pool.vault.tolerant = row is not None and row["state"] == "encrypting"


def read(conn: psycopg.Connection[DictRow]) -> Marker | None:
    """Return what the database says about its payloads; None when they were never sealed."""
    row = conn.execute(Queries.load("encryption")["marker"]).fetchone()
    return None if row is None else _marker(row)


def write(conn: psycopg.Connection[DictRow], key: bytes, state: State, key_ids: Sequence[str]) -> None:
    """Say how payloads are sealed from here on, as the owner; since when, changes with the state alone."""
    found = read(conn)
    since = found.since if found is not None and found.state == state else datetime.now(UTC)
    mac = _mac(key, state, key_ids, since)
    named = {"state": state, "key_ids": list(key_ids), "since": since, "made_by": key_id(key), "mac": mac}
    with conn.transaction():
        conn.execute("set local role colony_owner")
        conn.execute(Queries.load("encryption")["mark"], named)
        conn.execute("reset role")


def _marker(row: DictRow) -> Marker:
    return Marker(row["state"], tuple(row["key_ids"]), row["since"], row["made_by"], bytes(row["mac"]))


def _mac(key: bytes, state: State, key_ids: Sequence[str], since: datetime) -> bytes:
    said = canonical_bytes([state, list(key_ids), since.astimezone(UTC).isoformat()])
    return hmac.new(derived(key, "marker"), said, hashlib.sha256).digest()


def _missions(conn: psycopg.Connection[DictRow]) -> bool:
    with conn.transaction():
        conn.execute(f"set local role {BACKUP_ROLE}")
        row = conn.execute(Queries.load("encryption")["missions"]).fetchone()
        conn.execute("reset role")
    return row is not None and bool(row["some"])


@contextmanager
def _locked(admin_dsn: str) -> Iterator[psycopg.Connection[DictRow]]:
    """Connect for one transaction, one process at a time."""
    with store_errors(), psycopg.connect(admin_dsn, connect_timeout=10, row_factory=dict_row) as conn:
        conn.execute("select pg_advisory_xact_lock(hashtext('colony encryption'))")
        yield conn
