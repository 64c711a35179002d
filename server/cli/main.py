"""The `colony` command's entry: its commands, and the one place where errors become exit codes."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from io import TextIOWrapper
from typing import Annotated

import typer

from contracts.errors import ColonyError
from server.cli.answers import register as answers
from server.cli.approvals import register as approvals
from server.cli.audit import register as audit
from server.cli.constitution import register as constitution
from server.cli.database import register as database
from server.cli.demo import register as demo
from server.cli.doctor import register as doctor
from server.cli.gates import register as gates
from server.cli.halt import register as halt
from server.cli.history import register as history
from server.cli.keys import register as keys
from server.cli.missions import register as missions
from server.cli.operate import register as operate
from server.cli.output import Exit, print_error, report_error
from server.cli.policies import register as policies
from server.cli.processes import register as processes
from server.cli.relay import register as relay
from server.cli.replays import register as replays
from server.cli.root import register as root
from server.cli.verify import register as verify

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, help="Governed, checkpointed agent missions.", name="colony"
)


def _tell_version(asked: bool) -> None:
    if asked:
        print(f"colony {version('colony')}")  # noqa: T201
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    pass


for _register in (processes, demo, doctor, gates):
    _register(app)
_of_missions = typer.Typer(no_args_is_help=True, help="Submit missions, follow them, answer and operate them.")
for _register in (missions, answers, operate, history, replays):
    _register(_of_missions)
app.add_typer(_of_missions, name="missions")
for _register in (verify, audit, root, approvals, policies, constitution, database, relay, keys, halt):
    _register(app)


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
