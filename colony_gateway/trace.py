"""The trace a call belongs to: the caller's when it sent one, else a new one."""

from __future__ import annotations

import re
import secrets

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")


def traced(traceparent: str | None) -> tuple[str, str]:
    """Return the ``traceparent`` (W3C) to send, and the trace id in it."""
    found = _TRACEPARENT.fullmatch(traceparent or "")
    if found is not None and traceparent is not None:
        return traceparent, found.group(1)
    trace_id = secrets.token_hex(16)
    return f"00-{trace_id}-{secrets.token_hex(8)}-01", trace_id
