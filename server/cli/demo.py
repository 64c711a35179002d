"""`colony demo`: one mission of each kind, from its plan to its verified bundle, on sample data, in one process."""

from __future__ import annotations

import typer

from server.cli.output import Json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(as_json: Json = False) -> None:
    """Run a mission of each kind on sample data, from its plan to its verified bundle; nothing is asked."""
    import asyncio

    from server.cli.output import configure_logging, emit
    from server.cli.tour import tour

    configure_logging("warning", as_json=as_json)
    told = asyncio.run(tour(quiet=as_json))
    if as_json:
        emit(told)
