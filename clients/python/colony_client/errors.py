"""What can go wrong: the service's own problems, and a service that does not answer."""

from __future__ import annotations

import httpx


class ColonyError(Exception):
    """A problem that the service told.

    Attributes:
        status: the HTTP status.
        code: stable, to decide by.
        detail: what happened, for people.
        hint: what to do about it, if the service says.
        trace_id: what to look for in the service's log.
        retry_after_s: how long to wait, where the service says so.
    """

    def __init__(self, response: httpx.Response) -> None:
        try:
            problem = response.json()
        except ValueError:
            problem = {}
        told = problem if isinstance(problem, dict) else {}
        self.status = response.status_code
        self.code = str(told.get("code", "not_colony"))
        self.detail = str(told.get("detail", f"HTTP {response.status_code} without a problem"))
        self.hint = str(told.get("hint", ""))
        self.trace_id = str(told.get("trace_id", ""))
        after = response.headers.get("retry-after", "")
        self.retry_after_s = float(after) if after.isdecimal() else None
        super().__init__(" ".join(part for part in (f"{self.code}: {self.detail}", self.hint) if part))


class NotReachable(Exception):
    """Nothing answers at the service's address, or not in time."""


def told(response: httpx.Response) -> httpx.Response:
    """Return an answer that is none of the service's problems.

    Raises:
        ColonyError: it is one.
    """
    if response.is_success:
        return response
    raise ColonyError(response)
