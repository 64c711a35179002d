"""Errors as clients see them: problem details with a stable code and a trace id, and nothing internal.

This is the only place that knows which HTTP status an error has.
"""

from __future__ import annotations

import json
import math
from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from contracts.errors import (
    BadInput,
    ColonyError,
    Conflict,
    ConstitutionUnverified,
    Denied,
    Forbidden,
    Malformed,
    NotBuilt,
    NotFound,
    NotJson,
    PreconditionStale,
    TooLarge,
    TooMany,
    Unauthenticated,
    Unavailable,
)
from server.body import BODY_TOO_SLOW, named
from server.tracing import trace_id_of

PROBLEM = "application/problem+json"
PRECONDITION_REQUIRED = "precondition_required"

_BY_CODE = {PRECONDITION_REQUIRED: HTTPStatus.PRECONDITION_REQUIRED}

# The first that matches counts, so a subclass stands before its base.
_BY_TYPE: tuple[tuple[type[ColonyError], HTTPStatus], ...] = (
    (Malformed, HTTPStatus.BAD_REQUEST),
    (TooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (NotJson, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    (BadInput, HTTPStatus.UNPROCESSABLE_ENTITY),
    (Unauthenticated, HTTPStatus.UNAUTHORIZED),
    (Forbidden, HTTPStatus.FORBIDDEN),
    (TooMany, HTTPStatus.TOO_MANY_REQUESTS),
    (NotFound, HTTPStatus.NOT_FOUND),
    (PreconditionStale, HTTPStatus.PRECONDITION_FAILED),
    (Conflict, HTTPStatus.CONFLICT),
    (Denied, HTTPStatus.FORBIDDEN),
    (Unavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (ConstitutionUnverified, HTTPStatus.SERVICE_UNAVAILABLE),
    (NotBuilt, HTTPStatus.NOT_IMPLEMENTED),
)
_HEADERS = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": "Bearer"},
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": "1"},
}

_METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")

_log = structlog.get_logger(__name__)


def install(app: FastAPI) -> None:
    """Make every error of the app a problem."""
    app.add_exception_handler(ColonyError, colony_error)
    app.add_exception_handler(RequestValidationError, _bad_parameter)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)


def status_for(kind: type[ColonyError]) -> HTTPStatus:
    """Return the status that errors of a kind have."""
    by_type = (status for base, status in _BY_TYPE if issubclass(kind, base))
    return next(by_type, HTTPStatus.INTERNAL_SERVER_ERROR)


def problem(request: Request, status: HTTPStatus, code: str, detail: str, hint: str = "") -> Response:
    """Return problem details (RFC 9457)."""
    trace_id = trace_id_of(request)
    body = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "code": code,
        "detail": detail,
        "trace_id": trace_id,
    }
    content = json.dumps(body | ({"hint": hint} if hint else {}))
    headers = {"X-Trace-Id": trace_id, **_HEADERS.get(status, {})}
    return Response(content, status.value, headers, media_type=PROBLEM)


def colony_error(request: Request, exc: Exception) -> Response:
    """Return the problem that an error of Colony's is."""
    if not isinstance(exc, ColonyError):
        raise exc
    status = _BY_CODE.get(exc.code) or status_for(type(exc))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.warning("a request failed", code=exc.code, path=request.url.path, trace_id=trace_id_of(request))
    answer = problem(request, status, exc.code, exc.message, exc.hint)
    if isinstance(exc, TooMany):
        answer.headers["Retry-After"] = str(max(1, math.ceil(exc.retry_after_s)))
    if exc.code == BODY_TOO_SLOW:
        # Else the rest of the body would be waited for, and the connection kept, for whoever sends none.
        answer.headers["Connection"] = "close"
    return answer


def _bad_parameter(request: Request, exc: Exception) -> Response:
    if not isinstance(exc, RequestValidationError):
        raise exc
    first = exc.errors()[0]
    return problem(
        request, HTTPStatus.UNPROCESSABLE_ENTITY, BadInput.code, f"{named(tuple(first['loc']))}: {first['msg']}"
    )


def _http_error(request: Request, exc: Exception) -> Response:
    if not isinstance(exc, HTTPException):
        raise exc
    status = HTTPStatus(exc.status_code)
    answer = problem(request, status, status.name.lower(), status.description or status.phrase)
    answer.headers.update(exc.headers or {})
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        answer.headers["Allow"] = ", ".join(_allowed(request))
    return answer


def _allowed(request: Request) -> list[str]:
    """Return the methods that any route with this path takes; the framework names the first route's only."""
    scopes = ({**request.scope, "method": method} for method in _METHODS)
    routes = request.app.router.routes
    return [scope["method"] for scope in scopes if any(route.matches(scope)[0] is Match.FULL for route in routes)]


def _unexpected(request: Request, exc: Exception) -> Response:
    _log.error(
        "a request failed unexpectedly", path=request.url.path, trace_id=trace_id_of(request), error=type(exc).__name__
    )
    return problem(
        request,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        ColonyError.code,
        "something inside went wrong; the log has the details under this trace id",
    )
