"""The trace a request belongs to: the caller's, when it sends one, else a new one; the same for the whole request."""

from __future__ import annotations

import re
import secrets

from fastapi import Request

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")


def trace_id_of(request: Request) -> str:
    """Return the W3C trace id of a request, 32 hex digits."""
    known = getattr(request.state, "trace_id", None)
    if isinstance(known, str):
        return known
    found = _TRACEPARENT.fullmatch(request.headers.get("traceparent", ""))
    request.state.trace_id = found.group(1) if found else secrets.token_hex(16)
    return str(request.state.trace_id)
