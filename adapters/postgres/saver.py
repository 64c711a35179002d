"""LangGraph's checkpointer, one commit a step."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from psycopg import AsyncCursor
from psycopg.rows import DictRow

from adapters.postgres.guard import store_errors

_RESERVED = "__"
_NOTHING_WRITTEN = "__no_writes__"


class StepSaver(AsyncPostgresSaver):
    """Stores a step once, with its checkpoint, and not before that as the pending writes of its one node.

    Pending writes spare a node that ended while another of its step had not. Here a step is one node, and what it gave
    is stored with its artifacts (``step_update``). What the graph itself notes (an interrupt, an error) is stored.
    """

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Store writes to the graph's own channels; a node's to the state's come with the checkpoint."""
        if any(channel.startswith(_RESERVED) and channel != _NOTHING_WRITTEN for channel, _ in writes):
            await super().aput_writes(config, writes, task_id, task_path)

    @asynccontextmanager
    async def _cursor(self, *, pipeline: bool = False) -> AsyncIterator[AsyncCursor[DictRow]]:
        """Translate what the driver says: a run that stops because the store is away gives its lease back."""
        with store_errors():
            async with super()._cursor(pipeline=pipeline) as cursor:
                yield cursor
