"""Postgres's own programs, run with the password in the environment and never on a command line."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from adapters.postgres.cluster_server import program
from contracts.errors import StoreUnavailable

_LAST_WORDS = 300


def where(dsn: str) -> tuple[str, Mapping[str, str]]:
    """Return a connection string without its password, and the environment that has it."""
    parts = conninfo_to_dict(dsn)
    password = parts.pop("password", None)
    environment = {**os.environ, "PGAPPNAME": "colony maintenance", "PGCONNECT_TIMEOUT": "10"}
    if password:
        environment["PGPASSWORD"] = str(password)
    return make_conninfo("", **parts), environment


@dataclass(frozen=True)
class Running:
    """One of the programs at work; what it says of errors goes to a file, which can't block it."""

    process: subprocess.Popen[bytes]
    said: IO[bytes]

    def finish(self, what: str) -> None:
        """Wait for its end.

        Raises:
            StoreUnavailable: it failed; the message carries the first line of its own.
        """
        if self.process.wait() == 0:
            return
        self.said.seek(0)
        lines = self.said.read().decode(errors="replace").strip().splitlines() or ["it gave no reason"]
        raise StoreUnavailable(f"{what} failed: {lines[0][:_LAST_WORDS]}", code="maintenance_failed")


@contextmanager
def running(
    name: str,
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    reads: int | None = subprocess.DEVNULL,
    writes: IO[bytes] | int | None = subprocess.DEVNULL,
) -> Iterator[Running]:
    """Run one of the programs for the block; it is killed where the block ends before it does.

    Raises:
        StoreUnavailable: it is not installed.
    """
    command = [str(program(name)), *arguments]
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(  # noqa: S603 - Postgres's own program, arguments of ours
            command, env=environment, stdin=reads, stdout=writes, stderr=said
        ) as process,
    ):
        try:
            yield Running(process, said)
        finally:
            if process.poll() is None:
                process.kill()
            if process.stdin is not None:
                with suppress(BrokenPipeError):  # what was still to be written has no reader any more
                    process.stdin.close()
