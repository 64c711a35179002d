"""Values of any graph's state as JSON that can be stored and sent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from typing import Any
from uuid import UUID

from pydantic import BaseModel

_DEEPEST = 64


def plain(value: Any, depth: int = 0) -> Any:
    """Return a value as JSON: messages and models as their fields, what has no JSON as its text, NULs left out."""
    match value:
        case None | bool() | int():
            return value
        case str():
            return _text(value) if not isinstance(value, Enum) else plain(value.value, depth)
        case float():
            return value if math.isfinite(value) else None
        case _ if depth > _DEEPEST:
            return _text(value)
        case Enum():
            return plain(value.value, depth + 1)
        case BaseModel():
            return plain(value.model_dump(), depth + 1)
        case Mapping():
            return {_text(key): plain(item, depth + 1) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item, depth + 1) for item in value]
        case _:
            return _plain_object(value, depth)


def _plain_object(value: Any, depth: int) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name), depth + 1) for one in fields(value)}
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes):
        return _text(value.decode("utf-8", "replace"))
    if isinstance(value, UUID):
        return str(value)
    return _text(value)


def _text(value: Any) -> str:
    """Return a text that can be stored: without NULs, and halves of surrogate pairs as question marks."""
    text = str(value).replace("\x00", "")
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
