"""The account Postgres runs as: the caller's own, or an unprivileged one when the caller is root.

Postgres refuses to run as root. Root gives the data and socket folders to an account that can do nothing else, and
changes no folder that isn't Colony's to let that account through: it says which one is closed instead.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from adapters.postgres.cluster_files import Layout
from contracts.errors import SettingInvalid, StoreCorrupted, StoreUnavailable

ACCOUNT = "colony-postgres"
FALLBACK = "nobody"
# Neither the service's secrets nor somebody's PGDATA reach Postgres through the environment.
ENVIRONMENT = {"LC_ALL": "C", "PATH": os.defpath}
USERADD_SECONDS = 30
FIRST_CLOSED = 'for each; do [ -x "$each" ] || { printf %s "$each"; exit 1; }; done'


class Identity(TypedDict, total=False):
    """Arguments of subprocess."""

    user: int
    group: int
    extra_groups: list[str | int]


@dataclass(frozen=True)
class Account:
    """Who owns the data and the socket.

    Attributes:
        switch: whether that is another account than the caller's, so that programs must be started as it.
    """

    name: str
    uid: int
    gid: int
    switch: bool

    def _identity(self) -> Identity:
        """What subprocess needs to start a program as this account, with no group of the caller's left."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.switch else {}

    def run(
        self, command: Sequence[str | Path], *, folder: Path, output: int, keep: Sequence[int] = (), patience: float
    ) -> int:
        """Run a program as this account with output to a descriptor; give its exit code.

        Raises:
            subprocess.TimeoutExpired: it did not end within `patience` seconds and was killed.
        """
        done = subprocess.run(  # noqa: S603
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=ENVIRONMENT,
            pass_fds=keep,
            start_new_session=True,
            umask=0o077,
            timeout=patience,
            check=False,
            **self._identity(),
        )
        return done.returncode

    def first_closed(self, paths: Sequence[Path]) -> Path | None:
        """The first of these files or folders that this account may not execute or enter, as the kernel sees it."""
        asked = subprocess.run(  # noqa: S603
            ["/bin/sh", "-c", FIRST_CLOSED, "sh", *paths],
            cwd="/",
            capture_output=True,
            env=ENVIRONMENT,
            check=False,
            **self._identity(),
        )
        return Path(os.fsdecode(asked.stdout)) if asked.returncode else None


def account_for(layout: Layout) -> Account:
    """The account that owns this cluster, or will.

    Raises:
        StoreCorrupted: the data folder is there and belongs to an account Postgres can't be run as.
        StoreUnavailable: the caller is root and there is no unprivileged account.
    """
    owner = layout.data.stat().st_uid if layout.data.exists() else None
    if os.geteuid() != 0:
        own = Account("your own", os.geteuid(), os.getegid(), switch=False)
        if owner not in (None, own.uid):
            raise not_ours(layout, owner)
        return own
    if owner is None:
        entry = unprivileged()
    else:
        # The owner decides: an account that appeared later must not lock Colony out of its own data.
        candidates = [found for name in (ACCOUNT, FALLBACK) if (found := look_up(name)) and found.pw_uid == owner]
        if not candidates:
            raise not_ours(layout, owner)
        entry = candidates[0]
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, switch=True)


def not_ours(layout: Layout, owner: int | None) -> StoreCorrupted:
    """The error for a data folder that belongs to somebody else."""
    return StoreCorrupted(
        f"The data folder {layout.data} belongs to account {owner}, so Postgres can't be started on it.",
        hint=f"Run Colony as the account that made it, or move the folder away or restore a backup; log: {layout.log}.",
    )


def look_up(name: str) -> pwd.struct_passwd | None:
    """The account of that name, if there is one and it isn't root under another name."""
    with suppress(KeyError):
        entry = pwd.getpwnam(name)
        return entry if entry.pw_uid != 0 else None
    return None


def unprivileged() -> pwd.struct_passwd:
    """Colony's own system account, made if it can be, or else `nobody`."""
    found = look_up(ACCOUNT)
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:" + os.defpath)
    if found is None and useradd:
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(  # noqa: S603
                [useradd, "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", ACCOUNT],
                capture_output=True,
                env=ENVIRONMENT,
                timeout=USERADD_SECONDS,
                check=False,
            )
        # Not its exit code: two first starts at once both ask, and one of them is told that it exists.
        found = look_up(ACCOUNT)
    entry = found or look_up(FALLBACK)
    if entry is None:
        message = f"Postgres refuses to run as root, and there is neither an account {ACCOUNT} nor {FALLBACK}."
        raise StoreUnavailable(
            message,
            hint=f"Create a system account {ACCOUNT}, run Colony as an ordinary account, or set DATABASE_URL.",
        )
    return entry


def require_reach(account: Account, layout: Layout, program: Path) -> None:
    """Check that the account can get to the data folder and run Postgres.

    Raises:
        SettingInvalid: a folder above COLONY_HOME is closed to it.
        StoreUnavailable: the folder Colony is installed in is closed to it.
    """
    if not account.switch:
        return
    os.chown(layout.base, 0, account.gid)
    layout.base.chmod(0o710)
    above = [*reversed(layout.base.parents), layout.base]
    closed = account.first_closed([*above, *reversed(program.parents), program])
    if closed is None:
        return
    if closed in above:
        message = (
            f"COLONY_HOME is {layout.home}, and account {account.name}, which Postgres runs as, can't enter {closed}."
        )
        raise SettingInvalid(
            message,
            hint=f"Set COLONY_HOME to a folder every account may enter, run Colony as an ordinary account, "
            f"or allow it with: chmod o+x {closed}",
        )
    message = (
        f"Account {account.name}, which Postgres runs as because Colony runs as root, can't enter or run {closed}."
    )
    raise StoreUnavailable(
        message,
        hint="Install Colony where every account may enter, run it as an ordinary account, or set DATABASE_URL.",
    )
