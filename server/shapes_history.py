"""The shapes of a mission's past."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

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


class Keyed(Shape):
    """A task, claim or proposal that is gone, new or changed, with the values that differ."""

    task_key: str | None = None
    claim: str | None = None
    proposal: str | None = None
    change: Literal["gone", "new", "changed"]
    values: list[Change]


class Decided(Shape):
    """A question that was decided otherwise, or that only one of the two was asked."""

    layer: str
    action: str
    resource: str
    change: Literal["flipped", "asked", "not asked"]
    from_: str | None = Field(alias="from")
    to: str | None
    rules: list[str]
    reasons: list[str]


class Because(Shape):
    """Why a task came to another result."""

    task_key: str
    because: list[str]


class Changes(Shape):
    """What a counterfactual changed, and why."""

    plan: list[Keyed]
    claims: list[Keyed]
    proposals: list[Keyed]
    decisions: list[Decided]
    why: list[Because]


class ReplayReport(Shape):
    """What a replay came to, and what differs first; an original that was stopped is compared as far as it came."""

    mission_id: str
    of: str
    mode: Literal["recorded", "live"]
    identical: bool
    artifacts: int
    artifacts_identical: int
    calls: int
    under_other_rules: int
    stopped: bool
    by_stage: dict[str, dict[str, int]]
    roles: dict[str, int]
    overrides: list[str]
    changes: Changes | None
    status: dict[str, str]
    failure: dict[str, Any] | None
    first_divergence: Divergence | None
    first_call: Divergence | None


class Checkpoint(Shape):
    """One checkpoint: the stage that it was written after, what comes next, and the channels that it changed."""

    checkpoint_id: str
    parent_id: str | None
    step: int
    stage: str
    next: list[str]
    created_at: str
    changed: list[str]


class Checkpoints(Shape):
    """A mission's checkpoints, newest first."""

    items: list[Checkpoint]
    next_cursor: str | None


class State(Checkpoint):
    """A checkpoint with the state at it."""

    state: dict[str, Any]


class Place(Shape):
    """A checkpoint of a mission."""

    mission_id: str
    checkpoint_id: str


class Named(Shape):
    """An artifact by its name and hash."""

    artifact_id: str
    sha256: str


class Change(Shape):
    """One value that differs."""

    path: str
    from_: Any = Field(alias="from")
    to: Any


class ArtifactChange(Shape):
    """An artifact that differs, or that only one of the two states refers to."""

    kind: str
    task_key: str | None
    source: str | None
    from_: Named | None = Field(alias="from")
    to: Named | None
    changes: list[Change]


class ChannelChange(Shape):
    """A channel's two values."""

    from_: Any = Field(alias="from")
    to: Any


class Difference(Shape):
    """What two checkpoints differ in."""

    from_: Place = Field(alias="from")
    to: Place
    channels: dict[str, ChannelChange]
    artifacts: list[ArtifactChange]


class Node(Shape):
    """A mission in the tree of what comes of one."""

    mission_id: str
    kind: str | None
    checkpoint_id: str | None
    status: str
    stage: str
    created_at: str
    children: list[Node]
