"""A root: the signed statement about the leaves that came with it, and about the root before it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapters.audit.keys import AuditKey
from contracts.canonical import ZERO_HASH, canonical_bytes, sha256_hex
from contracts.clock import rfc3339

FORMAT = "colony-root/1"


@dataclass(frozen=True)
class Leaf:
    """How far one mission's chain was: what is hashed into the tree.

    ``rows`` and ``rows_sha256`` stand for the rows that are new since the mission's last leaf.
    """

    tenant_id: str
    mission_id: str
    seq: int
    head: str
    rows: int
    rows_sha256: str

    @property
    def content(self) -> bytes:
        """The canonical bytes."""
        return canonical_bytes(vars(self))

    @classmethod
    def read(cls, content: bytes) -> Leaf:
        """Read a leaf.

        Raises:
            ValueError: it is none.
        """
        fields = json.loads(content)
        if not isinstance(fields, dict) or fields.keys() != cls.__dataclass_fields__.keys():
            raise ValueError("not a leaf")
        return cls(**fields)


@dataclass(frozen=True)
class Root:
    """A root as it is kept: ``content`` are the bytes that were signed, None: unsigned."""

    content: bytes
    signature: str | None
    public_key: str | None
    leaves: tuple[bytes, ...] = ()

    @property
    def sha256(self) -> str:
        """The hash that the next root names."""
        return sha256_hex(self.content)

    @property
    def said(self) -> Mapping[str, Any]:
        """What the root says: ``format, number, previous, at, leaves, tree`` and, after a restore, ``restored``."""
        return dict(json.loads(self.content))

    @property
    def number(self) -> int:
        """Its place in the row of roots, from 1 on."""
        return int(self.said["number"])


def made(
    number: int,
    previous: str | None,
    at: datetime,
    tree: str,
    leaves: Sequence[bytes],
    *,
    key: AuditKey | None,
    restored: int | None = None,
) -> Root:
    """Make a root, signed where there is a key.

    Args:
        number: its number.
        previous: the hash of the root before it; None: it is the first.
        at: when.
        tree: the root of the tree over the leaves.
        leaves: the leaves' contents.
        key: what it is signed with.
        restored: the number of the last root that a restored database had; those between are void.
    """
    said: dict[str, Any] = {
        "format": FORMAT,
        "number": number,
        "previous": previous or ZERO_HASH,
        "at": rfc3339(at),
        "leaves": len(leaves),
        "tree": tree,
    }
    content = canonical_bytes(said if restored is None else said | {"restored": restored})
    signature = key.sign(content) if key else None
    return Root(content, signature, key.public if key else None, tuple(leaves))
