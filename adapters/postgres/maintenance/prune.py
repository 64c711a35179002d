"""Drop what replay alone needs of missions that ended long ago; what an audit needs stays.

Gone are the checkpoints, the tape with the recorded requests and answers (the hashes of models' and tools' stay) and
spent idempotency keys. Envelope, artifacts, evidence, decisions, approvals, writebacks and the event chain are never
touched, nor is any mission that waits, runs or can be retried.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from psycopg.rows import dict_row

from adapters.postgres.guard import store_errors
from adapters.postgres.pools import STAMP
from adapters.postgres.provision import PRUNE_ROLE
from adapters.postgres.queries import Queries
from adapters.postgres.secrets import read_secrets, tenant_token

_PAGE = 200
_DROPS = (
    *("prune_writes", "prune_blobs", "prune_checkpoints"),
    *("prune_model_calls", "prune_tool_calls"),
)


@dataclass(frozen=True)
class Pruned:
    """How many missions were pruned, how many of their rows dropped or emptied, and idempotency keys forgotten."""

    missions: int
    rows: int
    keys: int


def prune(dsn: str, days: float, *, dry_run: bool = False, progress: Callable[[int], None] | None = None) -> Pruned:
    """Prune missions that ended more than ``days`` ago, each in a transaction of its own; running it again is safe.

    Raises:
        StoreUnavailable: Postgres does not answer.
    """
    queries, key = Queries.load("maintenance"), read_secrets(dsn).tenants
    missions = rows = 0
    with store_errors(), psycopg.connect(dsn, autocommit=True, connect_timeout=10, row_factory=dict_row) as conn:
        conn.execute(f"set role {PRUNE_ROLE}")
        if dry_run:
            counted = conn.execute(queries["prunable_count"], {"days": days}).fetchone() or {}
            return Pruned(int(counted.get("missions", 0)), 0, int(counted.get("keys", 0)))
        while page := conn.execute(queries["prunable"], {"days": days, "most": _PAGE}).fetchall():
            for mission in page:
                with conn.transaction():
                    dropped = _prune_one(conn, queries, key, str(mission["mission_id"]))
                missions, rows = missions + (dropped is not None), rows + (dropped or 0)
            if progress is not None:
                progress(missions)
        keys = conn.execute(queries["prune_keys"], {"days": days}).rowcount
    return Pruned(missions, rows, keys)


def _prune_one(
    conn: psycopg.Connection[dict[str, object]], queries: Queries, key: bytes, mission_id: str
) -> int | None:
    """Prune one mission under its lock; None when it is no longer one to prune."""
    names = {"mission_id": mission_id}
    if (locked := conn.execute(queries["prune_lock"], names).fetchone()) is None:
        return None
    token = tenant_token(key, str(locked["tenant_id"]))
    conn.execute(STAMP, {"token": token, "epoch": locked["epoch"], "local": True})
    dropped = sum(conn.execute(queries[drop], names).rowcount for drop in _DROPS)
    dropped += _prune_tape(conn, queries, mission_id, str(locked["tenant_id"]))
    conn.execute(queries["prune_mark"], names)
    return dropped


def _prune_tape(conn: psycopg.Connection[dict[str, object]], queries: Queries, mission_id: str, tenant_id: str) -> int:
    """Drop a mission's tape, and of the texts that it names those that no other mission of its tenant does."""
    named = [row["sha256"] for row in conn.execute(queries["prune_named"], {"mission_id": mission_id}).fetchall()]
    dropped = conn.execute(queries["prune_recordings"], {"mission_id": mission_id}).rowcount
    if named:
        conn.execute(queries["prune_hold"])
        dropped += conn.execute(queries["prune_recorded"], {"tenant_id": tenant_id, "names": named}).rowcount
    return dropped
