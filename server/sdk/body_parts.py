"""What bodies of the SDK's clients are made of: names, pages, and how a checkpoint or a config is told."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Mode = Literal["values", "updates", "messages", "messages-tuple", "custom", "tasks", "checkpoints", "debug", "events"]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")]
ThreadId = Annotated[
    str, StringConstraints(pattern=r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$")
]
ThreadStatus = Literal["idle", "busy", "interrupted", "error"]
Notes = dict[str, Any]
Limit = Annotated[int, Field(ge=1, le=1_000)]
Offset = Annotated[int, Field(ge=0, le=1_000_000)]
Label = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00.]+$")]
Key = Annotated[str, StringConstraints(min_length=1, max_length=400, pattern=r"^[^\x00]+$")]
Namespace = Annotated[tuple[Label, ...], Field(max_length=10)]


class Body(BaseModel):
    """A body of the SDK's."""

    model_config = ConfigDict(extra="ignore", frozen=True, json_schema_extra={"additionalProperties": True})


class CheckpointRef(Body):
    """The name of a checkpoint; of a thread's own graph, or of one below it."""

    thread_id: Name | None = None
    checkpoint_ns: Annotated[str, StringConstraints(max_length=1_000, pattern=r"^[^\x00]*$")] | None = None
    checkpoint_id: Name | None = None


class ConfigRef(Body):
    """The name of a checkpoint, as a graph's config has it."""

    configurable: CheckpointRef


class RunConfig(Body):
    """How a graph is invoked."""

    tags: Annotated[tuple[str, ...], Field(max_length=100)] | None = None
    recursion_limit: Annotated[int, Field(ge=1, le=100_000)] | None = None
    max_concurrency: Annotated[int, Field(ge=1, le=1_000)] | None = None
    metadata: Notes | None = None
    configurable: Notes | None = None


Minutes = Annotated[float, Field(gt=0, le=5_256_000)]


class TimeToLive(Body):
    """For how many minutes after its last change something is kept."""

    ttl: Minutes
    strategy: Literal["delete"] = "delete"
