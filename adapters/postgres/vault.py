"""Payloads at rest: sealed under a key of their tenant's, each in its place, and readable in no other.

AES-256-GCM with a random nonce for each value. The tenant's key is derived (HKDF-SHA256) from the deployment's, so
that there is no second thing to keep. What is sealed is bound to tenant, table, column and row: a database in which two
values have changed places gives an error and not the other one's text. ``sealed_tables`` says what is sealed.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from psycopg.types.json import Jsonb
from pydantic import SecretStr

from adapters.postgres.sealed_tables import TABLES, Sealed
from contracts.canonical import canonical_bytes
from contracts.errors import IntegrityBroken, KeyMissing, SettingInvalid

MARK = b"\xc0\x1e\x01"
"""What a sealed value begins with, and no JSON text does; the last byte is the format's version."""
SEALED = "sealed"
"""Under which a JSON value that is sealed lies beside what it keeps open."""
_LABEL = b"colony.sealed.v1"
_ID, _NONCE, _KEY, _TAG = 8, 12, 32, 16
_MOST_CIPHERS = 4_096
Place = tuple[str | int, ...]


def derived(master: bytes, *purpose: str) -> bytes:
    """Return the 32 bytes that a master key gives for one purpose and no other."""
    info = _LABEL + canonical_bytes(list(purpose))
    return HKDF(algorithm=hashes.SHA256(), length=_KEY, salt=None, info=info).derive(master)


def key_id(master: bytes) -> str:
    """Return a key's public name, 16 hex digits, which is in every value that it seals."""
    return derived(master, "id")[:_ID].hex()


def master_keys(given: SecretStr | None) -> tuple[bytes, ...]:
    """Return the keys that ``PAYLOAD_ENCRYPTION_KEY`` holds: the first seals, all of them open.

    Raises:
        SettingInvalid: one is not the base64 of 32 bytes, or is there twice.
    """
    if given is None:
        return ()
    try:
        keys = tuple(base64.b64decode(one.strip(), validate=True) for one in given.get_secret_value().split(","))
    except (binascii.Error, ValueError):
        keys = (b"",)
    if any(len(key) != _KEY for key in keys) or len(set(keys)) < len(keys):
        raise SettingInvalid(
            "PAYLOAD_ENCRYPTION_KEY has a wrong value",
            hint="It must be the base64 of 32 random bytes (`openssl rand -base64 32`); several, with commas between.",
        )
    return keys


