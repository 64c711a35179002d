"""Colony's graph for LangGraph's own server: that keeps the checkpoints, all else is as ever.

Its server begins a run by asking the graph for a stream. Here that claims the mission and runs it as a worker would:
one lease, one epoch, the same ports and gates, the same record.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import RunControl
from langgraph.types import Command

from contracts.errors import BadInput, ColonyError, Conflict, Unavailable
from contracts.ports import LedgerPort, Mission
from contracts.state import MissionState
from graph.context import RunContext
from graph.runner import Runner, Session, SessionPort
from graph.schemas import Schema, mission_request, mission_state
from graph.topology import Compiled, compiled

_RESERVED = "__"
_NOTHING_WRITTEN = "__no_writes__"
_IS_OURS = frozenset({"context", "control", "durability"})


@dataclass(frozen=True)
class Begun:
    """What LangGraph's server asked for: an input or a command, where, and how its stream is to be."""

    thread_id: str
    input: Any
    command: dict[str, Any] | None
    checkpoint_id: str | None
    saver: BaseCheckpointSaver[str]
    config: RunnableConfig
    asked: Mapping[str, Any]


class Host(Protocol):
    """Runs missions for such a server."""

    def stream(self, begun: Begun) -> AsyncIterator[Any]:
        """Begin or go on with the thread's mission and give the parts of its stream.

        Raises:
            ColonyError: it can't be begun, or did not come to its end or to a question.
        """
        ...


