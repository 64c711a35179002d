"""One way to turn a value into bytes, so that equal values have equal hashes everywhere.

The form is JSON with sorted keys, no white space, UTF-8, and no NaN or infinity. It is what RFC 8785 gives for the
values Colony stores (strings, integers, booleans, null, and floats that Python and ECMAScript print alike).
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

ZERO_HASH = "0" * 64
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def canonical_bytes(value: Any) -> bytes:
    """Return the canonical JSON bytes of a plain JSON value.

    Raises:
        ValueError: the value holds NaN or an infinity.
        TypeError: the value is not plain JSON.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of the bytes as 64 lower-case hex digits."""
    return hashlib.sha256(data).hexdigest()


def digest(value: Any) -> str:
    """Return the SHA-256 of a plain JSON value's canonical bytes."""
    return sha256_hex(canonical_bytes(value))


def is_text(value: str) -> bool:
    """Whether Postgres and JSON can carry a text: it holds no NUL and no half of a surrogate pair."""
    return _UNSTORABLE.search(value) is None


def clean_text(text: str) -> tuple[str, int]:
    """Drop what Postgres and JSON can't carry (NUL, lone surrogates) and unify line ends.

    Returns the clean text and how many characters were dropped or replaced, so that the caller can say so.
    """
    unified = text.replace("\r\n", "\n").replace("\r", "\n")
    return _UNSTORABLE.subn("", unified)
