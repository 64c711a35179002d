"""The commands about the database."""

from __future__ import annotations

from contextlib import ExitStack

import typer

from server.cli.output import Json, Screen, emit


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="The database: the embedded one, or DATABASE_URL's.")
    group.command()(migrate)
    group.callback()(lambda: None)
    app.add_typer(group, name="db")


def migrate(as_json: Json = False) -> None:
    """Bring the database to this version's schema."""
    from adapters.postgres.provision import migrate as apply
    from server.compose import administrator
    from server.settings import load_settings

    with ExitStack() as stack:
        applied = apply(administrator(load_settings(), stack))
    if as_json:
        emit({"applied": applied})
        return
    screen = Screen()
    for name in applied:
        screen.line(f"applied {name}")
    screen.line(f"{len(applied)} migrations applied." if applied else "The schema is current.")
