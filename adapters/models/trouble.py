"""What went wrong at a provider, told alike for all: whether to ask again, when, and whether it cost anything."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_REFUSED_KEY = frozenset({401, 403})
# A 429 that no waiting mends: the account is out of money.
_SPENT = frozenset({"insufficient_quota", "billing_hard_limit_reached"})


@dataclass(frozen=True)
class Trouble:
    """Why there is no answer.

    Attributes:
        code: stable, for the record.
        reason: safe to show: nothing that the provider said is in it.
        again: whether asking again may help.
        wait_s: how long the provider wants us to wait first, if it said so.
        billed: whether tokens may have been used.
    """

    code: str
    reason: str
    again: bool = True
    wait_s: float | None = None
    billed: bool = False


UNREACHABLE = Trouble("model_unreachable", "the provider can't be reached")
CUT_OFF = Trouble("model_stream_truncated", "the answer broke off before its end", billed=True)


def trouble_of(error: Exception, *, began: bool) -> Trouble:
    """Tell what an error of a provider's client means; ``began`` says whether a part of the answer had come."""
    status = getattr(error, "status_code", None)
    if isinstance(status, int) and status >= 300:
        return _status(status, error)
    names = {kind.__name__ for kind in type(error).__mro__}
    if began:
        return CUT_OFF
    if "APIConnectionError" in names:
        # A connection that was made and then lost has carried the prompt.
        return UNREACHABLE if _never_connected(error) else CUT_OFF
    if "HTTPError" in names or "APIError" in names:
        return Trouble("model_unavailable", "the provider broke off before it answered", billed=True)
    return Trouble("model_answer_unreadable", "the provider's answer is not what its API promises", billed=True)


def _never_connected(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if type(cause).__name__ in {"ConnectError", "ConnectTimeout"}:
            return True
        cause = cause.__cause__
    return False


def _status(status: int, error: Exception) -> Trouble:
    if status == 429 and _said_code(error) in _SPENT:
        return Trouble("model_quota_spent", "the provider answered 429: the account's quota is used up", again=False)
    reason = f"the provider answered {status}"
    if status == 429:
        return Trouble("model_rate_limited", reason, wait_s=retry_after(error))
    if status in _REFUSED_KEY:
        return Trouble("model_key_refused", reason, again=False)
    if status in _AGAIN or status >= 500:
        return Trouble("model_unavailable", reason, wait_s=retry_after(error))
    return Trouble("model_request_refused", reason, again=False)


def _said_code(error: Exception) -> str | None:
    body: Any = getattr(error, "body", None)
    inner = body.get("error", body) if isinstance(body, dict) else None
    code = inner.get("code") or inner.get("type") if isinstance(inner, dict) else None
    return code if isinstance(code, str) else None


def retry_after(error: Exception) -> float | None:
    """Return the seconds that a Retry-After header asks for, given as seconds or as a date."""
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = str(headers.get(name, "")).strip()
        try:
            seconds = float(value) * unit
        except ValueError:
            continue
        return max(0.0, seconds) if math.isfinite(seconds) else None
    try:
        moment = parsedate_to_datetime(str(headers.get("retry-after", "")))
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
