"""The shapes of the answers that the SDK's clients get."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, RootModel

from server.sdk.body_parts import ThreadStatus

Notes = dict[str, Any]
RunStatus = Literal["pending", "running", "error", "success", "timeout", "interrupted"]


class Sent(BaseModel):
    """An answer of the SDK's."""

    model_config = ConfigDict(extra="allow")


class Health(Sent):
    """That the process is up."""

    ok: bool


class Info(Sent):
    """What this server is and can do."""

    version: str
    flags: dict[str, bool]


class Assistant(Sent):
    """A mission class, or a graph of a developer's."""

    assistant_id: str
    graph_id: str
    name: str
    description: str | None
    config: Notes
    context: Notes
    metadata: Notes
    version: int
    created_at: str
    updated_at: str


class AssistantList(RootModel[list[Notes]]):
    """Assistants, or the fields of them that were asked for."""


class AssistantVersions(RootModel[list[Notes]]):
    """Versions of an assistant, newest first."""


class Pruned(Sent):
    """How many threads were forgotten."""

    pruned_count: int


class Graph(Sent):
    """A graph's nodes and edges."""

    nodes: list[Notes]
    edges: list[Notes]


class Schemas(Sent):
    """JSON schemas of an assistant."""

    graph_id: str
    input_schema: Notes | None
    output_schema: Notes | None
    state_schema: Notes | None
    config_schema: Notes | None
    context_schema: Notes | None


class AnyObject(RootModel[dict[str, Any]]):
    """An object."""


class Thread(Sent):
    """A thread with its state."""

    thread_id: str
    created_at: str
    updated_at: str
    state_updated_at: str
    metadata: Notes
    status: ThreadStatus
    config: Notes
    values: Any
    interrupts: dict[str, list[Notes]]
    error: Notes | None


class ThreadList(RootModel[list[Notes]]):
    """Threads, or the fields of them that were asked for."""


class Count(RootModel[int]):
    """How many there are."""


class Checkpoint(Sent):
    """The name of a checkpoint."""

    thread_id: str | None
    checkpoint_ns: str
    checkpoint_id: str | None


class ThreadState(Sent):
    """A thread's state at a checkpoint."""

    values: Any
    next: list[str]
    tasks: list[Notes]
    metadata: Notes
    created_at: str | None
    checkpoint: Checkpoint
    parent_checkpoint: Checkpoint | None
    interrupts: list[Notes]


class ThreadStates(RootModel[list[ThreadState]]):
    """A thread's states, newest first."""


class Updated(Sent):
    """The checkpoint that an update led to."""

    checkpoint: Checkpoint


class Run(Sent):
    """A run."""

    run_id: str
    thread_id: str
    assistant_id: str
    created_at: str
    updated_at: str
    status: RunStatus
    metadata: Notes
    multitask_strategy: str | None


class RunList(RootModel[list[Run]]):
    """Runs, newest first."""


class Item(Sent):
    """An item of the store."""

    namespace: list[str]
    key: str
    value: Notes
    created_at: str
    updated_at: str


class Items(Sent):
    """Items of the store."""

    items: list[Item]


class Namespaces(Sent):
    """Namespaces of the store."""

    namespaces: list[list[str]]


class CommandAnswer(Sent):
    """The answer to a command."""

    type: Literal["success", "error"]
    id: int | None
