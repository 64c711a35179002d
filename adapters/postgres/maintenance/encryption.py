"""Encrypt a database that was not, or go over to another key, while services run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
from psycopg.rows import DictRow, dict_row

from adapters.postgres import encryption
from adapters.postgres.guard import store_errors
from adapters.postgres.maintenance.sealing import Resealer
from adapters.postgres.provision import SEAL_ROLE
from adapters.postgres.queries import Queries
from adapters.postgres.secrets import read_secrets
from adapters.postgres.vault import Vault, key_id
from contracts.errors import Conflict, IntegrityBroken, KeyMissing, SettingInvalid

_PASSES = 3
Progress = Callable[[int, int], None]
Conn = psycopg.Connection[DictRow]


@dataclass
class Sealing:
    """What a pass over the database did: missions looked at, rows sealed, what could not be, and what is left."""

    key_id: str
    missions: int = 0
    rows: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    left: int = 0


def encrypt(dsn: str, keys: Sequence[bytes], progress: Progress) -> Sealing:
    """Seal an older database's plaintext; from the first moment on nothing is written in plaintext any more.

    Services without a key must be stopped for the beginning; with one they may go on. Plaintext is refused everywhere
    once all of it is sealed. It can be stopped and run again.

    Raises:
        SettingInvalid: there is no key, or not every key that is needed.
        Conflict: services use the database that may have no key.
        StoreUnavailable: Postgres does not answer.
    """
    with _connected(dsn) as conn:
        _needs(keys)
        found = encryption.read(conn)
        if found is None:
            services = conn.execute(Queries.load("maintenance")["services"].encode()).fetchone()
            if services != {"count": 0}:
                raise Conflict(
                    "services use this database, and write plaintext into it",
                    code="in_use",
                    hint="Stop every `colony serve` and `colony worker`; they can start with the key once this runs.",
                )
            encryption.write(conn, keys[0], "encrypting", [key_id(keys[0])])
        return _seal(conn, dsn, keys, progress)


def rotate(dsn: str, keys: Sequence[bytes], progress: Progress) -> Sealing:
    """Seal everything anew that is not sealed under the first key; afterwards the others are needed no more.

    Raises:
        SettingInvalid: there is no key, not every key that is needed, or the database is not encrypted.
        StoreUnavailable: Postgres does not answer.
    """
    with _connected(dsn) as conn:
        _needs(keys)
        if encryption.read(conn) is None:
            raise SettingInvalid(
                "the database is not encrypted", code="not_encrypted", hint="Run `colony db encrypt` first."
            )
        return _seal(conn, dsn, keys, progress)


def _seal(conn: Conn, dsn: str, keys: Sequence[bytes], progress: Progress) -> Sealing:
    marker = encryption.read(conn)
    if marker is not None:
        encryption.check(marker, keys)
        if key_id(keys[0]) not in marker.key_ids:
            encryption.write(conn, keys[0], marker.state, (*marker.key_ids, key_id(keys[0])))
    vault = Vault(keys, tolerant=marker is not None and marker.state == "encrypting")
    done = Sealing(key_id(keys[0]))
    conn.execute(f"set role {SEAL_ROLE}")
    resealer = Resealer(conn, vault, read_secrets(dsn).tenants)
    try:
        while sealed := resealer.texts():
            done.rows += sealed
    except (IntegrityBroken, KeyMissing) as exc:
        done.failed["recorded texts"] = exc.code
    # A service that has not gone over to the key yet writes under its own meanwhile.
    for _ in range(_PASSES):
        _pass(conn, resealer, done, progress)
        done.left = resealer.left()
        if done.left == 0 or done.failed:
            break
    conn.execute("reset role")
    if done.left == 0:
        encryption.write(conn, keys[0], "encrypted", [key_id(keys[0])])
    return done


def _pass(conn: Conn, resealer: Resealer, done: Sealing, progress: Progress) -> None:
    queries, after = Queries.load("encryption"), ""
    counted = conn.execute(queries["count"].encode()).fetchone()
    done.missions, total = 0, int(counted["count"]) if counted else 0
    while page := conn.execute(queries["page"].encode(), {"after": after}).fetchall():
        for row in page:
            try:
                done.rows += resealer.mission(row["mission_id"])
            except (IntegrityBroken, KeyMissing) as exc:
                done.failed[row["mission_id"]] = exc.code
            done.missions += 1
        after = page[-1]["mission_id"]
        progress(done.missions, total)


def _needs(keys: Sequence[bytes]) -> None:
    if not keys:
        raise SettingInvalid(
            "PAYLOAD_ENCRYPTION_KEY is not set",
            hint="It must be the base64 of 32 random bytes; see docs/encryption.md.",
        )


@contextmanager
def _connected(dsn: str) -> Iterator[Conn]:
    with store_errors(), psycopg.connect(dsn, autocommit=True, connect_timeout=10, row_factory=dict_row) as conn:
        yield conn
