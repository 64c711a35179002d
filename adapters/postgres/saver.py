"""LangGraph's checkpointer, one commit a step, everything of it sealed where payloads are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_serializable_checkpoint_metadata,
)
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from psycopg import AsyncCursor
from psycopg.rows import DictRow

from adapters.postgres.audit.rows import fits
from adapters.postgres.guard import store_errors
from adapters.postgres.sealed_checkpoints import CheckpointSealer, TenantSerializer
from adapters.postgres.steady import SteadyConnection
from contracts.errors import FenceLost, IntegrityBroken, StoreUnavailable

_RESERVED = "__"
_NOTHING_WRITTEN = "__no_writes__"
_WHICH = ("thread_id", "checkpoint_ns", "checkpoint_id")
_CHANNELS = "channels"


def _changed(table: str, row: str, where: str) -> str:
    """Return the SQL of which of a checkpoint's rows in a table are not what was written."""
    return (
        f"(select string_agg('{table} ' || {row}.channel, ', ') from {table} {row} "  # noqa: S608 - constants below
        f"where {row}.thread_id = checkpoints.thread_id and {row}.checkpoint_ns = checkpoints.checkpoint_ns "
        f"and {where} and not {fits(table, row)})"
    )


_CHANGED = ", ".join(
    (
        f"case when not {fits('checkpoints', 'checkpoints')} then 'checkpoints ' || checkpoint_id end",
        _changed("checkpoint_blobs", "b", "b.version = checkpoints.checkpoint -> 'channel_versions' ->> b.channel"),
        _changed("checkpoint_writes", "w", "w.checkpoint_id = checkpoints.checkpoint_id"),
    )
)


class StepSaver(AsyncPostgresSaver):
    """Stores a step once, with its checkpoint, and not before that as the pending writes of its one node.

    Pending writes spare a node that ended while another of its step had not. Here a step is one node, and what it gave
    is stored with its artifacts (``step_update``). What the graph itself notes (an interrupt, an error) is stored.

    A checkpoint is written once. Its rows carry their hash, and it lists its channels: what was changed, put in or
    taken out since is found where the mission would go on from it.
    """

    SELECT_SQL = AsyncPostgresSaver.SELECT_SQL.replace(
        "\nfrom checkpoints ", f",\n    concat_ws(', ', {_CHANGED}) as changed\nfrom checkpoints "
    )
    UPSERT_CHECKPOINTS_SQL = AsyncPostgresSaver.UPSERT_CHECKPOINTS_SQL.partition("DO UPDATE")[0] + "DO NOTHING"

    def __init__(self, conn: SteadyConnection, *, serde: TenantSerializer) -> None:
        super().__init__(conn, serde=serde)
        self._sealer = CheckpointSealer(serde)
        self._stopped: FenceLost | StoreUnavailable | None = None

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint and the channels that it changed.

        Raises:
            FenceLost: as it stopped the run, whose graph would end here with nothing next.
            StoreUnavailable: likewise; the store may be back by now.
        """
        if self._stopped is not None:
            raise self._stopped
        if self._sealer.active:
            names = config["configurable"]
            whole = get_serializable_checkpoint_metadata(config, metadata)
            metadata = self._sealer.metadata(names, checkpoint["id"], whole)
            checkpoint = self._sealer.checkpoint(names, checkpoint)
            # What else a config holds would be noted in the metadata, readable.
            config = {"configurable": {name: names[name] for name in _WHICH if name in names}}
        else:
            listed: Any = {**metadata, _CHANNELS: sorted(checkpoint["channel_values"])}
            metadata = listed
        return await super().aput(config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Store writes to the graph's own channels; a node's to the state's come with the checkpoint.

        An error that only stops this run is none of the mission's, which goes on elsewhere from its last checkpoint.
        """
        self._stopped = next((v for _, v in writes if isinstance(v, FenceLost | StoreUnavailable)), self._stopped)
        if self._stopped is not None:
            return
        if any(channel.startswith(_RESERVED) and channel != _NOTHING_WRITTEN for channel, _ in writes):
            await super().aput_writes(config, writes, task_id, task_path)

    def _dump_blobs(self, *given: Any) -> list[tuple[str, str, str, str, str, bytes | None]]:
        return self._sealer.blobs(super()._dump_blobs(*given))

    def _dump_writes(self, *given: Any) -> list[tuple[str, str, str, str, str, int, str, str, bytes]]:
        return self._sealer.writes(super()._dump_writes(*given))

    async def _load_checkpoint_tuple(self, value: DictRow) -> CheckpointTuple:
        """Read a checkpoint.

        Raises:
            IntegrityBroken: it is not what was written.
            KeyMissing: it is encrypted under a key that this process does not have.
        """
        opened = self._sealer.opened(value)
        if value["changed"]:
            raise IntegrityBroken(f"a checkpoint of the mission was changed: {value['changed']}", hint=_LOOK)
        found = await super()._load_checkpoint_tuple(opened)
        metadata: Any = dict(found.metadata)
        listed = metadata.pop(_CHANNELS, None)
        if listed is not None and listed != sorted(found.checkpoint["channel_values"]):
            raise IntegrityBroken("a checkpoint of the mission was changed: a channel's value is gone", hint=_LOOK)
        return found._replace(metadata=metadata)

    @asynccontextmanager
    async def _cursor(self, *, pipeline: bool = False) -> AsyncIterator[AsyncCursor[DictRow]]:
        """Translate what the driver says: a run that stops because the store is away gives its lease back."""
        with store_errors():
            async with super()._cursor(pipeline=pipeline) as cursor:
                yield cursor


_LOOK = "Run `colony audit check`, which names the row."
