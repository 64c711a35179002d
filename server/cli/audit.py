"""The commands about the audit: seal and check the whole database, follow what one bundle claims."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contracts.errors import BadInput, SettingInvalid
from server.cli.output import Exit, Json, Screen, emit
from server.cli.tracing import claims, trace

if TYPE_CHECKING:
    from adapters.postgres.audit.check import Checked
    from server.settings import Settings

Roots = Annotated[
    Path | None,
    typer.Option(help="The folder of the roots, COLONY_AUDIT_DIR by default.", exists=True, file_okay=False),
]
Keys = Annotated[
    list[str] | None,
    typer.Option("--key", help="A public key that roots may be signed with, 64 hex digits; repeatable. Default: ours."),
]
_KEY = re.compile(r"[0-9a-f]{64}")
_MOST = 20


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="The audit record: seal it under signed roots, and check it.")
    for command in (seal, check, key, claims, trace):
        group.command()(command)
    app.add_typer(group, name="audit")


@contextmanager
def _audit(*, make: bool) -> Iterator[tuple[str, Settings]]:
    from adapters.postgres.provision import dsns_for, migrate, pending
    from server.database import administrator
    from server.settings import load_settings

    settings = load_settings()
    with ExitStack() as stack:
        admin = administrator(settings, stack)
        if make:
            migrate(admin)
        elif pending(admin):
            raise SettingInvalid("the database is of an earlier version", hint="Run `colony db migrate` first.")
        yield dsns_for(admin).audit, settings


def seal(
    restored: Annotated[
        bool, typer.Option("--restored", help="The database was restored on purpose: roots it has no more are void.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Seal what is new under a signed root, now."""
    from server.auditing import sealer_for

    with _audit(make=True) as (dsn, settings):
        done = sealer_for(settings, dsn).seal(restored=restored)
    last = done.roots[-1] if done.roots else None
    if as_json:
        roots = [{**root.said, "sha256": root.sha256, "public_key": root.public_key} for root in done.roots]
        emit({"roots": roots, "missions": done.leaves, "findings": [asdict(f) for f in done.findings]})
    else:
        screen = Screen()
        for found in done.findings[:_MOST]:
            screen.line(f"left unsealed: {found.mission_id} {found.table} {found.row}: {found.what}")
        if done.busy:
            screen.line("Another process is sealing.")
        elif last is None:
            screen.line("Nothing is new since the last root.")
        else:
            signed = f"signed with {last.public_key}" if last.signature else "NOT signed: set COLONY_AUDIT_KEY_FILE"
            screen.line(f"root {last.number} {last.sha256}: {done.leaves} missions, {signed}")
    raise typer.Exit(Exit.FAILED if done.findings else Exit.DONE)


def check(
    roots: Roots = None,
    keys: Keys = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Rows of missions only whose chain has grown since the last root.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check every row of every mission, and every chain against the roots; names the first thing that doesn't hold."""
    from adapters.audit.files import RootFiles
    from adapters.postgres.audit.check import check as look
    from adapters.postgres.audit.store import connected
    from server.auditing import audit_key, audit_vault, root_files

    if wrong := [one for one in keys or () if not _KEY.fullmatch(one)]:
        raise BadInput(f"{wrong[0]!r} is not a public key", code="key_invalid", hint="It is 64 hex digits.")
    with _audit(make=False) as (dsn, settings):
        own = audit_key(settings) if not keys else None
        files = RootFiles(roots) if roots else root_files(settings)
        public = keys or ([own.public] if own else [])
        with connected(dsn, audit_vault(settings)) as conn:
            done = look(conn, files if files.folder.is_dir() else None, public, quick=quick)
    if as_json:
        emit({"ok": not done.findings, **asdict(done)})
    else:
        _show(done)
    raise typer.Exit(Exit.FAILED if done.findings else Exit.DONE)


def _show(done: Checked) -> None:
    screen = Screen()
    screen.line(f"{done.missions} missions, {done.rows} rows, {done.roots} roots")
    if done.last is None:
        screen.line("Nothing has been sealed yet: a worker does it on a schedule, `colony audit seal` now.")
    else:
        screen.line(f"last root {done.last['number']} of {done.last['at']}, {done.unsealed} missions not sealed since")
    for note in done.notes:
        screen.line(f"note: {note}")
    if not done.findings:
        screen.line("everything holds")
        return
    shown = ([f.tenant_id, f.mission_id, f.table, f.row, f.what] for f in done.findings[:_MOST])
    screen.table(("tenant", "mission", "table", "row", "what"), shown)
    first = done.findings[0]
    whose = (
        f"mission {first.mission_id}" if first.mission_id else f"tenant {first.tenant_id}" if first.tenant_id else ""
    )
    where = " ".join(part for part in (whose, first.table, first.row if whose else "") if part)
    screen.line(f"DOES NOT HOLD ({len(done.findings)} findings): {where}: {first.what}")


def key(as_json: Json = False) -> None:
    """Show the public key that this deployment's roots are signed with."""
    from server.auditing import audit_key
    from server.settings import load_settings

    own = audit_key(load_settings())
    if own is None:
        raise SettingInvalid("this deployment signs no roots", hint="Set COLONY_AUDIT_KEY_FILE.")
    if as_json:
        emit({"public_key": own.public})
    else:
        Screen().line(own.public)
