"""What is encrypted, opened: what was changed, moved or put there in plaintext is found in its row."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
from psycopg.rows import DictRow

from adapters.postgres.audit.rows import TABLES, Table, named
from adapters.postgres.sealed_checkpoints import CheckpointSealer, TenantSerializer
from adapters.postgres.sealed_tables import TABLES as SEALED
from adapters.postgres.sealed_tables import Sealed
from adapters.postgres.vault import MARK, Vault
from adapters.postgres.vault import SEALED as MARKED
from contracts.canonical import sha256_hex
from contracts.errors import IntegrityBroken, KeyMissing

_HASHES = {"content": "sha256", "request": "request_sha256", "response": "response_sha256"}
"""Which column has the hash of which, but in the events: their hash is the chain's."""
_RECORDINGS = "colony_recordings"
_TEXTS = (
    "select distinct r.mission_id, r.position::text as key, r.tenant_id, t.sha256, t.content from colony_recordings r "
    "join colony_recorded t on t.tenant_id = r.tenant_id and (t.sha256 = r.request_sha256 "
    "or t.sha256 = r.answer_sha256 and r.channel <> 'artifact') where r.mission_id = any(%(missions)s)"
)
_CHECKPOINTS = {
    "checkpoints": "thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, checkpoint, metadata",
    "checkpoint_blobs": "thread_id, checkpoint_ns, channel, version, type, blob",
    "checkpoint_writes": "thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, blob",
}
"""The columns in the order in which a value is bound to them."""
Faults = dict[tuple[str, str, str], str]
"""What is wrong with a row, by its mission, table and key."""


def faults(conn: psycopg.Connection[DictRow], vault: Vault, tenants: Mapping[str, str]) -> Faults:
    """Open all that is encrypted of some missions; return what does not open or is not what it is said to be.

    Args:
        conn: the audit's.
        vault: one with a key.
        tenants: whose each mission is.
    """
    found: Faults = {}
    for table, mission_id, key, row in _rows(conn, list(tenants)):
        what = _tried(vault, table, tenants[mission_id], row)
        if what is not None:
            found.setdefault((mission_id, table, key), what)
    return found


def _rows(conn: psycopg.Connection[DictRow], missions: list[str]) -> Iterator[tuple[str, str, str, DictRow]]:
    wanted = {name: _columns(name, spec) for name, spec in SEALED.items() if name in TABLES} | _CHECKPOINTS
    queries = {name: _query(TABLES[name], columns) for name, columns in wanted.items()}
    for table, query in {**queries, _RECORDINGS: _TEXTS}.items():
        for row in conn.execute(query.encode(), {"missions": missions}):
            named_by = str(row.pop("mission_id" if table == _RECORDINGS else "its_mission")), str(row.pop("key"))
            yield table, *named_by, row


def _columns(name: str, spec: Sealed) -> str:
    return ", ".join(dict.fromkeys((*spec.key, *spec.columns, *_hashes(name, spec).values())))


def _hashes(name: str, spec: Sealed) -> dict[str, str]:
    return {} if name == "colony_events" else {c: _HASHES[c] for c in spec.content if c in _HASHES}


def _query(table: Table, columns: str) -> str:
    # Tables and columns are those of the lists of what is audited and sealed.
    where = f"{table.mission} = any(%(missions)s)"
    return f"select {table.mission} as its_mission, {named(table)} as key, {columns} from {table.name} r where {where}"  # noqa: S608


def _tried(vault: Vault, table: str, tenant_id: str, row: DictRow) -> str | None:
    try:
        if table in _CHECKPOINTS:
            return _checkpoint(CheckpointSealer(TenantSerializer(vault, tenant_id)), row)
        if table == _RECORDINGS:
            content = vault.opened("colony_recorded", tenant_id, row)["content"]
            return None if sha256_hex(bytes(content)) == row["sha256"] else "a text of it was changed"
        return _changed(table, row, vault.opened(table, tenant_id, row))
    except KeyMissing:
        return "it is encrypted under a key that is not known here"
    except IntegrityBroken as exc:
        return exc.message


def _changed(table: str, stored: Mapping[str, Any], opened: Mapping[str, Any]) -> str | None:
    spec = SEALED[table]
    for column, hashed in _hashes(table, spec).items():
        if opened[column] and stored[hashed] is not None and sha256_hex(bytes(opened[column])) != stored[hashed]:
            return "its content was changed"
    for column, copy in spec.copies.items():
        if stored[copy.of] is not None and bytes(stored[copy.of]).startswith(MARK):
            said = json.loads(bytes(opened[copy.of]))
            if stored[column] != {name: said[name] for name in copy.kept if name in said}:
                return f"its {column} shows something else than what is encrypted"
    for column, parts in spec.parts.items():
        for name, kept in parts.items():
            if (
                kept
                and stored[column].get(name)
                and any(stored[column][name].get(one) != opened[column][name].get(one) for one in kept)
            ):
                return f"its {column} shows something else than what is encrypted"
    return None


def _checkpoint(sealer: CheckpointSealer, row: DictRow) -> str | None:
    if "blob" in row:
        if row["blob"] is not None:
            sealer.opened_blob(row)
        return None
    _, metadata = sealer.own(row)
    shown = {name: value for name, value in row["metadata"].items() if name != MARKED}
    return None if shown.items() <= metadata.items() else "its metadata shows something else than what is encrypted"
