"""Assistants: one for each mission class, all of the one graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from contracts.classes import CLASSES
from contracts.errors import NotFound
from contracts.mission import MissionClass
from graph import schemas
from server.sdk.stretches import assistant_name

GRAPH = "colony"
_SINCE = "2026-11-21T00:00:00Z"
_BY_NAME: Mapping[str, MissionClass] = {
    name: kind for kind in MissionClass for name in (kind.value, assistant_name(kind.value))
}


def assistant_not_found() -> NotFound:
    """Return the error for an assistant that is not there."""
    hint = "Assistants are mission classes: " + ", ".join(sorted(CLASSES)) + "."
    return NotFound("there is no such assistant", code="assistant_not_found", hint=hint)


def class_of(assistant_id: str) -> MissionClass | None:
    """Return the mission class that an assistant's id or name stands for; None for the graph itself.

    Raises:
        NotFound: it stands for nothing.
    """
    if assistant_id in {GRAPH, assistant_name(GRAPH)}:
        return None
    kind = _BY_NAME.get(assistant_id)
    if kind is None or kind not in CLASSES:
        raise assistant_not_found()
    return kind


def shown(kind: MissionClass) -> dict[str, Any]:
    """Return a mission class as an assistant."""
    return {
        "assistant_id": assistant_name(kind.value),
        "graph_id": GRAPH,
        "name": kind.value,
        "description": (CLASSES[kind].inputs.__doc__ or "").partition("\n")[0],
        "config": {},
        "context": {},
        "metadata": {"created_by": "system", "mission_type": kind.value, "governed": True},
        "version": 1,
        "created_at": _SINCE,
        "updated_at": _SINCE,
    }


def listed() -> Iterator[dict[str, Any]]:
    """Give every mission class as an assistant."""
    return (shown(kind) for kind in CLASSES)


def schemas_of(kind: MissionClass | None) -> dict[str, Any]:
    """Return what a class takes and what the graph's state is, as JSON schemas."""
    request = schemas.mission_request(CLASSES[kind].inputs if kind is not None else None)
    state = schemas.mission_state()
    return {
        "graph_id": GRAPH,
        "input_schema": request,
        "output_schema": state,
        "state_schema": state,
        "config_schema": {"type": "object", "properties": {}},
        "context_schema": {"type": "object", "properties": {}},
    }
