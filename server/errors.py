"""Errors as clients see them: problem details with a stable code and a trace id, and nothing internal.

This is the only place that knows which HTTP status an error has.
"""

from __future__ import annotations

import json
import logging
from http import HTTPStatus
from uuid import uuid4

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from contracts.errors import (
    BadInput,
    ColonyError,
    Conflict,
    Denied,
    Forbidden,
    Malformed,
    NotBuilt,
    NotFound,
    PreconditionStale,
    TooLarge,
    Unauthenticated,
    Unavailable,
)

PRECONDITION_REQUIRED = "precondition_required"

_BY_CODE = {PRECONDITION_REQUIRED: HTTPStatus.PRECONDITION_REQUIRED}

# The first that matches counts, so a subclass stands before its base.
_BY_TYPE: tuple[tuple[type[ColonyError], HTTPStatus], ...] = (
    (Malformed, HTTPStatus.BAD_REQUEST),
    (TooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (BadInput, HTTPStatus.UNPROCESSABLE_ENTITY),
    (Unauthenticated, HTTPStatus.UNAUTHORIZED),
    (Forbidden, HTTPStatus.FORBIDDEN),
    (NotFound, HTTPStatus.NOT_FOUND),
    (PreconditionStale, HTTPStatus.PRECONDITION_FAILED),
    (Conflict, HTTPStatus.CONFLICT),
    (Denied, HTTPStatus.FORBIDDEN),
    (Unavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (NotBuilt, HTTPStatus.NOT_IMPLEMENTED),
)

_log = logging.getLogger(__name__)


def install(app: FastAPI) -> None:
    """Make every error of the app a problem."""
    app.add_exception_handler(ColonyError, _colony_error)
    app.add_exception_handler(RequestValidationError, _bad_parameter)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)


def problem(status: HTTPStatus, code: str, detail: str, hint: str = "") -> Response:
    """Return problem details (RFC 9457)."""
    trace_id = uuid4().hex
    body = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "code": code,
        "detail": detail,
        "trace_id": trace_id,
    }
    headers = {"X-Trace-Id": trace_id}
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = "1"
    content = json.dumps(body | ({"hint": hint} if hint else {}))
    return Response(content, status.value, headers, media_type="application/problem+json")


def _status_of(error: ColonyError) -> HTTPStatus:
    by_type = (status for kind, status in _BY_TYPE if isinstance(error, kind))
    return _BY_CODE.get(error.code) or next(by_type, HTTPStatus.INTERNAL_SERVER_ERROR)


def _colony_error(_request: Request, exc: Exception) -> Response:
    if not isinstance(exc, ColonyError):
        raise exc
    return problem(_status_of(exc), exc.code, exc.message, exc.hint)


def _bad_parameter(_request: Request, exc: Exception) -> Response:
    if not isinstance(exc, RequestValidationError):
        raise exc
    first = exc.errors()[0]
    detail = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, BadInput.code, detail)


def _http_error(_request: Request, exc: Exception) -> Response:
    if not isinstance(exc, HTTPException):
        raise exc
    status = HTTPStatus(exc.status_code)
    answer = problem(status, status.name.lower(), status.description or status.phrase)
    answer.headers.update(exc.headers or {})
    return answer


def _unexpected(_request: Request, exc: Exception) -> Response:
    answer = problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        ColonyError.code,
        "something inside went wrong; the log has the details under this trace id",
    )
    _log.error("a request failed unexpectedly, trace %s", answer.headers["X-Trace-Id"], exc_info=exc)
    return answer
