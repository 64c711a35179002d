"""Take a backup: one consistent file of every tenant's data, in Postgres's own custom format."""

from __future__ import annotations

import hashlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psycopg

from adapters.postgres.guard import store_errors
from adapters.postgres.maintenance.programs import running, where
from adapters.postgres.provision import BACKUP_ROLE
from contracts.errors import BadInput, IntegrityBroken

# Jobs are made anew by the sweeper, and what streams is gone with its readers.
_LEFT_OUT = ("--exclude-table-data=queue.*", "--no-unlogged-table-data", "--exclude-schema=colony_restoring")
_CHUNK = 1 << 20
# Without such a policy a table would be dumped as if it were empty.
_UNREADABLE = """
select c.oid::regclass::text as name from pg_class c
where c.relkind in ('r', 'p') and c.relrowsecurity and not exists (
  select from pg_policy p where p.polrelid = c.oid and p.polname = 'backup')
"""


@dataclass(frozen=True)
class Backup:
    """A backup that was taken: its file, its size in bytes, its sha256 and how many missions are in it."""

    file: Path
    size: int
    sha256: str
    missions: int


def backup(dsn: str, file: Path) -> Backup:
    """Write a backup to a new file that only its owner may read; services may go on meanwhile.

    Raises:
        BadInput: the file exists, or can't be made.
        IntegrityBroken: a table would be left out.
        StoreUnavailable: Postgres does not answer, or its program failed.
    """
    missions = _check(dsn)
    part = file.with_name(f"{file.name}.part")
    try:
        if file.exists():
            raise BadInput(
                f"{file} exists", code="file_exists", hint="Choose another name; a backup is never replaced."
            )
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as exc:
        raise BadInput(f"{file} can't be written: {exc.strerror}", code="file_unusable") from exc
    try:
        with os.fdopen(descriptor, "wb") as out:
            database, environment = where(dsn)
            arguments = ["--format=custom", f"--role={BACKUP_ROLE}", "--enable-row-security", *_LEFT_OUT, database]
            with running("pg_dump", arguments, environment=environment, writes=out) as dump:
                dump.finish("the backup")
            out.flush()
            os.fsync(out.fileno())
        contents(part)
        part.rename(file)
    finally:
        part.unlink(missing_ok=True)
    return Backup(file, file.stat().st_size, sha256_of(file), missions)


def _check(dsn: str) -> int:
    with store_errors(), psycopg.connect(dsn, autocommit=True, connect_timeout=10) as conn:
        if missing := [str(row[0]) for row in conn.execute(_UNREADABLE).fetchall()]:
            raise IntegrityBroken(f"the backup role can't read {', '.join(missing)}", code="backup_incomplete")
        with conn.transaction():
            conn.execute(f"set local role {BACKUP_ROLE}")
            row = conn.execute("select count(*) from colony_missions").fetchone()
    return int(row[0]) if row else 0


def contents(file: Path) -> str:
    """Return a backup's table of contents.

    Raises:
        BadInput: the file is not a backup of Colony.
    """
    with running("pg_restore", ["--list", str(file)], writes=subprocess.PIPE) as listing:
        printed, _ = listing.process.communicate()
    text = printed.decode(errors="replace")
    if listing.process.returncode or "TABLE DATA public colony_missions" not in text:
        raise BadInput(
            f"{file} is not a backup of Colony", code="backup_invalid", hint="Take one by `colony db backup`."
        )
    return text


def sha256_of(file: Path) -> str:
    """Return a file's sha256."""
    digest = hashlib.sha256()
    with file.open("rb") as held:
        while chunk := held.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
