"""Reading a request's body safely: bounded in size and depth, storable, and only then parsed."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from adapters.root.records import storable
from contracts.errors import BadInput, Malformed, TooLarge

MAX_BODY = 1_048_576
ModelT = TypeVar("ModelT", bound=BaseModel)


async def read_body(request: Request) -> dict[str, Any]:
    """Return the body, a JSON object; an empty body is an empty object.

    Raises:
        TooLarge: it is over 1 MiB.
        Malformed: it is not a JSON object, is nested too deep, or holds what can't be stored.
    """
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > MAX_BODY:
        raise TooLarge(f"the body is over {MAX_BODY} bytes")
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY:
                raise TooLarge(f"the body is over {MAX_BODY} bytes")
    except ClientDisconnect as exc:
        raise Malformed("the body was cut short") from exc
    if not body.strip():
        return {}
    try:
        value = storable(json.loads(body, parse_constant=_no_constant))
    except (ValueError, RecursionError) as exc:
        raise Malformed("the body is not JSON that can be stored") from exc
    if not isinstance(value, dict):
        raise Malformed("the body is not a JSON object")
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def parsed(model: type[ModelT], body: dict[str, Any]) -> ModelT:
    """Return the body as a model.

    Raises:
        BadInput: a field is missing, unknown or wrong; the message names the first.
    """
    try:
        return model.model_validate(body)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:120] or "body"
        raise BadInput(f"{where}: {first['msg']}", code="invalid_input") from exc
