"""A thread's checkpoints as clients of the LangGraph SDK see them; read, and never written here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.errors import InvalidUpdateError
from langgraph.pregel import Pregel
from langgraph.types import Interrupt, PregelTask, StateSnapshot

from contracts.errors import BadInput
from graph.plain import plain
from graph.topology import compiled

Shown = dict[str, Any]


def config_of(thread_id: str, checkpoint_id: str | None = None, namespace: str = "") -> RunnableConfig:
    """Return the config that names a thread, or one of its checkpoints."""
    named = {"thread_id": thread_id, "checkpoint_ns": namespace}
    return {"configurable": {**named, "checkpoint_id": checkpoint_id} if checkpoint_id else named}


def mission_graph() -> Pregel[Any, Any, Any, Any]:
    """Return Colony's own graph."""
    return compiled()


async def state(
    graph: Pregel[Any, Any, Any, Any],
    saver: BaseCheckpointSaver[Any],
    thread_id: str,
    checkpoint_id: str | None = None,
    *,
    namespace: str = "",
    subgraphs: bool = False,
) -> Shown | None:
    """Return a thread's state, at a checkpoint or as it is; None when there is none."""
    reader = graph.copy(update={"checkpointer": saver})
    try:
        snapshot = await reader.aget_state(config_of(thread_id, checkpoint_id, namespace), subgraphs=subgraphs)
    except ValueError:  # there is no graph under this namespace
        return None
    return None if snapshot.created_at is None else shown(snapshot)


async def history(
    graph: Pregel[Any, Any, Any, Any],
    saver: BaseCheckpointSaver[Any],
    thread_id: str,
    *,
    limit: int | None,
    before: str | None = None,
    wanted: Mapping[str, Any] | None = None,
    namespace: str = "",
) -> list[Shown]:
    """Return a thread's checkpoints, newest first; those before one of them, and with such metadata, if asked."""
    reader = graph.copy(update={"checkpointer": saver})
    found = reader.aget_state_history(
        config_of(thread_id, None, namespace),
        filter=dict(wanted) if wanted else None,
        before=config_of(thread_id, before) if before else None,
        limit=limit,
    )
    return [shown(snapshot) async for snapshot in found]


async def updated(graph: Pregel[Any, Any, Any, Any], config: RunnableConfig, values: Any, as_node: str | None) -> Shown:
    """Write into a state as one of the graph's nodes; returns the name of the checkpoint that it led to.

    Raises:
        BadInput: the graph can't take it.
    """
    try:
        return checkpoint_of(await graph.aupdate_state(config, values, as_node=as_node))
    except (InvalidUpdateError, KeyError, ValueError, TypeError) as exc:
        raise BadInput("the graph does not take these values", code="invalid_update") from exc


async def copied(saver: BaseCheckpointSaver[Any], source: str, to: str) -> None:
    """Copy a thread's checkpoints, with what is pending at each, into another thread."""
    found = [one async for one in saver.alist({"configurable": {"thread_id": source}})]
    for one in reversed(found):
        namespace = one.config["configurable"].get("checkpoint_ns", "")
        parent = one.parent_config["configurable"].get("checkpoint_id") if one.parent_config else None
        at = config_of(to, parent, namespace)
        made = await saver.aput(at, one.checkpoint, one.metadata, one.checkpoint["channel_versions"])
        pending: dict[str, list[tuple[str, Any]]] = {}
        for task, channel, value in one.pending_writes or ():
            pending.setdefault(task, []).append((channel, value))
        for task, writes in pending.items():
            await saver.aput_writes(made, writes, task)


async def made_by(saver: BaseCheckpointSaver[Any], thread_id: str, run_id: str) -> list[str]:
    """Return the ids of the checkpoints that a thread's last run made."""
    made: list[str] = []
    async for one in saver.alist({"configurable": {"thread_id": thread_id}}):
        about: Mapping[str, Any] = one.metadata
        if about.get("run_id") != run_id:
            break
        made.append(one.checkpoint["id"])
    return made


def shown(snapshot: StateSnapshot) -> Shown:
    """Return a snapshot as the SDK's ``ThreadState``."""
    return {
        "values": plain(snapshot.values),
        "next": list(snapshot.next),
        "tasks": [_task(task) for task in snapshot.tasks],
        "metadata": plain(snapshot.metadata or {}),
        "created_at": snapshot.created_at,
        "checkpoint": checkpoint_of(snapshot.config),
        "parent_checkpoint": checkpoint_of(snapshot.parent_config) if snapshot.parent_config else None,
        "interrupts": [interrupt_of(one) for one in snapshot.interrupts],
    }


def checkpoint_of(config: RunnableConfig | None) -> Shown:
    """Return the name of a checkpoint."""
    named = (config or {}).get("configurable", {})
    return {
        "thread_id": named.get("thread_id"),
        "checkpoint_ns": named.get("checkpoint_ns", ""),
        "checkpoint_id": named.get("checkpoint_id"),
    }


def interrupt_of(one: Interrupt) -> Shown:
    """Return an interrupt: what is asked, and by which id it is answered."""
    return {"value": plain(one.value), "id": one.id}


def _task(task: PregelTask) -> Shown:
    below = task.state
    return {
        "id": task.id,
        "name": task.name,
        "path": plain(task.path),
        "error": str(task.error) if task.error else None,
        "interrupts": [interrupt_of(one) for one in task.interrupts],
        "checkpoint": checkpoint_of(below) if isinstance(below, Mapping) else None,
        "state": shown(below) if isinstance(below, StateSnapshot) else None,
        "result": plain(task.result) if task.result is not None else None,
    }