class Vault:
    """Seals and opens. Without keys it stores what it is given, and opens nothing that was sealed.

    Args:
        keys: master keys of 32 bytes; the first seals, all of them open.
        tolerant: whether plaintext is read, as it must be while an older database is being encrypted.
    """

    def __init__(self, keys: Sequence[bytes] = (), *, tolerant: bool = False) -> None:
        self._keys = {key_id(key): key for key in keys}
        self.key_ids = tuple(self._keys)
        self.tolerant = tolerant
        self._ciphers: dict[tuple[str, str], AESGCM] = {}

    @property
    def active(self) -> bool:
        """Whether what is stored is sealed."""
        return bool(self.key_ids)

    @property
    def prefix(self) -> bytes:
        """What each value that is sealed now begins with."""
        return MARK + bytes.fromhex(self.key_ids[0])

    def seal(self, tenant_id: str, place: Place, plain: bytes) -> bytes:
        """Return what is stored for these bytes in this place."""
        if not self.active:
            return plain
        head, nonce = self.prefix, os.urandom(_NONCE)
        cipher = self._cipher(self.key_ids[0], tenant_id)
        return head + nonce + cipher.encrypt(nonce, plain, _bound(head, tenant_id, place))

    def open(self, tenant_id: str, place: Place, stored: bytes) -> bytes:
        """Return the bytes that were sealed in this place.

        Raises:
            IntegrityBroken: they were changed or belong elsewhere (``payload_tampered``), or are in plaintext though
                this database is encrypted (``payload_not_encrypted``).
            KeyMissing: they are sealed under a key that this process does not have.
        """
        if not stored.startswith(MARK):
            self._admit_plaintext(place)
            return stored
        head, rest = stored[: len(MARK) + _ID], stored[len(MARK) + _ID :]
        cipher = self._cipher(head[len(MARK) :].hex(), tenant_id)
        try:
            return cipher.decrypt(rest[:_NONCE], rest[_NONCE:], _bound(head, tenant_id, place))
        except (InvalidTag, ValueError) as exc:
            raise _tampered(place) from exc

    def seal_value(self, tenant_id: str, place: Place, value: Any) -> Any:
        """Return what is stored for a JSON value: a text, which no value that is stored openly is."""
        if not self.active:
            return value
        return base64.b64encode(self.seal(tenant_id, place, json.dumps(value).encode())).decode()

    def open_value(self, tenant_id: str, place: Place, stored: Any) -> Any:
        """Return the JSON value that was sealed in this place; raises what ``open`` does."""
        if not isinstance(stored, str):
            self._admit_plaintext(place)
            return stored
        try:
            sealed = base64.b64decode(stored, validate=True)
        except (binascii.Error, ValueError) as exc:
            raise _tampered(place) from exc
        if not sealed.startswith(MARK):
            raise _tampered(place)
        return json.loads(self.open(tenant_id, place, sealed))

    def sealed(self, table: str, tenant_id: str, columns: Mapping[str, Any]) -> dict[str, Any]:
        """Return a row's columns as they are to be stored; those that name the row must be among them."""
        if not self.active:
            return dict(columns)
        spec = TABLES[table]
        key = tuple(columns[name] for name in spec.key)
        row = dict(columns)
        for column in spec.columns:
            if row.get(column) is not None:
                row[column] = self._sealed(spec, tenant_id, (table, column, *key), row[column])
        return row

    def _sealed(self, spec: Sealed, tenant_id: str, place: Place, given: Any) -> Any:
        column = str(place[1])
        if column in spec.content:
            return self.seal(tenant_id, place, bytes(given))
        if column in spec.texts:
            return self.seal_value(tenant_id, place, given)
        if column in spec.values:
            return Jsonb(self.seal_value(tenant_id, place, given.obj))
        if column in spec.parts:
            return Jsonb({k: self.part(place, tenant_id, k, v) for k, v in given.obj.items()})
        kept = spec.copies[column].kept
        return Jsonb({name: given.obj[name] for name in kept if name in given.obj})

    def part(self, place: Place, tenant_id: str, name: str, value: Any) -> Any:
        """Return what is stored for one member of a JSON column that is sealed in parts."""
        kept = TABLES[str(place[0])].parts[str(place[1])].get(name)
        if kept is None or value is None or not self.active:
            return value
        sealed = self.seal_value(tenant_id, (*place, name), value)
        return {**{k: value.get(k) for k in kept}, SEALED: sealed} if kept else sealed

    def opened(self, table: str, tenant_id: str, row: Mapping[str, Any], **known: Any) -> dict[str, Any]:
        """Return a stored row as it was given; raises what ``open`` does.

        Args:
            table: whose row it is.
            tenant_id: whose row it should be.
            row: columns as they were read; what is not there is not looked for.
            known: columns that name the row and were not read.
        """
        spec = TABLES[table]
        names = {**row, **known}
        key = tuple(names[name] for name in spec.key)
        found = dict(row)
        for column in spec.columns:
            if found.get(column) is not None and column not in spec.copies:
                found[column] = self._opened(spec, tenant_id, (table, column, *key), found[column])
        for column, copy in spec.copies.items() if self.active else ():
            if column in found and found.get(copy.of) is not None:
                found[column] = _read((table, column), found[copy.of])
        return found

    def _opened(self, spec: Sealed, tenant_id: str, place: Place, stored: Any) -> Any:
        column = str(place[1])
        if column in spec.content:
            return stored if spec.prunable and not stored else self.open(tenant_id, place, bytes(stored))
        if column in spec.texts:
            return self.open_value(tenant_id, place, stored) if self.active else stored
        if column in spec.values:
            return self.open_value(tenant_id, place, stored)
        parts = spec.parts[column]
        return {k: self._whole(tenant_id, (*place, k), v, parts[k]) if k in parts else v for k, v in stored.items()}

    def _whole(self, tenant_id: str, place: Place, stored: Any, kept: Sequence[str]) -> Any:
        if stored is None:
            return None
        return self.open_value(tenant_id, place, stored.get(SEALED, stored) if kept else stored)

    def _admit_plaintext(self, place: Place) -> None:
        if self.active and not self.tolerant:
            raise IntegrityBroken(
                f"a stored payload in {place[0]} is not encrypted",
                code="payload_not_encrypted",
                hint="It was not written by Colony under this key; docs/encryption.md says what to do.",
            )

    def _cipher(self, name: str, tenant_id: str) -> AESGCM:
        found = self._ciphers.get((name, tenant_id))
        if found is None:
            if name not in self._keys:
                raise KeyMissing(
                    f"a stored payload is encrypted under the key {name}, which this process does not have"
                )
            if len(self._ciphers) >= _MOST_CIPHERS:
                self._ciphers.clear()
            found = self._ciphers[name, tenant_id] = AESGCM(derived(self._keys[name], "tenant", tenant_id))
        return found


class MissionVault:
    """A vault for the rows of one mission; methods raise what the vault's do."""

    def __init__(self, vault: Vault, tenant_id: str, mission_id: str) -> None:
        self._vault = vault
        self._tenant_id = tenant_id
        self._mission = {"mission_id": mission_id}

    def sealed(self, table: str, **columns: Any) -> dict[str, Any]:
        """Return a row's columns, with the mission's name, as they are to be stored."""
        return self._vault.sealed(table, self._tenant_id, {**self._mission, **columns})

    def opened(self, table: str, row: Mapping[str, Any], **known: Any) -> dict[str, Any]:
        """Return a stored row as it was given; ``known`` are columns that name it and were not read."""
        return self._vault.opened(table, self._tenant_id, row, **{**self._mission, **known})

    def part(self, name: str, value: Mapping[str, Any] | None) -> Jsonb | None:
        """Return a member of the mission's payload as it is to be stored."""
        place = ("colony_missions", "payload", self._mission["mission_id"])
        return Jsonb(self._vault.part(place, self._tenant_id, name, dict(value))) if value else None


def _bound(head: bytes, tenant_id: str, place: Place) -> bytes:
    """Return what a value is bound to: itself in no other tenant's hands, and in no other place."""
    return head + canonical_bytes([tenant_id, *place])


def _read(place: Place, content: bytes) -> Any:
    """Return what content says; plaintext, which nothing vouches for, may be no JSON."""
    try:
        return json.loads(content)
    except ValueError as exc:
        raise _tampered(place) from exc


def _tampered(place: Place) -> IntegrityBroken:
    return IntegrityBroken(
        f"a stored payload in {place[0]} was changed or moved from its place",
        code="payload_tampered",
        hint="Restore the row from a backup; docs/encryption.md says how to find it.",
    )
