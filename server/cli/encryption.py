"""The commands that encrypt a database, or go over to another key."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from server.cli.output import Exit, Json, Screen, emit

if TYPE_CHECKING:
    from adapters.postgres.maintenance.encryption import Sealing


def register(group: typer.Typer) -> None:
    """Add the commands to those about the database."""
    for command in (encrypt, rotate):
        group.command()(command)


def encrypt(as_json: Json = False) -> None:
    """Encrypt what is stored in plaintext, under PAYLOAD_ENCRYPTION_KEY; it can be stopped and run again."""
    from adapters.postgres.maintenance.encryption import encrypt as seal

    _run(seal, as_json=as_json)


def rotate(as_json: Json = False) -> None:
    """Encrypt anew, under the first key, what an earlier one did; services may go on meanwhile."""
    from adapters.postgres.maintenance.encryption import rotate as seal

    _run(seal, as_json=as_json)


def _run(seal: Callable[..., Sealing], *, as_json: bool) -> None:
    from adapters.postgres.provision import migrate
    from adapters.postgres.vault import master_keys
    from server.database import administrator
    from server.settings import load_settings

    settings, screen = load_settings(), Screen()
    keys = master_keys(settings.payload_encryption_key)

    def progress(missions: int, total: int) -> None:
        if not as_json:
            screen.line(f"{missions} of {total} missions …")

    with ExitStack() as stack:
        dsn = administrator(settings, stack)
        migrate(dsn)
        done = seal(dsn, keys, progress)
    if as_json:
        emit(asdict(done))
    else:
        _show(screen, done)
    if done.left:
        raise typer.Exit(Exit.FAILED)


def _show(screen: Screen, done: Any) -> None:
    screen.line(f"{done.missions} missions looked at, {done.rows} rows encrypted under {done.key_id}.")
    if done.failed:
        screen.table(("mission", "can't be opened"), sorted(done.failed.items()))
    if done.left:
        screen.line(
            f"{done.left} rows are left: mend the missions above, or give every service the key, and run it again."
        )
    else:
        screen.line("Nothing is left under another key, and plaintext is refused.")
