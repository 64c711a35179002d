"""A thread's frames as events of the protocol's third version: one order over all runs, ids that never change."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from server.sdk.bodies import EventsAsked
from server.sdk.frames import Frame, event_of, place_at

_METHODS = {
    "values": "values",
    "updates": "updates",
    "tasks": "tasks",
    "checkpoints": "checkpoints",
    "custom": "custom",
    "lifecycle": "lifecycle",
    "tools": "tools",
    "said": "messages",
    "input": "input.requested",
}
_ENVELOPE = ("id", "parent_id", "step", "source")


async def event_stream(frames: AsyncIterator[Frame | None], asked: EventsAsked) -> AsyncIterator[bytes]:
    """Give the events that were asked for as server-sent events."""
    yield b": colony\n\n"
    async for event in events(frames, asked):
        yield b": heartbeat\n\n" if event is None else event_of(event["method"], event, event["event_id"])


async def events(frames: AsyncIterator[Frame | None], asked: EventsAsked) -> AsyncIterator[dict[str, Any] | None]:
    """Give the events that were asked for; None for a heartbeat."""
    after = place_at(asked.since)
    async for frame in frames:
        if frame is None:
            yield None
        elif frame.place > after and frame.method in _METHODS:
            event = shown(frame)
            if _matches(event, asked):
                yield event


def shown(frame: Frame) -> dict[str, Any]:
    """Return a frame as an event."""
    about = {"namespace": list(frame.namespace), "timestamp": frame.at, "data": _data(frame)}
    if frame.node is not None:
        about["node"] = frame.node
    named = {"event_id": frame.name, "seq": frame.number}
    return {"type": "event", **named, "method": _METHODS[frame.method], "params": about}


def _data(frame: Frame) -> Any:
    if frame.method == "checkpoints" and "config" in frame.data and "id" not in frame.data:
        return _envelope(frame.data)
    if frame.method == "checkpoints":
        return {key: frame.data[key] for key in _ENVELOPE if frame.data.get(key) is not None}
    if frame.method == "custom" and isinstance(frame.data, dict) and "event_type" in frame.data:
        return {"name": frame.data["event_type"], "payload": frame.data}
    if frame.method == "values" and isinstance(frame.data, dict):
        return {key: value for key, value in frame.data.items() if key != "__interrupt__"}
    return frame.data


def _envelope(data: dict[str, Any]) -> dict[str, Any]:
    named = (data["config"] or {}).get("configurable", {})
    parent = (data.get("parent_config") or {}).get("configurable", {}).get("checkpoint_id")
    about = {
        "id": named.get("checkpoint_id"),
        "step": data["metadata"].get("step"),
        "source": data["metadata"].get("source"),
    }
    return {**about, "parent_id": parent} if parent else about


def _channel(event: dict[str, Any]) -> str:
    if event["method"] == "input.requested":
        return "input"
    data = event["params"]["data"]
    name = data.get("name") if event["method"] == "custom" and isinstance(data, dict) else None
    return f"custom:{name}" if name else str(event["method"])


def _matches(event: dict[str, Any], asked: EventsAsked) -> bool:
    channel = _channel(event)
    if channel not in asked.channels and not (channel.startswith("custom:") and "custom" in asked.channels):
        return False
    namespace = event["params"]["namespace"]
    if not asked.namespaces:
        return True
    return any(
        _begins(namespace, prefix) and (asked.depth is None or len(namespace) - len(prefix) <= asked.depth)
        for prefix in asked.namespaces
    )


def _begins(namespace: Sequence[str], prefix: Sequence[str]) -> bool:
    """Tell whether a namespace begins so; a part without a task's id stands for any of the node's tasks."""
    if len(prefix) > len(namespace):
        return False
    return all(
        there == part or (":" not in part and there.partition(":")[0] == part)
        for part, there in zip(prefix, namespace, strict=False)
    )
