"""The files an embedded cluster lives in, and the kernel locks its processes meet on.

```
home/postgres/              0700 (0710 when Postgres runs as an account of its own)
├── data/                   the cluster; appears by rename, so it is whole or absent
├── data.tmp/               an initdb under way, or what a killed one left
├── socket/                 0700; a private folder in the temporary folder when this path is too long
├── password                0600, the superuser's
├── log, log.1              Postgres's and the warden's output; turned over at start when large
├── users.lock              shared: held by each process that uses the cluster; exclusive: the warden, stopping it
├── start.lock              exclusive: whoever starts or stops it now
├── server.lock             exclusive: inherited by initdb, the postmaster and all its children
└── warden.lock             exclusive: inherited by the warden, with its pid inside
```

A lock dies with its last holder, `kill -9` included, and is never mistaken for another process's the way a pid is.
`flock` is inherited only on a local file system, so COLONY_HOME must not be on NFS.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from contracts.errors import SettingInvalid, StoreUnavailable

PORT = 5432
# sun_path holds 108 bytes on Linux and 104 on macOS, and Postgres puts a ".lock" file beside the socket.
SOCKET_PATH_BYTES = 98
LOG_BYTES = 16 * 1024 * 1024
SEVERAL_SOCKETS_OR_QUOTES = frozenset(",\"'\\\n")


@dataclass(frozen=True)
class Layout:
    """Where the parts of one cluster are."""

    home: Path

    @classmethod
    def of(cls, home: Path) -> Layout:
        """The layout of a home, under the one name every process gives it."""
        return cls(home.expanduser().resolve())

    @property
    def base(self) -> Path:
        """The folder that holds everything."""
        return self.home / "postgres"

    @property
    def data(self) -> Path:
        """Postgres's data folder."""
        return self.base / "data"

    @property
    def staging(self) -> Path:
        """Where initdb works before its result becomes the data folder."""
        return self.base / "data.tmp"

    @property
    def password(self) -> Path:
        """The file with the superuser's password."""
        return self.base / "password"

    @property
    def log(self) -> Path:
        """What Postgres and the warden wrote."""
        return self.base / "log"

    def lock(self, name: str) -> FileLock:
        """Open one of the lock files, without locking it."""
        return FileLock(self.base / f"{name}.lock")

    def prepare(self) -> None:
        """Make the folder if it isn't there.

        Raises:
            SettingInvalid: COLONY_HOME can't be written, or its folder is another account's.
        """
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            self.base.mkdir(mode=0o700, exist_ok=True)
        except OSError as exc:
            raise unusable_home(self.home, exc) from exc
        if self.base.stat().st_uid != os.geteuid():
            message = f"COLONY_HOME is {self.home}, and the folder postgres in it belongs to another account."
            raise SettingInvalid(
                message,
                hint="Run Colony as the account that made it, or set COLONY_HOME to a folder of your own.",
            )
        if not os.access(self.base, os.W_OK | os.X_OK):
            raise unusable_home(self.home, PermissionError("permission denied"))


def unusable_home(home: Path, exc: OSError) -> SettingInvalid:
    """The error for a COLONY_HOME that can't be written."""
    return SettingInvalid(
        f"COLONY_HOME is {home}, which can't be written: {exc.strerror or exc}.",
        hint="Set COLONY_HOME to a folder this account may write to.",
    )


class FileLock:
    """One open description of a lock file: what it holds is freed when its last copy, here or in a child, closes.

    Raises:
        SettingInvalid: the lock file can't be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as exc:
            raise unusable_home(path.parent.parent, exc) from exc

    def take(self, *, shared: bool = False) -> bool:
        """Take the lock if that needs no waiting; say whether it is held."""
        try:
            fcntl.flock(self.fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def wait(self, patience: float, *, shared: bool = False) -> Self:
        """Take the lock within `patience` seconds.

        Raises:
            StoreUnavailable: another process did not let go of it in time.
        """
        if wait_until(lambda: self.take(shared=shared), patience):
            return self
        self.close()
        message = f"Another process has held {self.path} for {patience:.0f} seconds."
        raise StoreUnavailable(
            message,
            hint="See which process hangs (`fuser` on that file names it), end it, and try again.",
        )

    def close(self) -> None:
        """Close this description; closing twice is harmless."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def wait_until(condition: Callable[[], bool], patience: float) -> bool:
    """Ask until the answer is yes (true) or `patience` seconds are over (false)."""
    deadline = time.monotonic() + patience
    pause = 0.002
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
    return True


def write_private(path: Path, text: str, owner: int = -1, group: int = -1) -> None:
    """Put a 0600 file in place as a whole, following no link on the way, even in a folder another account can write."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        os.fchown(fd, owner, group)
        file.write(text)
        file.flush()
        os.fsync(fd)
    fresh.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename in this folder survive a power cut."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def open_log(layout: Layout) -> int:
    """The log's descriptor for a new process, after setting a large one aside."""
    with suppress(FileNotFoundError):
        if layout.log.stat().st_size > LOG_BYTES:
            layout.log.replace(layout.log.with_name("log.1"))
    return os.open(layout.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def socket_folder(layout: Layout, uid: int) -> Path:
    """Where the socket goes: beside the data, or in a private folder when that path can't be a socket's.

    Raises:
        SettingInvalid: neither place gives a path the kernel and libpq can take.
    """
    beside = layout.base / "socket"
    name = hashlib.sha256(os.fsencode(layout.home)).hexdigest()[:16]
    for folder in (beside, Path(tempfile.gettempdir()).resolve() / f"colony-{uid}-{name}"):
        path = str(folder / f".s.PGSQL.{PORT}")
        if len(os.fsencode(path)) <= SOCKET_PATH_BYTES and not SEVERAL_SOCKETS_OR_QUOTES & set(path):
            return folder
    message = f"COLONY_HOME is {layout.home}, too long a path for a socket, and so is the temporary folder's."
    raise SettingInvalid(
        message,
        hint="Set COLONY_HOME to a shorter path.",
    )


def secure_socket_folder(folder: Path, owner: int, group: int) -> None:
    """Make the socket's folder, or check that the one which is there is private.

    Raises:
        SettingInvalid: it is a link, belongs to somebody else, or others can enter it.
    """
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        os.chown(folder, owner, group)
    state = folder.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != owner or stat.S_IMODE(state.st_mode) != 0o700:
        message = f"The socket folder {folder}, which COLONY_HOME leads to, is not a private folder of account {owner}."
        raise SettingInvalid(
            message,
            hint="Find out who made it; remove it, or set COLONY_HOME to a shorter path.",
        )
