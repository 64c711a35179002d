"""`colony verify`: check an audit bundle offline, without a server, a database or a setting."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from server.cli.output import Exit, Json, Screen

Bundle = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The bundle, a .zip file.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(verify)


def verify(bundle: Bundle, as_json: Json = False) -> None:
    """Check a mission's audit bundle; nothing but the file is needed."""
    import sys

    from server.verify import render, to_json, verify_bundle

    report = verify_bundle(bundle)
    if as_json:
        sys.stdout.write(to_json(report) + "\n")
    else:
        Screen().line(render(report))
    raise typer.Exit(Exit.DONE if report.ok else Exit.FAILED)
