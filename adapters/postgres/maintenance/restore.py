"""Restore a backup in one transaction, and hold every mission back until its writebacks are held against the root.

The past that a backup brings back may have gone on without it: a write that a person approved afterwards is done in the
root and unknown here. So a restored database is on hold, which no worker claims a mission under, from the transaction
on that brings the backup.
"""

from __future__ import annotations

import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, dict_row

from adapters.postgres.guard import store_errors
from adapters.postgres.maintenance.backup import contents, sha256_of
from adapters.postgres.maintenance.programs import running, where
from adapters.postgres.provision import ensure_roles, migrate
from adapters.postgres.queries import Queries
from contracts.errors import BadInput, Conflict, StoreUnavailable


@dataclass(frozen=True)
class Restored:
    """What a restore brought: missions by status, and the migrations that the backup was behind."""

    missions: dict[str, int]
    migrated: list[str]


def restore(dsn: str, file: Path, *, replace: bool = False) -> Restored:
    """Put a backup in the place of what the database holds; all of it or nothing.

    Args:
        dsn: the administrator's connection string.
        file: a backup by ``backup``.
        replace: drop the missions that are there.

    Raises:
        BadInput: the file is not a backup.
        Conflict: services are connected, or there are missions and ``replace`` is not given.
        StoreUnavailable: Postgres does not answer, or refused the backup; the database is as it was.
    """
    if not file.is_file():
        raise BadInput(f"{file} is not a file", code="file_unusable")
    contents(file)
    queries = Queries.load("maintenance")
    with store_errors(), psycopg.connect(dsn, autocommit=True, connect_timeout=10, row_factory=dict_row) as conn:
        _check(conn, queries, replace=replace)
        ensure_roles(conn, str(conninfo_to_dict(dsn)["password"]))
    _replay(dsn, file, queries)
    migrated = complete(dsn)
    with store_errors(), psycopg.connect(dsn, autocommit=True, connect_timeout=10, row_factory=dict_row) as conn:
        conn.execute("set role colony_backup")
        counts = conn.execute(queries["statuses"]).fetchall()
    return Restored({str(row["status"]): int(row["count"]) for row in counts}, migrated)


def complete(dsn: str) -> list[str]:
    """Do what comes after a backup was replayed, if it is still to be done; returns the migrations it was behind.

    The backup's transaction leaves a mark, under which nothing is claimed; the hold takes its place in this one.

    Raises:
        StoreUnavailable: Postgres does not answer; the mark stays.
    """
    queries = Queries.load("maintenance")
    with store_errors(), psycopg.connect(dsn, autocommit=True, connect_timeout=10, row_factory=dict_row) as conn:
        mark = conn.execute(queries["restoring"]).fetchone()
        if mark is None:
            return []
        migrated = migrate(dsn)
        with conn.transaction():
            conn.execute(queries["restored"])
            conn.execute("set local role colony_owner")
            for name in ("unguard", "outdate", "unlease", "guard"):
                conn.execute(queries[name])
            conn.execute(queries["hold"], {"sha256": mark["sha256"]})
    return migrated


def _check(conn: psycopg.Connection[DictRow], queries: Queries, *, replace: bool) -> None:
    if conn.execute(queries["services"]).fetchone() != {"count": 0}:
        raise Conflict(
            "services use this database", code="in_use", hint="Stop every `colony serve` and `colony worker`."
        )
    known = conn.execute("select to_regclass('public.colony_missions') as t").fetchone()
    if replace or known == {"t": None}:
        return
    with conn.transaction():
        conn.execute(sql.SQL("set local role colony_backup"))
        row = conn.execute("select count(*) as n from colony_missions").fetchone()
    if row and row["n"]:
        raise Conflict(
            f"the database holds {row['n']} missions", code="not_empty", hint="Back it up first; --replace drops them."
        )


def _replay(dsn: str, file: Path, queries: Queries) -> None:
    """Drop what is there and replay the backup; committed only when the whole of it was read."""
    database, environment = where(dsn)
    with (
        running("pg_restore", ["--file=-", str(file)], writes=subprocess.PIPE) as reader,
        running("psql", [*_PSQL, database], environment=environment, reads=subprocess.PIPE) as writer,
    ):
        script, sink = reader.process.stdout, writer.process.stdin
        if script is None or sink is None:  # what PIPE is asked for twice above
            raise StoreUnavailable("the restore has no pipes", code="maintenance_failed")
        with suppress(BrokenPipeError):  # psql has given up, and says why
            mark = f"comment on schema colony_restoring is '{sha256_of(file)}'"
            sink.write(f"begin; set client_min_messages = warning; {queries['drop']}; {mark};\n".encode())
            shutil.copyfileobj(script, sink)
            reader.finish("reading the backup")
            sink.write(b"\ncommit;\n")
            sink.close()
        writer.finish("the restore")


_PSQL = ("--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-")