class StudioGraph(CompiledStateGraph[MissionState, RunContext, MissionState, MissionState]):
    """The one graph, whose every run goes through a host."""

    def __init__(self, *, host: Host, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.host = host

    @classmethod
    def on(cls, host: Host) -> StudioGraph:
        """Return Colony's graph with a host."""
        return cls(host=host, **vars(compiled()))

    def get_input_jsonschema(self, config: RunnableConfig | None = None) -> Schema:  # noqa: ARG002
        """Return the schema of a submission, which is what a thread begins with."""
        return mission_request(None)

    def get_output_jsonschema(self, config: RunnableConfig | None = None) -> Schema:  # noqa: ARG002
        """Return the schema of the state."""
        return mission_state()

    def get_context_jsonschema(self) -> None:
        """Return nothing: what a run carries along is not for its caller to give."""

    async def aupdate_state(self, *args: Any, **kwargs: Any) -> RunnableConfig:  # noqa: ARG002
        """Refuse: the state of a mission is written by its own steps only.

        Raises:
            Conflict: always.
        """
        raise Conflict(
            "the state of a mission is written by its own steps only",
            code="state_update_refused",
            hint="Answer with a resume; to change the past, fork the mission over Colony's own API.",
        )

    async def astream(self, input: Any, config: RunnableConfig | None = None, **asked: Any) -> AsyncIterator[Any]:  # noqa: A002
        """Run the thread's mission; see ``Host.stream``."""
        stream = self.host.stream(_begun(self, input, config or {}, asked))
        try:
            async for part in stream:
                yield part
        finally:
            await stream.aclose()  # type: ignore[attr-defined]


def _begun(graph: StudioGraph, given: Any, config: RunnableConfig, asked: Mapping[str, Any]) -> Begun:
    named = config.get("configurable", {})
    if not isinstance(graph.checkpointer, BaseCheckpointSaver) or "thread_id" not in named:
        raise BadInput("a mission needs a thread", code="thread_missing", hint="Create one, and run in it.")
    command = None
    if isinstance(given, Command):
        command = {"resume": given.resume, "update": given.update or None, "goto": given.goto or None}
    return Begun(
        thread_id=str(named["thread_id"]),
        input=None if command else given,
        command=command,
        checkpoint_id=named.get("checkpoint_id"),
        saver=graph.checkpointer,
        config=cast(
            "RunnableConfig", {**config, "configurable": {k: v for k, v in named.items() if k != "checkpoint_id"}}
        ),
        asked={name: value for name, value in asked.items() if name not in _IS_OURS},
    )


class Stepwise(BaseCheckpointSaver[str]):
    """Somebody's checkpointer, which is given no node's writes before the checkpoint that they are in.

    Where a run stops between the two, a thread with such writes has nothing next. Here a step is one node, and what it
    gave is stored with its artifacts; so it is of Colony's own checkpointer.
    """

    def __init__(self, saver: BaseCheckpointSaver[str]) -> None:
        super().__init__(serde=saver.serde)
        self._saver = saver

    def get_next_version(self, current: str | None, channel: None) -> str:
        """Return the version that follows a channel's."""
        return self._saver.get_next_version(current, channel)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return a checkpoint, or the newest."""
        return await self._saver.aget_tuple(config)

    def alist(self, config: RunnableConfig | None, **asked: Any) -> AsyncIterator[CheckpointTuple]:
        """Give a thread's checkpoints, newest first."""
        return self._saver.alist(config, **asked)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Keep a checkpoint."""
        return await self._saver.aput(config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Keep what the graph itself notes: an interrupt, an error."""
        if any(channel.startswith(_RESERVED) and channel != _NOTHING_WRITTEN for channel, _ in writes):
            await self._saver.aput_writes(config, writes, task_id, task_path)


@dataclass(frozen=True)
class _Lent:
    """A session with another checkpointer."""

    mission: Mission
    ledger: LedgerPort
    saver: BaseCheckpointSaver[str]


@dataclass(frozen=True)
class LentSaver:
    """Satisfies ``SessionPort``: sessions whose checkpoints somebody else keeps."""

    sessions: SessionPort
    saver: BaseCheckpointSaver[str]

    @asynccontextmanager
    async def open(self, mission_id: str, tenant_id: str, *, alone: bool = False) -> AsyncIterator[Session | None]:
        """Claim a mission for the block, or give None."""
        async with self.sessions.open(mission_id, tenant_id, alone=alone) as session:
            yield None if session is None else _Lent(session.mission, session.ledger, Stepwise(self.saver))


class HeardRunner(Runner):
    """Runs one mission once, and tells what its graph's stream says."""

    def __init__(
        self, like: Runner, sessions: SessionPort, begun: Begun, say: Callable[[Any], Awaitable[None]]
    ) -> None:
        super().__init__(LentSaver(sessions, begun.saver), like._keeper, like._make_ports, like._governance)
        self._begun = begun
        self._say = say
        self._error: ColonyError | None = Conflict(
            "the mission can't be run here", code="not_runnable", hint=_ELSEWHERE
        )

    async def run_once(self, tenant_id: str) -> None:
        """Run the mission until it ends, waits, or stops for another reason.

        Raises:
            ColonyError: it neither came to its end nor to a question; what of it is recorded says why.
        """
        await self.run(self._begun.thread_id, tenant_id, alone=True)
        if self._error is not None:
            raise self._error

    async def _invoke(self, session: Session, control: RunControl) -> None:
        self._error = Unavailable("the run stopped before its end", code="run_stopped", hint=_GOES_ON)
        try:
            await super()._invoke(session, control)
        except ColonyError as exc:
            self._error = exc
            raise
        if not session.ledger.released:  # it stopped where the caller wanted it to
            async with session.ledger.unit() as unit:
                await unit.release_lease()

    async def _through(
        self, graph: Compiled, entry: Any, config: RunnableConfig, ctx: RunContext, control: RunControl
    ) -> bool:
        asked: dict[str, Any] = {**self._begun.asked, "context": ctx, "durability": "sync", "control": control}
        limit = cast("RunnableConfig", {**self._begun.config, "recursion_limit": config["recursion_limit"]})
        async for part in graph.astream(entry, limit, **asked):
            await self._say(part)
        self._error = None
        return bool((await graph.aget_state(config)).interrupts)


_ELSEWHERE = "It is halted, is run by somebody else, or waits for another person's answer: see `colony missions show`."
_GOES_ON = "`colony missions show` says why; a run without input goes on from the last step, or tries again."
