"""Plain values out of hostile bytes: canonical JSON, hashes, and fields that are of the type they should be."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

ZERO_HASH = "0" * 64
MAX_DEPTH = 200


class Broken(Exception):
    """Something does not hold; the message is the sentence that a person is shown."""


def canonical(value: Any) -> bytes:
    """Return the canonical JSON bytes: sorted keys, no white space, UTF-8.

    Raises:
        ValueError: NaN, an infinity or a lone surrogate.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 as 64 lower-case hex digits."""
    return hashlib.sha256(data).hexdigest()


def digest(value: Any) -> str:
    """Return the SHA-256 of a value's canonical bytes."""
    return sha256_hex(canonical(value))


def same(one: Any, other: Any) -> bool:
    """Tell whether two plain values are the same JSON; unlike ``==`` this tells ``1``, ``1.0`` and ``true`` apart."""
    return canonical(one) == canonical(other)


def hexed(text: str, where: str) -> bytes:
    """Return the bytes that lower-case hex digits stand for: each value has one spelling.

    Raises:
        Broken: it is anything else.
    """
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if value.hex() != text:
        raise Broken(f"{where}: a signature, key or hash is not hex")
    return value


def parse(data: bytes, where: str) -> Any:
    """Read JSON that must be in the canonical form, so that there is one reading of it and no room beside it.

    Raises:
        Broken: it can't be read, is too deep, or is not canonical.
    """
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refused)
        again = canonical(value)
    except (ValueError, RecursionError) as exc:
        raise Broken(f"{where} can't be read as JSON") from exc
    if _too_deep(value):
        raise Broken(f"{where} is nested more than {MAX_DEPTH} levels deep")
    if again != data:
        raise Broken(f"{where} is not in the canonical form: it was rewritten after it was stored")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a name occurs twice")
    return made


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for v in level for inner in _inner(v)]
        if not level:
            return False
    return True


def _inner(value: Any) -> Sequence[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else ()


@dataclass(frozen=True)
class Record:
    """A JSON object with the place it stands at; every field is asked for with its type.

    Raises:
        Broken: (every method) the field is missing or of another type.
    """

    where: str
    fields: dict[str, Any]

    @classmethod
    def of(cls, value: Any, where: str) -> Record:
        """Return the value as a record."""
        if not isinstance(value, dict):
            raise Broken(f"{where} is not an object")
        return cls(where, value)

    def text(self, key: str) -> str:
        """Return a text."""
        value = self.fields.get(key)
        return value if isinstance(value, str) else self._wrong(key, "text")

    def text_or_none(self, key: str) -> str | None:
        """Return a text, or None where the field is null."""
        return None if key in self.fields and self.fields[key] is None else self.text(key)

    def whole(self, key: str) -> int:
        """Return a whole number; a truth value is none."""
        value = self.fields.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else self._wrong(key, "a whole number")

    def record(self, key: str) -> Record:
        """Return an object."""
        value = self.fields.get(key)
        return Record(f"{self.where}, {key}", value) if isinstance(value, dict) else self._wrong(key, "an object")

    def record_or_none(self, key: str) -> Record | None:
        """Return an object, or None where the field is null."""
        return None if key in self.fields and self.fields[key] is None else self.record(key)

    def records(self, key: str) -> list[Record]:
        """Return a list of objects."""
        return [Record.of(v, f"{self.where}, {key} {n}") for n, v in enumerate(self._list(key), start=1)]

    def texts(self, key: str) -> list[str]:
        """Return a list of texts."""
        values = self._list(key)
        return values if all(isinstance(v, str) for v in values) else self._wrong(key, "a list of texts")

    def value(self, key: str) -> Any:
        """Return a field of any type, which must be there."""
        return self.fields[key] if key in self.fields else self._wrong(key, "there")

    def parsed(self, key: str) -> Record:
        """Return the object that a text holds; the text need not be in the canonical form."""
        return Record.of(self._json(key), f"{self.where}, {key}")

    def listed(self, key: str) -> list[Any]:
        """Return the list that a text holds."""
        value = self._json(key)
        return value if isinstance(value, list) else self._wrong(key, "a list")

    def _json(self, key: str) -> Any:
        try:
            return json.loads(self.text(key), object_pairs_hook=_unique, parse_constant=_refused)
        except (ValueError, RecursionError) as exc:
            raise Broken(f"{self.where}: `{key}` can't be read as JSON") from exc

    def _list(self, key: str) -> list[Any]:
        value = self.fields.get(key)
        return value if isinstance(value, list) else self._wrong(key, "a list")

    def _wrong(self, key: str, wanted: str) -> NoReturn:
        raise Broken(f"{self.where}: `{key}` is not {wanted}")
