"""The `colony` command's entry: options that hold everywhere, and the one place where errors become exit codes."""

from __future__ import annotations

import sys

import typer

from contracts.errors import ColonyError
from server.cli import processes
from server.cli.output import report_error

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="Governed, checkpointed agent missions.")
processes.register(app)


def main() -> None:
    """Run the command; errors are one line on stderr with what to do."""
    try:
        app()
    except ColonyError as exc:
        sys.exit(report_error(exc))
