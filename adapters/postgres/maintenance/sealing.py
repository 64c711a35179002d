"""Seal what is stored under the present key: an older database's plaintext, or what an earlier key sealed.

Each mission in a transaction of its own, under its lock and epoch, so that services may go on meanwhile; what has been
sealed is left alone, so that it can be stopped anywhere and run again.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any

import psycopg
from langgraph.checkpoint.postgres.base import BasePostgresSaver
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from adapters.postgres.audit.rows import TABLES as AUDITED
from adapters.postgres.audit.rows import told
from adapters.postgres.pools import STAMP
from adapters.postgres.queries import Queries
from adapters.postgres.sealed_checkpoints import CheckpointSealer, TenantSerializer
from adapters.postgres.sealed_tables import TABLES, Sealed
from adapters.postgres.secrets import tenant_token
from adapters.postgres.vault import MARK, SEALED, Vault
from contracts.errors import IntegrityBroken

STAYING = {name: spec for name, spec in TABLES.items() if not spec.texts}
"""Tables whose rows stay; what models say while they say it is gone within a minute."""
_CHECKPOINTS = {"checkpoints": "checkpoints_left", "checkpoint_blobs": "blobs_left", "checkpoint_writes": "blobs_left"}
Conn = psycopg.Connection[DictRow]


class Resealer:
    """Works on one connection, as the role that may seal.

    Args:
        conn: the connection.
        vault: what seals and opens; ``tolerant`` where plaintext may be found.
        tenants: the key that a connection is stamped with.
    """

    def __init__(self, conn: Conn, vault: Vault, tenants: bytes) -> None:
        self._conn = conn
        self._vault = vault
        self._tenants = tenants
        self._q = Queries.load("encryption")
        head = vault.prefix
        # Of the base64 only what comes from whole groups of three bytes.
        self._new = {"head": head, "text": base64.b64encode(head[:9]).decode(), "mark": MARK}

    def mission(self, mission_id: str) -> int:
        """Seal a mission's or a thread's rows that are not under the present key; returns how many there were.

        Raises:
            IntegrityBroken: one can't be opened; the mission stays as it was.
            KeyMissing: one is sealed under a key that is not known here.
        """
        with self._conn.transaction():
            named = {"mission_id": mission_id}
            locked = self._run("lock", named).fetchone() or self._run("lock_thread", named).fetchone()
            if locked is None:
                return 0
            token = tenant_token(self._tenants, locked["tenant_id"])
            self._conn.execute(STAMP, {"token": token, "epoch": locked["epoch"], "local": True})
            names = {"mission_id": mission_id, **self._new}
            for hashed in ("hash_model_calls", "hash_tool_calls"):
                self._run(hashed, names)
            tables = ((table, spec) for table, spec in STAYING.items() if "mission_id" in spec.key)
            rows = sum(self._table(table, spec, locked["tenant_id"], names) for table, spec in tables)
            return rows + self._thread(locked["tenant_id"], names)

    def texts(self, most: int = 100) -> int:
        """Seal some of the recorded texts that are not under the present key; returns how many there were."""
        with self._conn.transaction():
            rows = self._run("texts", {**self._new, "most": most}).fetchall()
            for row in rows:
                opened = self._vault.opened("colony_recorded", row["tenant_id"], row)
                self._run("put_text", self._vault.sealed("colony_recorded", row["tenant_id"], opened))
        return len(rows)

    def left(self) -> int:
        """Return how many rows are not under the present key."""
        wheres = {name: stale(spec) for name, spec in STAYING.items()}
        wheres |= {name: self._q[query] for name, query in _CHECKPOINTS.items()}
        counts = (f"(select count(*) from {name} where {where})" for name, where in wheres.items())  # noqa: S608
        row = self._conn.execute(f"select {' + '.join(counts)} as rows".encode(), self._new).fetchone()
        return int(row["rows"]) if row else 0

    def _run(self, statement: str, params: Mapping[str, Any]) -> psycopg.Cursor[DictRow]:
        return self._conn.execute(self._q[statement].encode(), params)

    def _table(self, table: str, spec: Sealed, tenant_id: str, names: Mapping[str, Any]) -> int:
        # Tables and columns come from the list of what is sealed, never from input.
        columns = ", ".join((*spec.key, *spec.columns, f"{_kept(table)} as kept"))
        found = f"select {columns} from {table} where mission_id = %(mission_id)s and ({stale(spec)})"  # noqa: S608
        put = ", ".join(f"{c} = %({c})s" for c in spec.columns)
        where = " and ".join(f"{c} = %({c})s" for c in spec.key)
        update = f"update {table} set {put} where {where}".encode()  # noqa: S608
        rows = self._conn.execute(found.encode(), names).fetchall()
        for row in rows:
            _hold(table, row)
            opened = self._vault.opened(table, tenant_id, row)
            self._conn.execute(update, self._vault.sealed(table, tenant_id, _given(spec, opened)))
        return len(rows)

    def _thread(self, tenant_id: str, names: Mapping[str, Any]) -> int:
        sealer = CheckpointSealer(TenantSerializer(self._vault, tenant_id))
        where = f"where thread_id = %(mission_id)s and {self._q['checkpoints_left']}"
        also = f", {_kept('checkpoints')} as kept"
        select = BasePostgresSaver.SELECT_SQL.replace("\nfrom checkpoints ", f"{also}\nfrom checkpoints ")
        statement = f"{select} {where}".encode()
        checkpoints = self._conn.execute(statement, names, binary=True).fetchall()
        blobs, writes = (
            self._conn.execute(self._q[name].format(kept=_kept(f"checkpoint_{name}")).encode(), names).fetchall()
            for name in ("blobs", "writes")
        )
        # The rows that a checkpoint lists are read as they are: first the list, then they.
        for row in checkpoints:
            _hold("checkpoints", row)
            new = {name: Jsonb(value) for name, value in sealer.resealed(row).items()}
            self._run("put_checkpoint", {**row, **new})
        for put, rows in (("put_blob", blobs), ("put_write", writes)):
            for row in rows:
                _hold("a checkpoint", row)
                self._run(put, sealer.resealed_blob({k: v for k, v in row.items() if k != "kept"}))
        return len(checkpoints) + len(blobs) + len(writes)


def _kept(table: str) -> str:
    """Return the SQL of whether a row is what its hash says, where it carries one."""
    if table not in AUDITED:
        return "true"
    return f"row_sha256 = sha256(convert_to({told(AUDITED[table], table)}, 'UTF8'))"


def _hold(table: str, row: Mapping[str, Any]) -> None:
    """Refuse to seal, and so to vouch for, what was changed since it was written."""
    if not row["kept"]:
        raise IntegrityBroken(f"a row of {table} is not what was written")


def _given(spec: Sealed, row: Mapping[str, Any]) -> dict[str, Any]:
    json = {*spec.values, *spec.parts, *spec.copies}
    return {name: Jsonb(value) if name in json and value is not None else value for name, value in row.items()}


def stale(spec: Sealed) -> str:
    """Return the condition on rows of which something is not under the present key."""
    return " or ".join(_stale(spec))


def _stale(spec: Sealed) -> Iterable[str]:
    for column in spec.content:
        there = f"length({column}) > 0" if spec.prunable else f"{column} is not null"
        yield f"{there} and substring({column} from 1 for 11) <> %(head)s"
    for column in spec.values:
        plain = f"jsonb_typeof({column}) <> 'string'"
        yield f"{column} is not null and ({plain} or left({column} #>> '{{}}', 12) <> %(text)s)"
    for column, parts in spec.parts.items():
        for name, kept in parts.items():
            value = f"{column} -> '{name}' ->> '{SEALED}'" if kept else f"{column} ->> '{name}'"
            yield f"jsonb_typeof({column} -> '{name}') <> 'null' and coalesce(left({value}, 12), '') <> %(text)s"
