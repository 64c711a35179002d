"""The `colony` command's entry: its commands, and the one place where errors become exit codes."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper

import typer

from contracts.errors import ColonyError
from server.cli import (
    answers,
    database,
    demo,
    doctor,
    gates,
    history,
    missions,
    operate,
    policies,
    processes,
    root,
    verify,
)
from server.cli.output import Exit, print_error, report_error

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, help="Governed, checkpointed agent missions.", name="colony"
)
for _commands in (processes, demo, doctor, gates):
    _commands.register(app)
_of_missions = typer.Typer(no_args_is_help=True, help="Submit missions, follow them, answer and operate them.")
for _part in (missions, answers, operate, history):
    _part.register(_of_missions)
app.add_typer(_of_missions, name="missions")
for _group in (verify, root, policies, database):
    _group.register(app)


def main() -> None:
    """Run the command; errors are one line on stderr with what to do."""
    for stream in (sys.stdout, sys.stderr):
        # A quote that the terminal's encoding can't show must not end a command.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    sys.exit(_code())


def _code() -> int:
    try:
        result = app(standalone_mode=False)
        sys.stdout.flush()
    except ColonyError as exc:
        return report_error(exc)
    except typer.TyperException as exc:
        return _usage(exc)
    except typer.Abort:
        print_error("aborted", "nothing was changed")
        return Exit.FAILED
    except BrokenPipeError:
        # The reader has gone, as `| head` does: not an error, and nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.FAILED
    return result if isinstance(result, int) else Exit.DONE


def _usage(error: typer.TyperException) -> int:
    """Say what was wrong with the arguments, in one line as every error."""
    said = error.format_message()
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "colony"
    if said.strip():
        print_error("usage", said, f"Run `{path} --help`.")
    return error.exit_code
