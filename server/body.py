"""Reading a request's body safely: bounded in size and depth, storable, and only then parsed."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from contracts.canonical import is_text
from contracts.errors import BadInput, Malformed, NotJson, TooLarge

MAX_BODY = 1_048_576
MAX_DEPTH = 32
MAX_INTEGER = 2**63 - 1
BODY_TOO_SLOW = "body_too_slow"
_SHOWN = 120
_LONGEST_S = 10.0
"""Less than a route has for its answer: who sends slowly is told so, and the service is not said to be degraded."""
_EXACT = 2**53
ModelT = TypeVar("ModelT", bound=BaseModel)


async def read_body(request: Request) -> dict[str, Any]:
    """Return the body, a JSON object; an empty body is an empty object.

    Raises:
        TooLarge, NotJson, Malformed, BadInput: as ``read_json`` says; it is not an object.
    """
    value = await read_json(request)
    if not isinstance(value, dict):
        raise Malformed("the body is not a JSON object")
    return value


async def read_list(request: Request) -> list[Any]:
    """Return the body, a JSON list.

    Raises:
        TooLarge, NotJson, Malformed, BadInput: as ``read_json`` says; it is not a list.
    """
    value = await read_json(request)
    if not isinstance(value, list):
        raise Malformed("the body is not a JSON list")
    return value


async def read_json(request: Request) -> Any:
    """Return the body as JSON; an empty body is an empty object.

    Raises:
        TooLarge: it is over 1 MiB.
        NotJson: it says that it is something else, or compressed.
        Malformed: it is not JSON, is nested too deep, or did not come within 10 seconds.
        BadInput: a text or a number in it can't be stored; the message names the first.
    """
    # What is unpacked here could be a thousand times what was sent: nothing is.
    if request.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        raise NotJson("a compressed body is not read", code="encoding_unsupported", hint="Send it as it is.")
    content = await _bounded(request)
    if not content.strip():
        return {}
    if not _is_json(request.headers.get("content-type", "")):
        raise NotJson("the body is not said to be JSON")
    try:
        value = json.loads(content, parse_constant=_no_constant, parse_float=_number, object_pairs_hook=once)
    except (ValueError, RecursionError) as exc:
        raise Malformed("the body is not JSON that can be read") from exc
    _storable(value, ())
    return value


async def _bounded(request: Request) -> bytes:
    refusal = TooLarge(f"the body is over {MAX_BODY} bytes")
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > MAX_BODY:
        raise refusal
    body = bytearray()
    try:
        # Whoever sends a byte now and then would hold a place for as long as they like.
        async with asyncio.timeout(_LONGEST_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY:
                    raise refusal
    except TimeoutError as exc:
        raise Malformed(f"the body did not come within {_LONGEST_S:.0f} seconds", code=BODY_TOO_SLOW) from exc
    except ClientDisconnect as exc:
        raise Malformed("the body was cut short") from exc
    return bytes(body)


def _is_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind in {"", "application/json"} or (kind.startswith("application/") and kind.endswith("+json"))


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object's items.

    Raises:
        ValueError: it names something twice: who reads the first and who reads the last would read two things.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is there twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _number(text: str) -> float | int:
    """Read 5.0 as the integer that it is in JSON."""
    number = float(text)
    return int(number) if abs(number) < _EXACT and number.is_integer() else number


def _storable(value: Any, path: tuple[str, ...]) -> None:
    """Refuse what Postgres can't keep, by the name of its field."""
    if len(path) > MAX_DEPTH:
        raise Malformed(f"the body is nested deeper than {MAX_DEPTH} levels")
    match value:
        case str() if not is_text(value):
            raise BadInput(
                f"{named(path)}: a text can't hold a NUL or half of a surrogate pair", code="text_unstorable"
            )
        case float() if not math.isfinite(value):
            raise BadInput(f"{named(path)}: a number must be finite", code="number_unstorable")
        case int() if abs(value) > MAX_INTEGER:
            raise BadInput(f"{named(path)}: an integer must fit into 64 bits", code="number_unstorable")
        case dict():
            for key, item in value.items():
                _storable(key, path)
                _storable(item, (*path, key))
        case list():
            for index, item in enumerate(value):
                _storable(item, (*path, str(index)))
        case _:
            return


def named(path: tuple[int | str, ...]) -> str:
    """Return the dotted name of a field, cut to a length that can be shown."""
    return ".".join(str(part) for part in path)[:_SHOWN] or "body"


def parsed(model: type[ModelT], body: dict[str, Any]) -> ModelT:
    """Return the body as a model. What is written as text is no number, and the other way round.

    Raises:
        BadInput: a field is missing, unknown or wrong; the message names the first.
    """
    try:
        return model.model_validate_json(json.dumps(body), strict=True)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False, include_context=False)[0]
        raise BadInput(f"{named(first['loc'])}: {first['msg']}", code="invalid_input") from exc
