"""Named queries: each `.sql` file holds blocks that begin with `-- name: x`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

_FOLDER = Path(__file__).parent / "sql"
_NAME = re.compile(r"^-- name: *(\w+) *$", re.MULTILINE)


class Queries:
    """The queries of one file, by name; an unknown name is a KeyError at the call."""

    def __init__(self, blocks: Mapping[str, str]) -> None:
        self._blocks = blocks

    @classmethod
    def load(cls, name: str) -> Queries:
        """Read `sql/<name>.sql`.

        Raises:
            ValueError: the file has no query, or two of the same name.
        """
        _, *parts = _NAME.split((_FOLDER / f"{name}.sql").read_text(encoding="utf-8"))
        names, bodies = parts[::2], parts[1::2]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"{name}.sql: every query needs a name of its own")
        return cls({query: body.strip().removesuffix(";") for query, body in zip(names, bodies, strict=True)})

    def __getitem__(self, name: str) -> str:
        return self._blocks[name]
