"""What the SDK's clients send. They send more than is used here, so what is not named is let through and ignored."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.json_schema import SkipJsonSchema

from server.sdk.frames import MODES

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


class ThreadCreate(Body):
    """A thread to be; its id is the client's choice."""

    thread_id: ThreadId | None = None
    metadata: Notes | None = None
    if_exists: Literal["raise", "do_nothing"] | None = None
    config: Notes | None = None


class ThreadPatch(Body):
    """Metadata to merge into a thread's."""

    metadata: Notes | None = None


class ThreadCount(Body):
    """Which threads are meant: those with such metadata and state."""

    metadata: Notes | None = None
    values: SkipJsonSchema[Notes | None] = None
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
    before: Notes | Name | None = None
    metadata: Notes | None = None
    checkpoint: Notes | None = None


class StateAt(Body):
    """One checkpoint."""

    checkpoint: Notes
    subgraphs: bool = False


class StateUpdate(Body):
    """Values to write into a state."""

    values: Any = None
    as_node: str | None = None
    checkpoint: Notes | None = None
    checkpoint_id: Name | None = None


class Command(Body):
    """What LangGraph calls a command: an answer to an interrupt, or something a governed graph does not take."""

    resume: Any = None
    update: Any = None
    goto: Any = None


class RunCreate(Body):
    """A run: an input to begin with, an answer to go on with, or a checkpoint to fork from."""

    assistant_id: Name
    input: Any = None
    command: Command | None = None
    config: Notes | None = None
    context: Notes | None = None
    metadata: Notes | None = None
    stream_mode: Mode | Annotated[tuple[Mode, ...], Field(max_length=len(MODES))] | None = None
    stream_subgraphs: bool | None = None
    stream_resumable: bool | None = None
    checkpoint: Notes | None = None
    checkpoint_id: Name | None = None
    checkpoint_during: bool | None = None
    durability: str | None = None
    multitask_strategy: Literal["reject", "interrupt", "rollback", "enqueue"] | None = None
    if_not_exists: Literal["create", "reject"] | None = None
    on_disconnect: Literal["cancel", "continue"] | None = None
    on_completion: Literal["delete", "keep"] | None = None
    interrupt_before: Literal["*"] | tuple[str, ...] | None = None
    interrupt_after: Literal["*"] | tuple[str, ...] | None = None
    webhook: str | None = None
    after_seconds: float | None = None

    @property
    def modes(self) -> tuple[Mode, ...]:
        """What is to be streamed."""
        match self.stream_mode:
            case None:
                return ("values",)
            case str():
                return (self.stream_mode,)
            case _:
                return self.stream_mode or ("values",)

    @property
    def at_checkpoint(self) -> str | None:
        """The checkpoint that is forked from, if one is."""
        return self.checkpoint_id or (self.checkpoint or {}).get("checkpoint_id")


class AssistantSearch(Body):
    """Which assistants are meant."""

    metadata: Notes | None = None
    graph_id: str | None = None
    name: str | None = None
    limit: Limit = 10
    offset: Offset = 0


class AssistantPatch(Body):
    """What is to be changed about an assistant."""

    name: Annotated[str, StringConstraints(max_length=200)] | None = None
    description: Annotated[str, StringConstraints(max_length=2_000)] | None = None
    config: Notes | None = None
    context: Notes | None = None
    metadata: Notes | None = None

    @property
    def told(self) -> Notes:
        """What was given."""
        named = ("name", "description", "config", "context", "metadata")
        return {key: getattr(self, key) for key in named if getattr(self, key) is not None}


class AssistantCreate(AssistantPatch):
    """An assistant to be, of a developer's own graph."""

    graph_id: Name
    assistant_id: ThreadId | None = None
    if_exists: Literal["raise", "do_nothing"] | None = None


class CancelMany(Body):
    """Which runs are to be stopped."""

    status: Literal["pending", "running", "all"] | None = None
    thread_id: Name | None = None
    run_ids: Annotated[tuple[Name, ...], Field(max_length=100)] | None = None


class ItemPut(Body):
    """An item of the store; ``ttl`` is in minutes."""

    namespace: Annotated[Namespace, Field(min_length=1)]
    key: Key
    value: Notes
    ttl: Annotated[float, Field(gt=0, le=5_256_000)] | None = None


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
    AssistantPatch,
    ThreadCreate,
    ThreadPatch,
    ThreadCount,
    ThreadSearch,
    HistoryAsked,
    StateAt,
    StateUpdate,
    RunCreate,
    ItemPut,
    ItemNamed,
    ItemSearch,
    NamespaceSearch,
    ThreadCommand,
    EventsAsked,
)
