"""The one stateflow table: what every stage and every status may do next.

The graph's topology, timeouts and retries, the legal moves of the status column, the generated picture in the docs and
the console are all read from here. There is no second copy.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """Where a mission stands."""

    RECEIVED = "received"
    RUNNING = "running"
    AWAITING_APPROVAL = "awaiting_approval"
    COMPLETED = "completed"
    BLOCKED = "blocked"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    FAILED = "failed"


class Stage(StrEnum):
    """The role at work; each is one node of the graph."""

    ADMISSION = "admission"
    PLANNER = "planner"
    PROMPT_MASTER = "prompt_master"
    LIBRARIAN = "librarian"
    RESEARCHER = "researcher"
    WORKERS = "workers"
    AGGREGATOR = "aggregator"
    REVIEWER = "reviewer"
    RELEASE_GATE = "release_gate"
    WRITEBACK = "writeback"
    FINALIZE = "finalize"
    BLOCKED = "blocked"
    FAILED = "failed"


class Layer(StrEnum):
    """The four layers of policy."""

    ADMISSION = "admission"
    SCOPE = "scope"
    ROUTING = "routing"
    RELEASE = "release"


_S = Status

STATUS_MOVES: dict[Status, frozenset[Status]] = {
    _S.RECEIVED: frozenset({_S.RUNNING, _S.CANCELLED, _S.FAILED}),
    _S.RUNNING: frozenset(
        {_S.AWAITING_APPROVAL, _S.COMPLETED, _S.BLOCKED, _S.REJECTED, _S.CANCELLED, _S.EXPIRED, _S.FAILED}
    ),
    _S.AWAITING_APPROVAL: frozenset({_S.RUNNING, _S.CANCELLED, _S.EXPIRED, _S.FAILED}),
    _S.COMPLETED: frozenset(),
    _S.BLOCKED: frozenset(),
    _S.REJECTED: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.EXPIRED: frozenset({_S.RUNNING}),
    _S.FAILED: frozenset({_S.RUNNING}),
}
"""Every legal move of a mission's status. ``expired`` and ``failed`` go on only by an operator's retry."""

RUNNABLE = frozenset({_S.RECEIVED, _S.RUNNING})
ENDED = frozenset({_S.COMPLETED, _S.BLOCKED, _S.REJECTED, _S.CANCELLED, _S.EXPIRED, _S.FAILED})


@dataclass(frozen=True)
class Flow:
    """One row of the table.

    Attributes:
        entry: what holds when the stage begins, in words.
        next: the stages it may lead to; empty means the mission's end.
        emits: the event types the stage records.
        timeout_ms: wall-clock limit for one attempt.
        attempts: how often the node is tried when something outside did not answer; a decision is never retried.
        fallback: where an exhausted failure goes; none for the stages that end a mission.
        asks: the policy layer the graph asks when the stage has ended.
    """

    entry: str
    next: tuple[Stage, ...]
    emits: tuple[str, ...] = ()
    timeout_ms: int = 60_000
    attempts: int = 1
    fallback: Stage | None = Stage.FAILED
    asks: Layer | None = None


_G = Stage

STATEFLOW: dict[Stage, Flow] = {
    _G.ADMISSION: Flow(
        "a submitted request",
        (_G.PLANNER, _G.BLOCKED),
        ("gate.admission",),
        asks=Layer.ADMISSION,
    ),
    _G.PLANNER: Flow(
        "an admitted envelope", (_G.PROMPT_MASTER, _G.BLOCKED), ("plan.created", "gate.scope"), asks=Layer.SCOPE
    ),
    _G.PROMPT_MASTER: Flow(
        "a plan within the limits",
        (_G.LIBRARIAN, _G.BLOCKED),
        ("prompt.packaged", "gate.routing"),
        asks=Layer.ROUTING,
    ),
    _G.LIBRARIAN: Flow(
        "a prompt package for every task", (_G.RESEARCHER, _G.BLOCKED), ("pass.issued", "gate.scope"), asks=Layer.SCOPE
    ),
    _G.RESEARCHER: Flow(
        "a pass for every task",
        (_G.WORKERS,),
        ("pass.renewed", "tool.called", "tool.denied", "evidence.gathered"),
        timeout_ms=120_000,
        attempts=3,
    ),
    _G.WORKERS: Flow(
        "stored evidence",
        (_G.AGGREGATOR,),
        (
            "dataplane.dispatched",
            "pass.renewed",
            "task.started",
            "task.completed",
            "task.failed",
            "model.called",
            "model.fallback",
            "artifact.delivered",
        ),
        timeout_ms=600_000,
    ),
    _G.AGGREGATOR: Flow("a result for every task", (_G.REVIEWER,), ("aggregation.completed",)),
    _G.REVIEWER: Flow(
        "an aggregation packet",
        (_G.RELEASE_GATE, _G.RESEARCHER, _G.BLOCKED),
        ("review.completed", "review.revised"),
    ),
    _G.RELEASE_GATE: Flow(
        "a released packet",
        (_G.WRITEBACK, _G.FINALIZE, _G.BLOCKED),
        (
            "gate.release",
            "proposal.withheld",
            "approval.requested",
            "approval.given",
            "approval.decided",
            "replay.answered",
        ),
        asks=Layer.RELEASE,
    ),
    _G.WRITEBACK: Flow(
        "an accepted answer to every proposal",
        (_G.FINALIZE,),
        (
            "writeback.intended",
            "writeback.applied",
            "writeback.conflicted",
            "writeback.failed",
            "writeback.unknown",
            "replay.simulated",
        ),
        timeout_ms=120_000,
    ),
    _G.FINALIZE: Flow(
        "nothing left to do",
        (),
        ("mission.completed", "mission.rejected"),
        fallback=None,
    ),
    _G.BLOCKED: Flow("a policy or the review said no", (), ("mission.blocked",), fallback=None),
    _G.FAILED: Flow("an exhausted failure", (), ("mission.failed",), fallback=None),
}


def may_move(was: Status, to: Status) -> bool:
    """Tell whether the status may change from one to the other."""
    return to in STATUS_MOVES[was]
