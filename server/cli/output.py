"""How the command speaks: exit codes, one-line errors, JSON, tables, logging.

What missions quote was written by strangers: nothing of it may steer the terminal or look like our own words.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from contracts.errors import BadInput, ColonyError, Denied

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
_UNWRAPPED = 20_000


class Exit(IntEnum):
    """The command's exit codes."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    BLOCKED = 3
    WAITING = 4
    INTERRUPTED = 130


_ENDS = {"completed": Exit.DONE, "blocked": Exit.BLOCKED, "awaiting_approval": Exit.WAITING}


def exit_for(status: str) -> Exit:
    """Return how a command that followed a mission ends, by where the mission stands."""
    return _ENDS.get(status, Exit.FAILED)


def exit_of(error: ColonyError) -> Exit:
    """Return the exit code of an error."""
    match error:
        case BadInput():
            return Exit.USAGE
        case Denied():
            return Exit.BLOCKED
        case _:
            return Exit.FAILED


def report_error(error: ColonyError) -> int:
    """Print an error as one line: code, what happened, what to do; returns the exit code."""
    print_error(error.code, error.message, error.hint)
    return exit_of(error)


def print_error(code: str, message: str, hint: str = "") -> None:
    """Print one line on stderr: code, what happened, what to do."""
    sentences = [shown(" ".join(part.split())) for part in (message, hint)]
    told = " ".join(s if s[-1] in ".!?" else f"{s}." for s in sentences if s)
    sys.stderr.write(f"{code}: {told}\n")


def shown(text: object) -> str:
    """Return text as it can be shown: no control characters, no direction marks; line ends stay."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in str(text))


def one_line(text: object, most: int | None = None) -> str:
    """Return text on one line, cut after so many characters."""
    line = shown(text).replace("\n", " \N{RETURN SYMBOL} ")
    return line if most is None or len(line) <= most else line[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"


def emit(value: Any, *, indent: int | None = 2) -> None:
    """Print one JSON document."""
    sys.stdout.write(json.dumps(value, indent=indent, default=str) + "\n")


def emit_line(value: Any) -> None:
    """Print one JSON document on one line, at once, as streams are printed."""
    emit(value, indent=None)
    sys.stdout.flush()


def plain_text(text: object, style: str = "") -> RenderableType:
    """Return text that is shown as it is: no markup is looked for in it."""
    from rich.text import Text

    return Text(shown(text), style=style)


class Screen:
    """Where people read: colours, boxes and wrapping on a terminal only; elsewhere one record a line, for `grep`."""

    def __init__(self, *, err: bool = False) -> None:
        from rich.console import Console

        self._stream: IO[str] = sys.stderr if err else sys.stdout
        self.terminal = self._stream.isatty()
        width = None if self.terminal else _UNWRAPPED
        self.console: Console = Console(file=self._stream, width=width, highlight=False, markup=False, emoji=False)

    def show(self, *parts: RenderableType) -> None:
        """Print what rich can render."""
        if self.terminal:
            for part in parts:
                self.console.print(part)
            return
        with self.console.capture() as captured:
            for part in parts:
                self.console.print(part)
        # A table pads its last column, and without a terminal nothing limits how wide that is.
        lines = (line.rstrip() for line in captured.get().split("\n"))
        self._stream.write("\n".join(lines))
        self._stream.flush()

    def line(self, text: object = "", style: str = "") -> None:
        """Print text; a terminal wraps it, nothing else does."""
        self.show(plain_text(text, style))

    def heading(self, text: str) -> None:
        """Begin a part."""
        self.show("", plain_text(text, "bold cyan"))

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]], *, indent: int = 0) -> None:
        """Print a table; the columns' names are a row of their own."""
        from rich.padding import Padding

        self.show(Padding(made_table(columns, rows, boxed=self.terminal), (0, 0, 0, indent), expand=False))


def made_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, boxed: bool) -> Table:
    """Return a table of plain cells; on a terminal long cells are wrapped at words."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD if boxed else None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(plain_text(one_line("" if cell is None else cell)) for cell in row))
    return table


def configure_logging(level: str, *, as_json: bool = False) -> None:
    """Send structured logs to stderr; libraries speak only when something is wrong."""
    import logging

    import structlog

    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    last = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"])
    )
    # What libraries say is one line of the same form, a traceback included.
    foreign = logging.StreamHandler(sys.stderr)
    foreign.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processor=last, foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared]
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[foreign])
    structlog.configure(
        processors=[*shared, last],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
