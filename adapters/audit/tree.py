"""A hash tree over leaves, as in RFC 6962: a root stands for all, a short proof shows that one is among them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

_LEAF, _NODE = b"\x00", b"\x01"


def tree(leaves: Sequence[bytes]) -> tuple[str, list[list[str]]]:
    """Return the root over the leaves' contents and each one's proof; hashes are 64 hex digits.

    A proof is the sibling at each level from the leaf up, ``<`` before it where it stands on the left.

    Raises:
        ValueError: there is no leaf.
    """
    if not leaves:
        raise ValueError("a tree needs a leaf")
    level = [hashlib.sha256(_LEAF + leaf).digest() for leaf in leaves]
    proofs: list[list[str]] = [[] for _ in leaves]
    under = [[n] for n in range(len(leaves))]
    while len(level) > 1:
        for at in range(0, len(level) - 1, 2):
            for n in under[at]:
                proofs[n].append(level[at + 1].hex())
            for n in under[at + 1]:
                proofs[n].append("<" + level[at].hex())
        pairs = range(0, len(level), 2)
        under = [under[at] + (under[at + 1] if at + 1 < len(level) else []) for at in pairs]
        level = [_above(level, at) for at in pairs]
    return level[0].hex(), proofs


def _above(level: Sequence[bytes], at: int) -> bytes:
    """Return what stands above a pair; the odd one out goes up as it is."""
    return hashlib.sha256(_NODE + level[at] + level[at + 1]).digest() if at + 1 < len(level) else level[at]
