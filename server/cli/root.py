"""`colony root import`: a product's data into the embedded root, through the service or straight into its database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contracts.errors import BadInput
from server.cli.output import Exit, Json, Screen, emit, one_line

if TYPE_CHECKING:
    from adapters.root.records import Sink
    from server.import_report import ImportReport, Remark
    from server.root_import import ImportSources
    from server.settings import Settings

_PATIENCE_S = 2.0
_SHOWN = 50


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="The embedded root: the product's backend, for development.")
    group.command(name="import")(import_)
    group.callback()(lambda: None)
    app.add_typer(group, name="root")


def import_(
    leads: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="CSV, one lead a row.")] = None,
    chats: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="JSONL, a conversation a line.")
    ] = None,
    documents: Annotated[Path | None, typer.Option(exists=True, file_okay=False, help="A folder of documents.")] = None,
    campaigns: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="CSV, one row a day.")] = None,
    map: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="YAML that renames columns.")] = None,
    tenant: Annotated[str, typer.Option(help="Whose data it is.")] = "demo",
    as_json: Json = False,
) -> None:
    """Import files into the root; running it again changes only what differs.

    Records that can't be taken are named by file and line, the others go in; the exit code is 1 then.
    """
    from server.root_import import ImportSources
    from server.settings import load_settings

    sources = ImportSources(leads, chats, documents, campaigns, map)
    if not any((leads, chats, documents, campaigns, map)):
        raise typer.BadParameter("name what to import", param_hint="--leads, --chats, --documents or --campaigns")
    settings = load_settings()
    if settings.root_api_base_url is not None:
        raise BadInput(
            "ROOT_API_BASE_URL is set: the root is another product, which takes no imports",
            code="root_not_embedded",
            hint="Unset it to import into the embedded root.",
        )
    where, report = asyncio.run(_imported(settings, tenant, sources, quiet=as_json))
    if as_json:
        emit({"into": where, "ok": report.clean, **report.model_dump(mode="json")})
    else:
        _show(where, report)
    raise typer.Exit(Exit.DONE if report.clean else Exit.FAILED)


async def _imported(
    settings: Settings, tenant: str, sources: ImportSources, *, quiet: bool
) -> tuple[str, ImportReport]:
    from server.root_import import import_files

    async with _sink(settings) as (where, sink):
        with progress(quiet=quiet) as told:
            return where, await import_files(sink, tenant, sources, told)


@asynccontextmanager
async def _sink(settings: Settings) -> AsyncIterator[tuple[str, Sink]]:
    """Give the running service's root if one answers, else the database."""
    from adapters.root.client import RootClient
    from server.cli.checks import answers

    if await answers(settings, _PATIENCE_S):
        root = RootClient(settings.root_base_url, settings.root_api_key)
        try:
            yield settings.root_base_url, root
        finally:
            await root.aclose()
        return
    from server.compose import open_root_store

    async with open_root_store(settings) as store:
        where = "DATABASE_URL" if settings.database_url is not None else str(settings.home)
        yield f"the database of {where}", store


@contextmanager
def progress(*, quiet: bool) -> Iterator[Callable[[str, int, int], None] | None]:
    """Give what to tell an import's progress: a bar for each kind, on a terminal."""
    screen = Screen(err=True)
    if quiet or not screen.terminal:
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:>10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=screen.console, transient=True) as bars:
        known: dict[str, TaskID] = {}

        def told(kind: str, done: int, total: int) -> None:
            if kind not in known:
                known[kind] = bars.add_task(kind, total=total)
            bars.update(known[kind], completed=done, total=total)

        yield told


def _show(where: str, report: ImportReport) -> None:
    screen = Screen()
    screen.line(f"into {where}", "bold")
    tallies(screen, report)
    for title, remarks in (("not taken", report.errors), ("skipped", report.skipped), ("note", report.warnings)):
        for remark in remarks[:_SHOWN]:
            screen.line(f"{title}: {_place(remark)}: {one_line(remark.reason)}")
        if len(remarks) > _SHOWN:
            screen.line(f"{title}: {len(remarks) - _SHOWN} more; --json lists them all")


def tallies(screen: Screen, report: ImportReport) -> None:
    """Show how many records of each kind there were and what became of them."""
    columns = ("read", "created", "replaced", "unchanged", "rejected")
    rows = ([kind, *(getattr(tally, column) for column in columns)] for kind, tally in report.tallies.items())
    screen.table(("kind", *columns), rows)


def _place(remark: Remark) -> str:
    return one_line(remark.file) if remark.line is None else f"{one_line(remark.file)}:{remark.line}"
