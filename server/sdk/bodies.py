"""What the SDK's clients send. They send more than is used here, so what is not named is let through and ignored."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints
from pydantic.json_schema import SkipJsonSchema

from server.sdk.body_parts import (
    Body,
    CheckpointRef,
    ConfigRef,
    Key,
    Limit,
    Minutes,
    Name,
    Namespace,
    Notes,
    Offset,
    RunConfig,
    ThreadId,
    ThreadStatus,
    TimeToLive,
)
from server.sdk.run_bodies import CancelMany, RunCreate


class ThreadCreate(Body):
    """A thread to be; its id is the client's choice."""

    thread_id: ThreadId | None = None
    metadata: Notes | None = None
    if_exists: Literal["raise", "do_nothing"] | None = None
    config: Notes | None = None
    ttl: Minutes | TimeToLive | None = None

    @property
    def ttl_min(self) -> float | None:
        """For how many minutes after its last change it is kept, if not for good."""
        return self.ttl.ttl if isinstance(self.ttl, TimeToLive) else self.ttl


class ThreadPatch(Body):
    """Metadata to merge into a thread's."""

    metadata: Notes | None = None
    ttl: Minutes | TimeToLive | None = None

    @property
    def ttl_min(self) -> float | None:
        """For how many minutes after its last change it is kept, if that is told."""
        return self.ttl.ttl if isinstance(self.ttl, TimeToLive) else self.ttl


class ThreadPrune(Body):
    """Which threads are to be forgotten."""

    thread_ids: Annotated[tuple[Name, ...], Field(max_length=100)]
    strategy: Literal["delete"] = "delete"


class ThreadCount(Body):
    """Which threads are meant: those with such metadata and state."""

    metadata: Notes | None = None
    values: Notes | None = None
    status: ThreadStatus | None = None
    ids: Annotated[tuple[Name, ...], Field(max_length=1_000)] | None = None


class ThreadSearch(ThreadCount):
    """Which threads are meant, in what order, and which of their fields."""

    limit: Limit = 10
    offset: Offset = 0
    sort_by: Literal["thread_id", "status", "created_at", "updated_at"] | None = None
    sort_order: Literal["asc", "desc"] | None = None
    select: Annotated[tuple[str, ...], Field(max_length=20)] | None = None


class HistoryAsked(Body):
    """Which checkpoints are meant."""

    limit: Limit = 10
    before: Name | ConfigRef | CheckpointRef | None = None
    metadata: Notes | None = None
    checkpoint: CheckpointRef | None = None

    @property
    def earlier_than(self) -> str | None:
        """The checkpoint before which they are."""
        match self.before:
            case ConfigRef():
                return self.before.configurable.checkpoint_id
            case CheckpointRef():
                return self.before.checkpoint_id
            case _:
                return self.before


class StateAt(Body):
    """One checkpoint."""

    checkpoint: CheckpointRef
    subgraphs: bool = False


class StateUpdate(Body):
    """Values to write into a state."""

    values: Any = None
    as_node: str | None = None
    checkpoint: CheckpointRef | None = None
    checkpoint_id: Name | None = None

    @property
    def at(self) -> CheckpointRef:
        """The checkpoint that is written into."""
        return self.checkpoint or CheckpointRef(checkpoint_id=self.checkpoint_id)


class AssistantSearch(Body):
    """Which assistants are meant."""

    metadata: Notes | None = None
    graph_id: str | None = None
    name: str | None = None
    limit: Limit = 10
    offset: Offset = 0
    sort_by: Literal["assistant_id", "graph_id", "name", "created_at", "updated_at"] | None = None
    sort_order: Literal["asc", "desc"] | None = None
    select: Annotated[tuple[str, ...], Field(max_length=20)] | None = None


class AssistantPatch(Body):
    """What is to be changed about an assistant."""

    name: Annotated[str, StringConstraints(max_length=200)] | None = None
    description: Annotated[str, StringConstraints(max_length=2_000)] | None = None
    config: RunConfig | None = None
    context: Notes | None = None
    metadata: Notes | None = None

    @property
    def told(self) -> Notes:
        """What was given."""
        named = {"name", "description", "config", "context", "metadata"}
        return self.model_dump(mode="json", include=named, exclude_none=True)


class AssistantChange(AssistantPatch):
    """What is to be changed about an assistant; it may be of another graph from now on."""

    graph_id: Name | None = None


class VersionsAsked(Body):
    """Which versions of an assistant are meant."""

    metadata: Notes | None = None
    limit: Limit = 10
    offset: Offset = 0


class VersionNamed(Body):
    """A version of an assistant."""

    version: Annotated[int, Field(ge=1, le=2**31 - 1)]


class AssistantCreate(AssistantPatch):
    """An assistant to be, of a developer's own graph."""

    graph_id: Name
    assistant_id: ThreadId | None = None
    if_exists: Literal["raise", "do_nothing"] | None = None


class ItemPut(Body):
    """An item of the store; ``ttl`` is in minutes."""

    namespace: Annotated[Namespace, Field(min_length=1)]
    key: Key
    value: Notes
    ttl: Minutes | None = None


class ItemNamed(Body):
    """The name of an item."""

    namespace: Namespace = ()
    key: Key


class ItemSearch(Body):
    """Which items are meant."""

    namespace_prefix: Namespace | None = None
    filter: Notes | None = None
    limit: Limit = 10
    offset: Offset = 0
    query: SkipJsonSchema[str | None] = None


class NamespaceSearch(Body):
    """Which namespaces are meant."""

    prefix: Namespace | None = None
    suffix: Namespace | None = None
    max_depth: Annotated[int, Field(ge=1, le=10)] | None = None
    limit: Limit = 100
    offset: Offset = 0


class ThreadCommand(Body):
    """A command of the protocol's third version."""

    id: Annotated[int, Field(ge=0)] | None = None
    method: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    params: Notes | None = None


class EventsAsked(Body):
    """Which events of a thread are streamed, after which one."""

    channels: Annotated[
        tuple[Annotated[str, StringConstraints(max_length=200)], ...], Field(min_length=1, max_length=50)
    ]
    namespaces: Annotated[tuple[tuple[str, ...], ...], Field(max_length=100)] | None = None
    depth: Annotated[int, Field(ge=0, le=1_000)] | None = None
    since: Annotated[int, Field(ge=0, le=2**53)] | None = None


BODIES: tuple[type[BaseModel], ...] = (
    AssistantSearch,
    AssistantCreate,
    AssistantChange,
    VersionsAsked,
    VersionNamed,
    ThreadCreate,
    ThreadPatch,
    ThreadPrune,
    ThreadCount,
    ThreadSearch,
    HistoryAsked,
    StateAt,
    StateUpdate,
    RunCreate,
    CancelMany,
    ItemPut,
    ItemNamed,
    ItemSearch,
    NamespaceSearch,
    ThreadCommand,
    EventsAsked,
)
