"""One run of a developer's own graph: what it is invoked with, what it says, and where it stands after it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast, get_type_hints

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
from graph.extra_again import STEP, Again, Said
from graph.plain import plain
from graph.snapshots import Shown, config_of, interrupt_of

_SAME: Mapping[str, str] = {"messages-tuple": "messages"}
_MODES = ("values", "updates", "messages", "messages-tuple", "custom", "tasks", "checkpoints", "debug")
_MOST_STEPS = 100
_NAMES = ("graph_id", "assistant_id")


@dataclass(frozen=True)
class Asked:
    """What a run was asked for; ``events`` when over the protocol's third version."""

    thread_id: str
    run_id: str
    given: Mapping[str, Any]
    events: bool

    @property
    def config(self) -> RunnableConfig:
        """The config that the graph is invoked with: the client's, and what names the run."""
        told: dict[str, Any] = dict(self.given.get("config") or {})
        names = {"run_id": self.run_id, **{name: self.given[name] for name in _NAMES}}
        named: dict[str, Any] = {**(self.given.get("context") or {}), **self.own, **names, "thread_id": self.thread_id}
        checkpoint = self.given.get("checkpoint") or {}
        if at := self.given.get("checkpoint_id") or checkpoint.get("checkpoint_id"):
            named |= {"checkpoint_id": at, "checkpoint_ns": checkpoint.get("checkpoint_ns") or ""}
        about = {**(told.get("metadata") or {}), **(self.given.get("metadata") or {}), **names}
        kept = {key: told[key] for key in ("tags", "recursion_limit", "max_concurrency") if key in told}
        whole: Any = {"recursion_limit": _MOST_STEPS, **kept, "metadata": about, "configurable": named}
        return cast("RunnableConfig", whole)

    @property
    def own(self) -> Shown:
        """What the client configured; what the graph's own machinery configures is not a client's to say."""
        named = (self.given.get("config") or {}).get("configurable") or {}
        return {key: value for key, value in named.items() if not key.startswith("__")}

    def context(self, graph: Graph) -> Shown | None:
        """Return the context: the client's, or what of its configuration the graph's context has a place for."""
        told: Shown | None = self.given.get("context")
        if told is not None or graph.context_schema is None:
            return told
        places = get_type_hints(graph.context_schema)
        return {key: value for key, value in self.own.items() if key in places} or None

    @property
    def entry(self) -> Any:
        """The input, or the command."""
        command = self.given.get("command")
        if not command:
            return self.given.get("input")
        goto = command.get("goto") or ()
        hops = goto if isinstance(goto, list) else [goto] if goto else []
        to = [Send(one["node"], one.get("input")) if isinstance(one, Mapping) else one for one in hops]
        update = command.get("update")
        if isinstance(update, list):  # pairs, which JSON has no tuples for
            update = [tuple(one) for one in update]
        return Command(resume=command.get("resume"), update=update, goto=to)

    @property
    def going_on(self) -> Asked:
        """The same run from its last checkpoint on: what it was given is in there, and so is where it began."""
        begun = {"input": None, "command": None, "checkpoint": None, "checkpoint_id": None}
        return replace(self, given={**self.given, **begun})

    @property
    def modes(self) -> frozenset[str]:
        """Which kinds of frames the run tells of."""
        return frozenset({"values", *(self.given.get("modes") or _MODES)})  # values are what a run comes to

    @property
    def subgraphs(self) -> bool:
        """Whether the run tells of what is below the graph, too."""
        return bool(self.given.get("subgraphs", True))

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


async def said(graph: Graph, asked: Asked, again: Again | None = None) -> AsyncIterator[Said]:
    """Run, and give what is said; ``again`` when a process died within the run, which goes on from its last step."""
    if again is not None and ((await stands(graph, asked.thread_id)).metadata or {}).get("run_id") == asked.run_id:
        asked = asked.going_on
    async for one in _events(graph, asked) if asked.events else _modes(graph, asked):
        for new in again.new(one) if again is not None else (one,):
            yield new


async def _modes(graph: Graph, asked: Asked) -> AsyncIterator[Said]:
    heard: dict[str, BaseMessage] = {}
    streamed: Any = sorted({_SAME.get(mode, mode) for mode in asked.modes & set(_MODES)} | {"checkpoints"})
    async for *namespace, mode, data in graph.astream(  # the first is left out where nothing below is told of
        asked.entry,
        asked.config,
        stream_mode=streamed,
        subgraphs=asked.subgraphs,
        context=asked.context(graph),
        durability="sync",
        **asked.stops,
    ):
        within = tuple(*namespace)
        if mode == "checkpoints":
            yield STEP, within, {"id": data["config"]["configurable"]["checkpoint_id"]}
        if mode == "messages":
            for method, told in _message(heard, asked.modes, *data):
                yield method, within, told
        elif mode in asked.modes:
            yield mode, within, plain(data)


def _message(
    heard: dict[str, BaseMessage], modes: frozenset[str], message: BaseMessage, about: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    """Give a piece of a message as the kinds of message streams tell it that were asked for."""
    if "messages-tuple" in modes:
        yield "messages-tuple", plain([message, dict(about)])
    if "messages" not in modes:
        return
    name = str(message.id)
    known = heard.get(name)
    if known is None:
        yield "messages/metadata", {name: {"metadata": plain(dict(about))}}
    if isinstance(message, BaseMessageChunk):
        heard[name] = known + message if isinstance(known, AIMessageChunk) else message
        yield "messages/partial", [plain(heard[name])]
    else:
        heard[name] = message
        yield "messages/complete", [plain(message)]


async def _events(graph: Graph, asked: Asked) -> AsyncIterator[Said]:
    wanted = (CustomTransformer, UpdatesTransformer, CheckpointsTransformer, TasksTransformer)
    own = tuple(graph.stream_transformers or ())
    stream = await graph.astream_events(
        asked.entry,
        asked.config,
        version="v3",
        transformers=[one for one in wanted if one not in own],
        context=asked.context(graph),
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
        if method == "checkpoints" and (at := _checkpoint_id(data)) is not None:
            yield STEP, tuple(within), {"id": at}
        yield method, tuple(within), plain(data)


def _checkpoint_id(data: Any) -> str | None:
    told = data.get("config", {}).get("configurable", {}).get("checkpoint_id") if isinstance(data, Mapping) else None
    return told or (data.get("id") if isinstance(data, Mapping) else None)


def outcome(snapshot: StateSnapshot) -> tuple[str, list[Shown]]:
    """Return how a run ended that raised nothing, and what it asks."""
    asked = [interrupt_of(one) for one in snapshot.interrupts]
    return ("interrupted" if snapshot.next else "success"), asked
