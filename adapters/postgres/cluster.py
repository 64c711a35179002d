"""The embedded PostgreSQL: opened by any number of processes, started by the first, stopped after the last.

```python
with open_cluster(home) as cluster:
    psycopg.connect(cluster.dsn)
```

Only its Unix socket is open, in a folder no other account can enter, and only to the password in `password`.
Each process holds a share of `users.lock`; see `warden` for who waits for the last of them, `cluster_files` for the
files and locks, `cluster_server` for Postgres itself.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import psycopg
from psycopg import sql

from adapters.postgres import cluster_server, warden
from adapters.postgres.cluster_account import account_for
from adapters.postgres.cluster_files import PORT, Layout, unusable_home, wait_until
from contracts.errors import StoreUnavailable

DATABASE = "colony"
MAINTENANCE_DATABASE = "postgres"
# Longer than every way of stopping together, so that a user who arrives then waits it out.
STOP_PATIENCE = 120.0
# Recovery may take long; what counts is that the log goes on.
PROGRESS_SECONDS = 60.0
REFUSAL_SECONDS = 5.0
ORPHAN_SECONDS = 60.0
STARTS = 3
CONNECT_SECONDS = 5


class EmbeddedCluster:
    """A running embedded Postgres, kept running by this process until it closes this or dies.

    Attributes:
        dsn: libpq URL of the database `colony` as superuser, with the password.
    """

    def __init__(self, socket_folder: Path, password: str, held: ExitStack) -> None:
        self._socket_folder = socket_folder
        self._password = password
        self._held = held
        self.dsn = self.dsn_for(DATABASE)

    def dsn_for(self, database: str) -> str:
        """The same for another database of this cluster, which need not exist."""
        return superuser_url(self._socket_folder, self._password, database)

    def close(self) -> None:
        """Stop using the cluster; closing twice is harmless."""
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_cluster(
    home: Path, *, settings: Mapping[str, str] | None = None, grace_seconds: float = warden.GRACE_SECONDS
) -> EmbeddedCluster:
    """Use the cluster under `home`: make it, start it or recover it as needed, and wait until it answers.

    Args:
        home: COLONY_HOME.
        settings: Postgres settings over Colony's own; they count for whoever starts it.
        grace_seconds: how long an unused cluster goes on running; it counts for whoever starts the warden.

    Raises:
        SettingInvalid: COLONY_HOME can't be written, entered by Postgres's account, or has too long a path.
        StoreCorrupted: the data folder is damaged, another version's or another account's.
        StoreUnavailable: Postgres is not installed, or does not answer.
    """
    layout = Layout.of(home)
    layout.prepare()
    with ExitStack() as held:
        held.enter_context(layout.lock("users").wait(STOP_PATIENCE, shared=True))
        with layout.lock("start").wait(warden.START_PATIENCE):
            try:
                folder = _running(layout, settings or {}, grace_seconds)
            except OSError as exc:
                raise unusable_home(layout.home, exc) from exc
        return EmbeddedCluster(folder, cluster_server.password_of(layout), held.pop_all())


def stop_cluster(home: Path) -> None:
    """Stop the cluster under `home` now, whoever uses it, and its warden; not running is not an error.

    Raises:
        StoreUnavailable: it does not stop.
    """
    layout = Layout.of(home)
    if not layout.base.exists():
        return
    warden.ask_to_stop(layout)
    with layout.lock("start").wait(warden.START_PATIENCE):
        cluster_server.stop(layout)


def superuser_url(socket_folder: Path, password: str, database: str) -> str:
    """A libpq URL."""
    secret, name, host = (quote(part, safe="") for part in (password, database, str(socket_folder)))
    return f"postgresql://{cluster_server.SUPERUSER}:{secret}@/{name}?host={host}&port={PORT}"


def _running(layout: Layout, settings: Mapping[str, str], grace_seconds: float) -> Path:
    """The socket's folder of a server that answers, after starting it if it did not run."""
    account = account_for(layout)
    cluster_server.check_data(layout)
    # Before Postgres, so that a starter who dies in between leaves nothing that nobody will stop.
    warden.ensure(layout, grace_seconds)
    if folder := _answering(layout):
        return folder
    reason = ""
    for _ in range(STARTS):
        with layout.lock("server").wait(ORPHAN_SECONDS) as lock:
            written = cluster_server.launch(layout, account, lock, settings)
        if folder := _answering(layout):
            return folder
        # Killed from outside, for want of memory perhaps, says nothing about the data.
        if reason := cluster_server.last_words(layout, written):
            break
    raise cluster_server.start_failed(layout, reason)


def _answering(layout: Layout) -> Path | None:
    """The socket's folder once the server takes connections; None when there is no server, or it ended.

    Raises:
        StoreUnavailable: it lives, but is stuck or refuses us.
    """
    waiting = _Readiness(layout)
    while True:
        size = layout.log.stat().st_size
        if wait_until(waiting.over, PROGRESS_SECONDS):
            return waiting.folder
        if layout.log.stat().st_size == size:
            message = f"Postgres in {layout.data} runs, but has not become ready."
            raise StoreUnavailable(message, hint=f"Its log is {layout.log}.")


class _Readiness:
    """The wait for one server to answer.

    Attributes:
        folder: the socket's, once it answered.
    """

    def __init__(self, layout: Layout) -> None:
        self.folder: Path | None = None
        self._layout = layout
        self._refused_since: float | None = None

    def over(self) -> bool:
        """Whether the wait is over, either way."""
        if not cluster_server.alive(self._layout):
            return True
        folder = cluster_server.ready_socket(self._layout)
        if folder is None:
            return False
        try:
            _ensure_database(superuser_url(folder, cluster_server.password_of(self._layout), MAINTENANCE_DATABASE))
        except psycopg.OperationalError as exc:
            self._refused(exc)
            return False
        self.folder = folder
        return True

    def _refused(self, exc: psycopg.OperationalError) -> None:
        # After a SIGKILL the pid file says ready until the orphaned children are gone.
        self._refused_since = self._refused_since or time.monotonic()
        if time.monotonic() - self._refused_since > REFUSAL_SECONDS:
            message = f"Postgres in {self._layout.data} runs, but refuses to be used: {' '.join(str(exc).split())}"
            raise StoreUnavailable(
                message,
                hint=f"Its log is {self._layout.log}.",
            ) from exc


def _ensure_database(url: str) -> None:
    """Connect, which proves more than pg_isready, and make the database at first use."""
    with psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_SECONDS) as connection:
        found = connection.execute("select 1 from pg_database where datname = %s", [DATABASE]).fetchone()
        if found is None:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE)))
