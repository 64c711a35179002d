"""How the command speaks: exit codes, one-line errors, logging."""

from __future__ import annotations

import logging
import sys
from enum import IntEnum

import structlog

from contracts.errors import BadInput, ColonyError, Denied, SettingInvalid


class Exit(IntEnum):
    """The command's exit codes."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    BLOCKED = 3
    WAITING = 4


def report_error(error: ColonyError) -> int:
    """Print an error as one line: code, what happened, what to do; returns the exit code."""
    hint = f" {error.hint}" if error.hint else ""
    sys.stderr.write(f"{error.code}: {error.message}.{hint}\n")
    match error:
        case SettingInvalid() | BadInput():
            return Exit.USAGE
        case Denied():
            return Exit.BLOCKED
        case _:
            return Exit.FAILED


def configure_logging(level: str) -> None:
    """Send structured logs to stderr; libraries speak only when something is wrong."""
    number = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
