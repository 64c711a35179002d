"""One run of a developer's own graph: what it is invoked with, what it says, and where it stands after it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from langchain_core.messages import AIMessageChunk, BaseMessage, BaseMessageChunk
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.store.base import BaseStore
from langgraph.stream.transformers import (
    CheckpointsTransformer,
    CustomTransformer,
    TasksTransformer,
    UpdatesTransformer,
)
from langgraph.types import Command, Send, StateSnapshot

from graph.extra import Graph
from graph.plain import plain
from graph.snapshots import Shown, config_of, interrupt_of

Said = tuple[str, tuple[str, ...], Any]
"""What a graph said: the kind of frame, the namespace, the data."""
_MODES: Any = ["values", "updates", "messages", "custom", "tasks", "checkpoints", "debug"]
_MOST_STEPS = 100


@dataclass(frozen=True)
class Asked:
    """What a run was asked for; ``events`` when over the protocol's third version."""

    thread_id: str
    run_id: str
    given: Mapping[str, Any]
    events: bool

    @property
    def config(self) -> RunnableConfig:
        """The config that the graph is invoked with."""
        told: dict[str, Any] = dict(self.given.get("config") or {})
        named = dict(told.pop("configurable", {}) or {}) | {"thread_id": self.thread_id, "run_id": self.run_id}
        checkpoint = self.given.get("checkpoint") or {}
        if at := self.given.get("checkpoint_id") or checkpoint.get("checkpoint_id"):
            named |= {"checkpoint_id": at, "checkpoint_ns": checkpoint.get("checkpoint_ns") or ""}
        about = {**(told.pop("metadata", None) or {}), "run_id": self.run_id, "graph_id": self.given["graph_id"]}
        kept = {key: told[key] for key in ("tags", "recursion_limit", "max_concurrency") if key in told}
        whole: Any = {"recursion_limit": _MOST_STEPS, **kept, "metadata": about, "configurable": named}
        return cast("RunnableConfig", whole)

    @property
    def entry(self) -> Any:
        """The input, or the command."""
        command = self.given.get("command")
        if not command:
            return self.given.get("input")
        goto = command.get("goto") or ()
        hops = goto if isinstance(goto, list) else [goto] if goto else []
        to = [Send(one["node"], one.get("input")) if isinstance(one, Mapping) else one for one in hops]
        return Command(resume=command.get("resume"), update=command.get("update"), goto=to)

    @property
    def stops(self) -> dict[str, Any]:
        """Before and after which nodes the graph stops."""
        named = {name: self.given.get(name) for name in ("interrupt_before", "interrupt_after")}
        return {name: nodes for name, nodes in named.items() if nodes}


def bound(graph: Graph, saver: BaseCheckpointSaver[Any] | None, store: BaseStore) -> Graph:
    """Return the graph over a checkpointer and a store of this deployment's."""
    return graph.copy(update={"checkpointer": saver, "store": store})


async def stands(graph: Graph, thread_id: str) -> StateSnapshot:
    """Return where a thread stands."""
    return await graph.aget_state(config_of(thread_id))


async def said(graph: Graph, asked: Asked, *, again: bool) -> AsyncIterator[Said]:
    """Run, and give what is said; ``again`` when a process died within the run, which goes on from its last step."""
    entry = asked.entry
    if again:
        before = (await stands(graph, asked.thread_id)).metadata or {}
        entry = None if before.get("run_id") == asked.run_id else entry
    speak = _events(graph, asked, entry) if asked.events else _modes(graph, asked, entry)
    async for one in speak:
        yield one


async def _modes(graph: Graph, asked: Asked, entry: Any) -> AsyncIterator[Said]:
    heard: dict[str, BaseMessage] = {}
    context = asked.given.get("context")
    async for namespace, mode, data in graph.astream(
        entry, asked.config, stream_mode=_MODES, subgraphs=True, context=context, durability="sync", **asked.stops
    ):
        if mode != "messages":
            yield mode, tuple(namespace), plain(data)
            continue
        for method, told in _message(heard, *data):
            yield method, tuple(namespace), told


def _message(heard: dict[str, BaseMessage], message: BaseMessage, about: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return a piece of a message as both kinds of message streams tell it."""
    name = str(message.id)
    parts: list[tuple[str, Any]] = [("messages-tuple", plain([message, dict(about)]))]
    known = heard.get(name)
    if known is None:
        parts.append(("messages/metadata", {name: {"metadata": plain(dict(about))}}))
    if isinstance(message, BaseMessageChunk):
        whole = known + message if isinstance(known, AIMessageChunk) else message
        heard[name] = whole
        parts.append(("messages/partial", [plain(whole)]))
    else:
        heard[name] = message
        parts.append(("messages/complete", [plain(message)]))
    return parts


async def _events(graph: Graph, asked: Asked, entry: Any) -> AsyncIterator[Said]:
    wanted = (CustomTransformer, UpdatesTransformer, CheckpointsTransformer, TasksTransformer)
    own = tuple(graph.stream_transformers or ())
    stream = await graph.astream_events(
        entry,
        asked.config,
        version="v3",
        transformers=[one for one in wanted if one not in own],
        context=asked.given.get("context"),
        durability="sync",
        **asked.stops,
    )
    async for event in stream:
        about = event["params"]
        method = "said" if event["method"] == "messages" else event["method"]
        data = about["data"]
        if method == "said" and isinstance(data, tuple):
            data = data[0]
        within = about["namespace"]
        if method == "lifecycle" and isinstance(data, Mapping):  # told at the root of what is below it
            within = data.get("namespace", within)
        yield method, tuple(within), plain(data)


def outcome(snapshot: StateSnapshot) -> tuple[str, list[Shown]]:
    """Return how a run ended that raised nothing, and what it asks."""
    asked = [interrupt_of(one) for one in snapshot.interrupts]
    return ("interrupted" if snapshot.next else "success"), asked
