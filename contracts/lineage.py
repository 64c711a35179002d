"""Missions that come of others: replays, which have no effects, and forks, which need approvals of their own."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field, JsonValue

from contracts.base import ActorId, MissionId, Value
from contracts.canonical import digest
from contracts.mission import ModelTier


class Kinship(StrEnum):
    """How a mission comes of another."""

    REPLAY = "replay"
    FORK = "fork"


EDITABLE = ("plan", "packages", "evidence", "results", "packet")
"""The channels that a fork or a replay may have otherwise; what gates and people said is not among them."""
NAMED: dict[str, JsonValue] = {"propertyNames": {"enum": list(EDITABLE)}}


class Overrides(Value):
    """What a replay has otherwise than its original.

    Attributes:
        rules: rule files by name (``release.cedar``) that stand in the place of the deployment's, or beside them.
        templates: prompt templates by id, each with the fields that are otherwise (``system``, ``instructions``).
        route: the tier that is preferred for every task.
        artifacts: edited artifacts by channel, as a fork takes them.
    """

    rules: dict[str, str] = Field(default_factory=dict, max_length=20)
    templates: dict[str, dict[Literal["system", "instructions"], str]] = Field(default_factory=dict, max_length=50)
    route: ModelTier | None = None
    artifacts: dict[str, Any] = Field(default_factory=dict, max_length=10, json_schema_extra=NAMED)

    @property
    def any(self) -> bool:
        """Whether anything is otherwise."""
        return bool(self.rules or self.templates or self.route or self.artifacts)


class Rehearsal(Value):
    """A replay: which mission is run again, from where, with what in its place.

    Attributes:
        of: the mission whose tape is played.
        checkpoint_id: where it begins; at the start if None.
        mode: ``recorded`` plays the tape, ``live`` asks models, tools and the root again. Effects are off in both.
        on_missing: what happens to a request that the tape has no answer to: it is reported, which ends the replay, or
            asked live.
        asked_by: who asked for it; the mission itself is its original's actor's.
    """

    of: MissionId
    checkpoint_id: str | None = None
    mode: Literal["recorded", "live"] = "recorded"
    on_missing: Literal["report", "live"] = "report"
    overrides: Overrides = Overrides()
    asked_by: ActorId


@dataclass(frozen=True)
class Lineage:
    """What a mission comes of: which one, from which checkpoint, how and why; and of a replay what it replays."""

    kind: Kinship
    parent_mission_id: str
    parent_checkpoint_id: str | None = None
    reason: str = ""
    asked_by: str = ""
    rehearsal: Rehearsal | None = None

    def told(self) -> dict[str, Any]:
        """Return what the mission's first event says of it."""
        told: dict[str, Any] = {
            "kind": self.kind.value,
            "parent_mission_id": self.parent_mission_id,
            "parent_checkpoint_id": self.parent_checkpoint_id,
            "asked_by": self.asked_by,
            "reason": self.reason,
        }
        if self.rehearsal is not None:
            said = self.rehearsal.model_dump(mode="json")
            told |= {"mode": self.rehearsal.mode, "on_missing": self.rehearsal.on_missing}
            told["overrides_sha256"] = digest(said["overrides"]) if self.rehearsal.overrides.any else None
        return told
