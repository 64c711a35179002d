"""The process that stops Postgres when nobody uses it any more: `python -m adapters.postgres.warden HOME GRACE`.

No user of the cluster can be trusted to stop it, for any of them may be killed. Each holds a shared lock instead, and
the warden, detached from all, waits for the exclusive one. `warden.lock` is its standard input, locked by whoever
started it: so there is never a second warden, and never a moment when a started one does not count.
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

from adapters.postgres import cluster_server
from adapters.postgres.cluster_account import ENVIRONMENT
from adapters.postgres.cluster_files import FileLock, Layout, open_log, wait_until
from contracts.errors import ColonyError, StoreUnavailable

GRACE_SECONDS = 3.0
START_PATIENCE = 600.0
ANSWER_SECONDS = 20.0
WARDEN_LOCK = 0  # The lowest descriptor closes first at death: nobody starts Postgres anew and still sees a warden.
# The shell gives a background job /dev/null as input, unless it is told otherwise.
DETACHED_WITH_INPUT = 'exec 3<&0; "$@" <&3 3<&- &'

log = logging.getLogger("colony.warden")


class _AskedToStop(BaseException):
    """SIGTERM came."""


def _ask(_number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise _AskedToStop


def ensure(layout: Layout, grace_seconds: float) -> None:
    """Start a warden unless there is one; to be called with `start.lock` and a share of `users.lock` held."""
    with layout.lock("warden") as lock:
        if not lock.take():
            return
        os.ftruncate(lock.fd, 0)
        output = open_log(layout)
        try:
            command = [sys.executable, "-m", __name__, str(layout.home), str(grace_seconds)]
            subprocess.run(  # noqa: S603
                ["/bin/sh", "-c", DETACHED_WITH_INPUT, "sh", *command],
                cwd=Path(__file__).resolve().parents[2],
                stdin=lock.fd,
                stdout=output,
                stderr=output,
                env=ENVIRONMENT,
                start_new_session=True,
                check=True,
            )
        finally:
            os.close(output)


def ask_to_stop(layout: Layout) -> None:
    """Tell the warden, if there is one, to stop Postgres now; wait until it has.

    Raises:
        StoreUnavailable: it does not answer.
    """
    asked = False

    def gone() -> bool:
        nonlocal asked
        # Probed under start.lock, where nobody can mistake the probe for a warden.
        with layout.lock("start").wait(START_PATIENCE), layout.lock("warden") as lock:
            if lock.take():
                return True
            pid = os.pread(lock.fd, 32, 0)
            if pid and not asked:
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGTERM)
                asked = True
            return False

    if not wait_until(gone, ANSWER_SECONDS):
        message = f"The warden of {layout.base} does not answer."
        raise StoreUnavailable(message, hint="Its pid is in warden.lock; end it and try again.")


def wait_until_unused(users: FileLock, grace_seconds: float) -> None:
    """Return with the exclusive lock once nobody has used the cluster for a whole grace period."""
    while True:
        fcntl.flock(users.fd, fcntl.LOCK_EX)
        fcntl.flock(users.fd, fcntl.LOCK_UN)
        time.sleep(grace_seconds)
        if users.take():
            return


def watch(layout: Layout, grace_seconds: float) -> None:
    """Wait for the last user to go, or for SIGTERM; then stop Postgres.

    Raises:
        StoreUnavailable: Postgres does not stop.
    """
    with layout.lock("users") as users:
        with suppress(_AskedToStop):
            signal.signal(signal.SIGTERM, _ask)
            # Only now: whoever reads the pid may signal it.
            os.pwrite(WARDEN_LOCK, str(os.getpid()).encode(), 0)
            wait_until_unused(users, grace_seconds)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with layout.lock("start").wait(START_PATIENCE):
            try:
                cluster_server.stop(layout)
            finally:
                os.close(WARDEN_LOCK)


def main() -> int:
    """Watch over the cluster in the home named on the command line."""
    logging.basicConfig(format="%(asctime)s [%(process)d] %(name)s %(levelname)s: %(message)s")
    os.chdir("/")
    try:
        watch(Layout.of(Path(sys.argv[1])), float(sys.argv[2]))
    except (ColonyError, OSError):
        log.exception("could not stop Postgres")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
