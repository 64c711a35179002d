"""The shapes of a mission's past."""

from __future__ import annotations

from typing import Any, Literal

from server.shape import Shape


class Divergence(Shape):
    """Where a replay first asked or made something else; ``diff`` is of the requests, a value a line."""

    stage: str
    revision: int
    task_key: str | None
    channel: str
    call: str
    expected: dict[str, Any] | None
    found: dict[str, Any] | None
    diff: list[str] | None = None


class ReplayReport(Shape):
    """What a replay came to: the first thing that differs, and the first request that does."""

    mission_id: str
    of: str
    mode: Literal["recorded", "live"]
    identical: bool
    artifacts: int
    artifacts_identical: int
    calls: int
    by_stage: dict[str, dict[str, int]]
    roles: dict[str, int]
    status: dict[str, str]
    failure: dict[str, Any] | None
    first_divergence: Divergence | None
    first_call: Divergence | None
