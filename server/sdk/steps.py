"""The steps of a mission by its checkpoints, and the frames that tell of one."""

from __future__ import annotations

from typing import Any

from contracts.events import TERMINAL_EVENTS, EventType
from contracts.stateflow import Status
from graph.snapshots import Shown
from server.sdk.missions import RESULT, MissionViews
from server.sdk.stretches import ENDINGS

Part = tuple[str, Any, str | None]
Step = tuple[Shown | None, Shown]
"""A checkpoint, and the one before it."""
_AT_ONCE = 6
_FIRST = "__start__"


class Steps:
    """A mission's checkpoints in the order they were written, each taken once."""

    def __init__(self, views: MissionViews, tenant_id: str, mission_id: str) -> None:
        self._views = views
        self._names = (tenant_id, mission_id)
        self._known: dict[str, Shown] = {}
        self._order: list[str] = []
        self._taken = 0
        self.now: Shown | None = None

    async def find(self, wanted: tuple[str, ...]) -> bool:
        """Tell whether the next checkpoint that leads to these nodes is there."""
        if self._place(wanted) is not None:
            return True
        found = await self._views.history(*self._names, limit=_AT_ONCE)
        if len(found) == _AT_ONCE and not any(_id(one) in self._known for one in found):
            found = await self._views.history(*self._names, limit=None)
        for one in found:
            self._known.setdefault(_id(one), one)
        self._order = sorted(self._known)
        return self._place(wanted) is not None

    def known(self, wanted: tuple[str, ...]) -> bool:
        """Tell whether a checkpoint that leads to these nodes is there already."""
        return self._place(wanted) is not None

    def _place(self, wanted: tuple[str, ...]) -> int | None:
        for place in range(self._taken, len(self._order)):
            one = self._known[self._order[place]]
            # A fork's first was copied: whatever is first counts.
            if tuple(one["next"]) == wanted and (not self._taken or one["metadata"].get("source") == "loop"):
                return place
        return None

    def take(self, wanted: tuple[str, ...]) -> Step | None:
        """Take the next checkpoint that leads to these nodes, with the one before it."""
        place = self._place(wanted)
        if place is None:
            return None
        self._taken = place + 1
        self.now = self._known[self._order[place]]
        parent = self.now["parent_checkpoint"]
        return (self._known.get(parent["checkpoint_id"]) if parent else None), self.now


def _id(state: Shown) -> str:
    return str(state["checkpoint"]["checkpoint_id"])


def began() -> Part:
    """Return the part that says that a run has begun."""
    return "lifecycle", {"event": "started", "graph_name": "colony"}, None


def ended(step: Step) -> list[Part]:
    """Return the parts of a step's end: what its node gave, the state after it, and which node begins."""
    was, now = step
    parts: list[Part] = []
    number, at = now["metadata"].get("step"), now["created_at"]
    done = was["tasks"][0] if was and was["tasks"] and was["next"] != [_FIRST] else None
    if was is not None and done is not None:
        gave = {key: value for key, value in now["values"].items() if was["values"].get(key) != value and key != RESULT}
        result = {"id": done["id"], "name": done["name"], "error": None, "result": gave, "interrupts": []}
        parts += [("updates", {done["name"]: gave}, done["name"]), *_task(result, number, at, "task_result")]
        parts.append(_event("on_chain_end", result, {"output": gave}))
    parts += [("values", now["values"], None), ("checkpoints", _checkpoint(now), None)]
    parts.append(_debug("checkpoint", _checkpoint(now), number, at))
    for task in now["tasks"]:
        start = {"id": task["id"], "name": task["name"], "input": now["values"], "triggers": []}
        parts += [*_task(start, number + 1, at, "task"), _event("on_chain_start", start, {"input": now["values"]})]
    return parts


def _task(task: Shown, number: int, at: str, kind: str) -> list[Part]:
    return [("tasks", task, task["name"]), _debug(kind, task, number, at)]


