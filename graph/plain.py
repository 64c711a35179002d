"""Values of any graph's state as JSON that can be stored and sent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
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
            return str(value).replace("\x00", "") if not isinstance(value, Enum) else plain(value.value, depth)
        case float():
            return value if math.isfinite(value) else None
        case _ if depth > _DEEPEST:
            return str(value)
        case Enum():
            return plain(value.value, depth + 1)
        case BaseModel():
            return plain(value.model_dump(), depth + 1)
        case Mapping():
            return {str(key).replace("\x00", ""): plain(item, depth + 1) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item, depth + 1) for item in value]
        case _:
            return _plain_object(value, depth)


def _plain_object(value: Any, depth: int) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value), depth + 1)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").replace("\x00", "")
    if isinstance(value, UUID):
        return str(value)
    return str(value).replace("\x00", "")
