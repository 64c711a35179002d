"""What is sealed in the database, column by column, and what names the row that a value belongs to.

Everything else stays readable: ids, names, times, statuses, counts, who acted, and SHA-256 hashes of what is sealed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Copy:
    """A JSON column that says again what a content column says: sealed, only ``kept`` of it remains."""

    of: str
    kept: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sealed:
    """One table.

    Attributes:
        key: the columns that name a row; what is sealed is bound to their values.
        content: columns of bytes.
        values: columns of JSON, each sealed as a whole.
        parts: columns of JSON in which the named members are sealed one by one, each with the members it keeps open.
        texts: columns of text.
        copies: columns of JSON that repeat a content column.
        prunable: whether ``colony db prune`` empties content: what is empty is not there.
    """

    key: tuple[str, ...]
    content: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    parts: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    texts: tuple[str, ...] = ()
    copies: Mapping[str, Copy] = field(default_factory=dict)
    prunable: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that holds something sealed or its copy."""
        return (*self.content, *self.values, *self.parts, *self.texts, *self.copies)


_PAYLOAD = {"payload": Copy("content")}
_ARTIFACT = Sealed(("mission_id", "revision", "artifact_id", "task_key"), ("content",), copies=_PAYLOAD)
_NAMES = ("mission_id", "proposal_id", "payload_sha256")

TABLES: Mapping[str, Sealed] = {
    "colony_missions": Sealed(
        ("mission_id",),
        values=("step_update",),
        parts={"payload": {"request": (), "envelope": (), "failure": ("code",), "rehearsal": ()}},
    ),
    "colony_events": Sealed(("mission_id", "seq"), ("content",), copies=_PAYLOAD),
    "colony_plans": _ARTIFACT,
    "colony_tasks": _ARTIFACT,
    "colony_prompt_packages": _ARTIFACT,
    "colony_librarian_passes": _ARTIFACT,
    "colony_research_artifacts": _ARTIFACT,
    # A result is carried over to the plan's next revision as it is.
    "colony_worker_results": Sealed(("mission_id", "artifact_id", "task_key"), ("content",), copies=_PAYLOAD),
    "colony_aggregation_packets": _ARTIFACT,
    "colony_review_packets": _ARTIFACT,
    "colony_policy_decisions": _ARTIFACT,
    "colony_approvals": Sealed(
        ("mission_id", "interrupt_id"),
        ("content", "decision_content"),
        copies={"payload": Copy("content"), "decision": Copy("decision_content", ("verdict",))},
    ),
    "colony_approval_answers": Sealed(("mission_id", "interrupt_id", "number"), ("content",), copies=_PAYLOAD),
    "colony_approval_grants": Sealed(_NAMES, ("content",), copies=_PAYLOAD),
    "colony_writebacks": Sealed(_NAMES, values=("payload", "outcome")),
    "colony_model_calls": Sealed(("mission_id", "call_id"), ("request", "response"), prunable=True),
    "colony_tool_calls": Sealed(("mission_id", "call_id"), ("response",), ("arguments",), prunable=True),
    "colony_pheromone_signals": Sealed(("mission_id", "signal_id"), values=("payload",)),
    # Once a tenant, whichever missions asked or were answered it.
    "colony_recorded": Sealed(("sha256",), ("content",)),
    "colony_replay_reports": Sealed(("mission_id",), values=("payload",)),
    "colony_deltas": Sealed(("mission_id", "task_key", "call_id"), texts=("text",)),
}