def _debug(kind: str, payload: Shown, number: int, at: str) -> Part:
    return "debug", {"step": number, "timestamp": at, "type": kind, "payload": payload}, None


def _event(kind: str, task: Shown, data: Shown) -> Part:
    about = {"event": kind, "name": task["name"], "run_id": task["id"], "tags": [], "parent_ids": []}
    return "events", {**about, "metadata": {"langgraph_node": task["name"]}, "data": data}, task["name"]


def _checkpoint(now: Shown) -> Shown:
    """Return a checkpoint as LangGraph streams it; ``id``, ``parent_id``, ``step`` and ``source`` name it shortly."""
    parent = now["parent_checkpoint"]
    return {
        "id": now["checkpoint"]["checkpoint_id"],
        "parent_id": parent["checkpoint_id"] if parent else None,
        "step": now["metadata"].get("step"),
        "source": now["metadata"].get("source"),
        "config": {"configurable": now["checkpoint"]},
        "parent_config": {"configurable": parent} if parent else None,
        "values": now["values"],
        "metadata": now["metadata"],
        "next": now["next"],
        "tasks": [{"id": task["id"], "name": task["name"], "interrupts": [], "state": None} for task in now["tasks"]],
    }


def asked(now: Shown | None, interrupt_id: str, value: Shown, *, again: bool) -> list[Part]:
    """Return the parts of a question to a person; ``again`` when it still stands after somebody's answer."""
    one = {"value": value, "id": interrupt_id}
    parts: list[Part] = [("updates", {"__interrupt__": [one]}, None)]
    if now is not None:
        for task in now["tasks"]:
            result = {"id": task["id"], "name": task["name"], "error": None, "result": {}, "interrupts": [one]}
            parts += _task(result, now["metadata"].get("step", 0) + 1, now["created_at"], "task_result")
    parts.append(("values", {**(now["values"] if now else {}), "__interrupt__": [one]}, None))
    if not again:
        parts.append(("input", {"interrupt_id": interrupt_id, "value": value, "payload": value}, None))
    return parts


def spoken(mission_id: str, seq: int, text: str) -> list[Part]:
    """Return the parts of the message that the released packet is."""
    name, node = f"{mission_id}-{seq}", "reviewer"
    message: Shown = {
        "type": "ai",
        "id": name,
        "content": text,
        "name": None,
        "tool_calls": [],
        "invalid_tool_calls": [],
    }
    about = {"langgraph_node": node}
    whole: Shown = {"type": "text", "text": text}
    told: list[Shown] = [
        {"event": "message-start", "role": "ai", "id": name, "metadata": about},
        {"event": "content-block-start", "index": 0, "content": {"type": "text", "text": ""}},
        {"event": "content-block-delta", "index": 0, "delta": {"type": "text-delta", "text": text}},
        {"event": "content-block-finish", "index": 0, "content": whole},
        {"event": "message-finish"},
    ]
    return [
        ("messages-tuple", [message, about], node),
        ("messages/metadata", {name: {"metadata": about}}, node),
        ("messages/complete", [message], node),
        *(("said", one, node) for one in told),
    ]


def closed(event: Shown, kind: EventType) -> list[Part]:
    """Return the parts that say how a run ended."""
    ending = TERMINAL_EVENTS.get(kind)
    if ending is None:
        return [("lifecycle", {"event": "interrupted"}, None)]
    if ENDINGS[ending] == "success":
        return [("lifecycle", {"event": "completed"}, None)]
    payload = event["payload"]
    code, reason = str(payload.get("code", ending.value)), str(payload.get("reason", ""))
    parts: list[Part] = [("lifecycle", {"event": "failed", "error": f"{code}: {reason}"}, None)]
    if ending is not Status.CANCELLED:
        parts.insert(0, ("error", {"error": code, "message": reason}, None))
    return parts
