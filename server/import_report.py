"""What an import says of itself: how many records went in, and for every one that did not, where it stands and why."""

from __future__ import annotations

from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from pydantic import ValidationError

from adapters.root.records import Record, reason_of
from contracts.base import Value
from contracts.errors import BadInput

R = TypeVar("R", bound=Record)


class Remark(Value):
    """One thing to know about a file, or about one line of it (the first is 1)."""

    file: str
    line: int | None = None
    reason: str


class Tally(Value):
    """How many records of one kind there were and what became of them; a campaign's are counted by row."""

    read: int = 0
    created: int = 0
    replaced: int = 0
    unchanged: int = 0
    rejected: int = 0


class ImportReport(Value):
    """The whole import. ``errors`` were not taken, ``skipped`` files are of a kind that can't be read yet."""

    tallies: dict[str, Tally]
    errors: tuple[Remark, ...] = ()
    skipped: tuple[Remark, ...] = ()
    warnings: tuple[Remark, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether every record of every file was taken."""
        return not self.errors


class Placed(NamedTuple, Generic[R]):
    """A record and where it came from."""

    file: str
    line: int | None
    record: R


class Parsed(Generic[R]):
    """The good records of a file, and what is wrong with the others."""

    def __init__(self) -> None:
        self.records: list[Placed[R]] = []
        self.errors: list[Remark] = []
        self.skipped: list[Remark] = []
        self.warnings: list[Remark] = []

    def error(self, file: str, line: int | None, problem: Exception | str) -> None:
        """Note a record that can't be taken."""
        reason = reason_of(problem) if isinstance(problem, ValidationError) else str(problem)
        self.errors.append(Remark(file=file, line=line, reason=reason))

    def warn(self, file: str, reason: str, line: int | None = None) -> None:
        """Note something that the reader should know, though nothing was lost."""
        self.warnings.append(Remark(file=file, line=line, reason=reason))


def read_file(path: Path) -> bytes:
    """Return a file's bytes.

    Raises:
        BadInput: it can't be read (code ``file_unreadable``).
    """
    try:
        return path.read_bytes()
    except OSError as exc:
        raise BadInput(f"{path}: {exc.strerror or 'can not be read'}", code="file_unreadable") from exc
