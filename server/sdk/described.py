"""What the API's description says of a run's body: with which assistant goes which input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contracts.classes import CLASSES
from contracts.mission import MissionRequest
from server.sdk.run_bodies import RunCreate
from server.sdk.runs import Resume

Schema = dict[str, Any]
ALONE, BATCH = "RunAlone", "RunBatch"
_NOT_FOR_MISSIONS = {"interrupt_before", "interrupt_after", "webhook", "after_seconds", "checkpoint", "checkpoint_id"}
_NULL: Schema = {"type": "null"}
_REF = "#/components/schemas/"


def runs(bodies: Mapping[str, Schema]) -> dict[str, Schema]:
    """Return the schemas of runs: a beginning for every class, an answer, and either."""
    whole = bodies[RunCreate.__name__]
    fields = {name: field for name, field in whole["properties"].items() if name not in _NOT_FOR_MISSIONS}
    begin = {f"{RunCreate.__name__}_{kind.value}": _begin(bodies, whole, fields, kind.value) for kind in CLASSES}
    either = [{"$ref": f"{_REF}{name}"} for name in begin]
    answer = {"type": "object", "properties": {"resume": {"$ref": f"{_REF}{Resume.__name__}"}}, "required": ["resume"]}
    answers = {name: field for name, field in fields.items() if name not in {"input", "command"}}
    properties = {**answers, "input": _NULL, "command": answer}
    resume = {**whole, "properties": properties, "required": ["assistant_id", "command"]}
    return {
        **begin,
        f"{RunCreate.__name__}_resume": resume,
        ALONE: {"anyOf": either},
        BATCH: {"type": "array", "items": {"anyOf": either}, "minItems": 1, "maxItems": 20},
        RunCreate.__name__: {"anyOf": [*either, {"$ref": f"{_REF}{RunCreate.__name__}_resume"}]},
    }


def _begin(bodies: Mapping[str, Schema], whole: Schema, fields: Mapping[str, Schema], kind: str) -> Schema:
    request = bodies[f"{MissionRequest.__name__}_{kind}"]
    given = {name: field for name, field in request["properties"].items() if name != "mission_type"}
    needed = [name for name in request["required"] if name != "mission_type"]
    taken = {**request, "properties": given, "required": needed}
    properties = {**fields, "command": _NULL, "assistant_id": {"type": "string", "const": kind}, "input": taken}
    return {**whole, "properties": properties, "required": ["assistant_id", "input"]}
