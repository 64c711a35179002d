"""What the SDK's clients send of runs: to begin one, to stop some, to begin one by a schedule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from server.sdk.body_parts import Body, CheckpointRef, Limit, Mode, Name, Notes, Offset, RunConfig
from server.sdk.frames import MODES


class Command(Body):
    """What LangGraph calls a command: an answer to an interrupt, or something a governed graph does not take."""

    resume: Any = None
    update: Any = None
    goto: Any = None


@dataclass(frozen=True)
class Tells:
    """What a run tells of while it runs: stream modes, or everything; and whether of the graphs below, too."""

    modes: tuple[str, ...] = ()
    subgraphs: bool = True


EVERYTHING = Tells()
RESULT = Tells(("values",), subgraphs=False)


class RunCreate(Body):
    """A run: an input to begin with, an answer to go on with, or a checkpoint to fork from."""

    assistant_id: Name
    input: Any = None
    command: Command | None = None
    config: RunConfig | None = None
    context: Notes | None = None
    metadata: Notes | None = None
    stream_mode: Mode | Annotated[tuple[Mode, ...], Field(max_length=len(MODES))] | None = None
    stream_subgraphs: bool | None = None
    stream_resumable: bool | None = None
    checkpoint: CheckpointRef | None = None
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
    after_seconds: Annotated[float, Field(ge=0, le=31_536_000)] | None = None

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
    def tells(self) -> Tells:
        """What a stream of the run tells of."""
        return Tells(self.modes, bool(self.stream_subgraphs))

    @property
    def at_checkpoint(self) -> str | None:
        """The checkpoint that is forked from, if one is."""
        return self.checkpoint_id or (self.checkpoint.checkpoint_id if self.checkpoint else None)


class CancelMany(Body):
    """Which runs are to be stopped."""

    status: Literal["pending", "running", "all"] | None = None
    thread_id: Name | None = None
    run_ids: Annotated[tuple[Name, ...], Field(max_length=100)] | None = None


Schedule = Annotated[str, StringConstraints(min_length=9, max_length=200, pattern=r"^[\x20-\x7e]+$")]
Zone = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_+/-]+$")]


class CronCreate(RunCreate):
    """A run to be begun whenever a schedule comes round."""

    schedule: Schedule
    timezone: Zone | None = None
    end_time: AwareDatetime | None = None
    enabled: bool | None = None
    on_run_completed: Literal["delete", "keep"] | None = None


class CronPatch(Body):
    """What is to be changed about a schedule."""

    schedule: Schedule | None = None
    timezone: Zone | None = None
    end_time: AwareDatetime | None = None
    enabled: bool | None = None
    on_run_completed: Literal["delete", "keep"] | None = None
    input: Any = None
    metadata: Notes | None = None
    config: RunConfig | None = None
    context: Notes | None = None
    interrupt_before: Literal["*"] | tuple[str, ...] | None = None
    interrupt_after: Literal["*"] | tuple[str, ...] | None = None

    @property
    def run(self) -> Notes:
        """What is given of the run."""
        named = {"input", "config", "context", "interrupt_before", "interrupt_after"}
        return self.model_dump(mode="json", include=named, exclude_none=True)


class CronSearch(Body):
    """Which schedules are meant."""

    assistant_id: Name | None = None
    thread_id: Name | None = None
    enabled: bool | None = None
    metadata: Notes | None = None
    limit: Limit = 10
    offset: Offset = 0


def asked_of(body: RunCreate, kept: Notes) -> Notes:
    """Return what a run was asked for, over what its assistant has for every run."""
    told = body.model_dump(mode="json", exclude_none=True, include=_INVOKED)
    base, config = kept.get("config") or {}, told.get("config") or {}
    named = {**(base.get("configurable") or {}), **(config.get("configurable") or {})}
    context = {**(kept.get("context") or {}), **(told.get("context") or {})}
    whole = {**base, **config, "configurable": named}
    return {**told, "config": whole, **({"context": context} if context else {})}


_INVOKED = {
    "input",
    "command",
    "config",
    "context",
    "checkpoint",
    "checkpoint_id",
    "interrupt_before",
    "interrupt_after",
    "multitask_strategy",
}
