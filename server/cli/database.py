"""The commands about the database."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contracts.errors import BadInput, SettingInvalid
from server.cli.encryption import register as encryption
from server.cli.output import Json, Screen, emit

if TYPE_CHECKING:
    from server.reconcile import Finding
    from server.settings import Settings

EmbeddedRoot = Annotated[
    bool, typer.Option("--embedded-root", help="The root is Colony's own, in this database: nothing else was written.")
]
Age = Annotated[str, typer.Option(help="How long ago a mission must have ended: 30d, 12h.")]
_AGE = re.compile(r"(\d{1,6})([dh])")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="The database: the embedded one, or DATABASE_URL's.")
    for command in (migrate, backup, restore, reconcile, prune):
        group.command()(command)
    encryption(group)
    app.add_typer(group, name="db")


@contextmanager
def _administrator() -> Iterator[tuple[str, Settings]]:
    from server.database import administrator
    from server.settings import load_settings

    settings = load_settings()
    with ExitStack() as stack:
        yield administrator(settings, stack), settings


def migrate(as_json: Json = False) -> None:
    """Bring the database to this version's schema."""
    from adapters.postgres.provision import migrate as apply

    with _administrator() as (dsn, _):
        applied = apply(dsn)
    if as_json:
        emit({"applied": applied})
        return
    screen = Screen()
    for name in applied:
        screen.line(f"applied {name}")
    screen.line(f"{len(applied)} migrations applied." if applied else "The schema is current.")


def backup(
    file: Annotated[Path | None, typer.Argument(help="The file to make; named after the time when left out.")] = None,
    as_json: Json = False,
) -> None:
    """Write everything, of every tenant, to one file; services may go on meanwhile."""
    from adapters.postgres.maintenance.backup import backup as take
    from adapters.postgres.provision import migrate as apply

    chosen = file or Path(f"colony-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.backup")
    with _administrator() as (dsn, _):
        apply(dsn)
        taken = take(dsn, chosen)
    if as_json:
        emit({**asdict(taken), "file": str(taken.file)})
        return
    screen = Screen()
    screen.line(f"{taken.file}: {taken.missions} missions, {taken.size / 1e6:.1f} MB, sha256 {taken.sha256}")
    screen.line("It holds what your customers wrote: keep it as you keep them.")


def restore(
    file: Annotated[Path, typer.Argument(help="A backup by `colony db backup`.")],
    replace: Annotated[bool, typer.Option("--replace", help="Drop the missions that are there.")] = False,
    embedded_root: EmbeddedRoot = False,
    as_json: Json = False,
) -> None:
    """Put a backup in the place of the database, and hold its open writes against the root before anything goes on."""
    from adapters.postgres.maintenance.restore import restore as put_back

    with _administrator() as (dsn, settings):
        _know_the_root(settings, embedded=embedded_root)
        restored = put_back(dsn, file, replace=replace)
        if not as_json:
            total = sum(restored.missions.values())
            by_status = ", ".join(f"{n} {status}" for status, n in sorted(restored.missions.items()))
            Screen().line(f"restored {total} missions" + (f" ({by_status})" if by_status else ""))
        held, found = asyncio.run(_reconcile(dsn, settings))
    if as_json:
        emit({**asdict(restored), "findings": [asdict(one) for one in found]})
    else:
        _show(held, found)


def reconcile(embedded_root: EmbeddedRoot = False, as_json: Json = False) -> None:
    """End the hold that a restore left; without one, read back the writes whose outcome nobody knows."""
    with _administrator() as (dsn, settings):
        _know_the_root(settings, embedded=embedded_root)
        held, found = asyncio.run(_reconcile(dsn, settings))
    if as_json:
        emit({"held": held, "findings": [asdict(one) for one in found]})
    else:
        _show(held, found)


def _know_the_root(settings: Settings, *, embedded: bool) -> None:
    """Refuse to guess which root the missions have written to: services of this database may have had it set.

    Raises:
        SettingInvalid: the database is an external one, and nothing says which root belongs to it.
    """
    if settings.database_url is not None and settings.root_api_base_url is None and not embedded:
        raise SettingInvalid(
            "ROOT_API_BASE_URL is not set, and its writes must be held against the root that the missions wrote to",
            code="root_unnamed",
            hint="Set it as the services have it; with Colony's own root in this database, say --embedded-root.",
        )


async def _reconcile(dsn: str, settings: Settings) -> tuple[bool, list[Finding]]:
    """End the hold, if there is one, else read back what ended missions left open; returns whether there was one."""
    from adapters.postgres.maintenance.hold import let_go, open_writebacks, unresolved_writebacks
    from adapters.postgres.maintenance.restore import complete
    from adapters.postgres.vault import Vault, master_keys
    from adapters.root.client import RootClient
    from server.compose import open_colony
    from server.reconcile import reconcile as held_against
    from server.reconcile import resolve

    await asyncio.to_thread(complete, dsn)
    vault = Vault(master_keys(settings.payload_encryption_key))
    held = await asyncio.to_thread(open_writebacks, dsn, vault) is not None
    if held and settings.root_api_base_url is None:  # the embedded root went back in time with everything else
        await asyncio.to_thread(let_go, dsn, {"findings": [], "root": "embedded"})
        return True, []
    if not held and not await asyncio.to_thread(unresolved_writebacks, dsn, vault):
        return False, []
    root = RootClient(settings.root_base_url, settings.root_api_key)
    try:
        async with open_colony(settings) as colony:
            work = held_against if held else resolve
            return held, await work(dsn, root, colony.service) or []
    finally:
        await root.aclose()


def _show(held: bool, found: list[Finding]) -> None:
    screen = Screen()
    if found:
        screen.table(
            ("mission", "write", "was", "the root shows", "so"),
            ([f.mission_id, f"{f.operation} {f.target}", f.state, f.shown, f.action] for f in found),
        )
    if held:
        screen.line(f"{len(found)} open writes held against the root; missions may go on.")
    else:
        screen.line(f"The database is not on hold; {len(found)} writes without a known outcome were read back.")


def prune(
    older_than: Age = "30d",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    as_json: Json = False,
) -> None:
    """Drop what replay alone needs of missions that ended long ago; what an audit needs stays."""
    from adapters.postgres.maintenance.prune import prune as drop
    from adapters.postgres.provision import migrate as apply

    days = _days(older_than)
    screen = Screen()
    with _administrator() as (dsn, _):
        apply(dsn)
        done = drop(dsn, days, dry_run=dry_run, progress=None if as_json else lambda n: screen.line(f"{n} missions …"))
    if as_json:
        emit({**_plain(done), "dry_run": dry_run})
        return
    word = "would be pruned" if dry_run else "pruned"
    screen.line(f"{done.missions} missions {word}, {done.rows} rows dropped, {done.keys} idempotency keys forgotten.")


def _plain(done: Any) -> dict[str, int]:
    return {name: int(value) for name, value in asdict(done).items()}


def _days(age: str) -> float:
    found = _AGE.fullmatch(age.strip())
    if found is None:
        raise BadInput(f"{age!r} is not an age", code="age_invalid", hint="Write it as 30d or 12h.")
    return int(found[1]) / (1 if found[2] == "d" else 24)
