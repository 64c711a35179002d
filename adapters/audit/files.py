"""The roots' own files, apart from the database: one line a root, one file a day, only ever appended to."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from adapters.audit.roots import Root
from contracts.canonical import canonical_bytes
from contracts.errors import IntegrityBroken, SettingInvalid


class RootFiles:
    """A folder of roots."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self) -> list[Root]:
        """Return the roots, in the order they were written. A last line that was cut off by a crash is none.

        Raises:
            IntegrityBroken: a line can't be read.
        """
        found: list[Root] = []
        for file in self._files():
            lines = file.read_bytes().split(b"\n")
            for number, line in enumerate(lines[:-1], start=1):
                found.append(_read(line, f"{file.name}, line {number}"))
        return found

    def last(self) -> Root | None:
        """Return the newest root.

        Raises:
            IntegrityBroken: its line can't be read.
        """
        for file in reversed(self._files()):
            lines = file.read_bytes().split(b"\n")[:-1]
            if lines:
                return _read(lines[-1], f"{file.name}, line {len(lines)}")
        return None

    def append(self, roots: Sequence[Root]) -> None:
        """Add roots, each on the disk before the next.

        Raises:
            SettingInvalid: the folder can't be written.
        """
        for root in roots:
            file = self.folder / f"roots-{str(root.said['at'])[:10]}.jsonl"
            try:
                self._append(file, _line(root))
            except OSError as exc:
                raise unusable(exc) from exc

    def _append(self, file: Path, line: bytes) -> None:
        with os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644), "r+b") as out:
            content = out.read()
            if content and not content.endswith(b"\n"):  # a crash cut the last line off: it was never a root
                out.truncate(content.rfind(b"\n") + 1)
            out.write(line)
            out.flush()
            os.fsync(out.fileno())
        held = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(held)
        finally:
            os.close(held)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Let one process at a time add to the folder.

        Raises:
            SettingInvalid: the folder can't be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as exc:
            raise unusable(exc) from exc
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("roots-*.jsonl"))


def unusable(exc: OSError) -> SettingInvalid:
    """Return what is said of a folder that can't be used."""
    return SettingInvalid(
        f"COLONY_AUDIT_DIR can't be written: {exc.strerror}", hint="It must be a folder, or where one can be made."
    )


def _line(root: Root) -> bytes:
    held = {
        "content": root.content.decode(),
        "signature": root.signature,
        "public_key": root.public_key,
        "leaves": [leaf.decode() for leaf in root.leaves],
    }
    return canonical_bytes(held) + b"\n"


def _read(line: bytes, where: str) -> Root:
    try:
        held = json.loads(line)
        root = Root(
            held["content"].encode(),
            held["signature"],
            held["public_key"],
            tuple(leaf.encode() for leaf in held["leaves"]),
        )
        root.number  # noqa: B018 - that it has one
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise IntegrityBroken(f"{where}: this is no root, the file was changed", code="audit_broken") from exc
    return root
