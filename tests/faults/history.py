"""The history: every invocation and its outcome (ok, fail, unknown), and every fault, a line each, as it happened."""

import itertools
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Line = dict[str, Any]


class Attempt:
    """One invocation under way; whoever makes it says how it ended, else nobody knows."""

    def __init__(self) -> None:
        self.outcome = "unknown"
        self.known: Line = {}

    def ended(self, outcome: str, **known: Any) -> None:
        self.outcome = outcome
        self.known |= known


class History:
    """Appends to a file; the checker reads it when all is over."""

    def __init__(self, path: Path) -> None:
        self._out = path.open("a", encoding="utf-8", buffering=1)
        self._numbers = itertools.count(1)

    def note(self, op: str, kind: str, **known: Any) -> None:
        """Write one line: ``kind`` is invoke, ok, fail, unknown, fault or seen."""
        line = {"n": next(self._numbers), "at": round(time.time(), 6), "op": op, "kind": kind, **known}
        self._out.write(json.dumps(line, separators=(",", ":")) + "\n")

    @contextmanager
    def attempt(self, op: str, **known: Any) -> Iterator[Attempt]:
        """Note an invocation and, whatever happens in the block, its outcome."""
        one = Attempt()
        call = next(self._numbers)
        self.note(op, "invoke", call=call, **known)
        try:
            yield one
        finally:
            self.note(op, one.outcome, call=call, **{**known, **one.known})

    def close(self) -> None:
        self._out.close()


def read_lines(path: Path) -> list[Line]:
    """Read a file of lines; one that a killed process left unfinished is left out."""
    if not path.exists():
        return []
    found = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(text))
        except ValueError:
            continue
    return found
