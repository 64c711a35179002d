"""The graph and its state as JSON: what tools draw and make forms from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langgraph.pregel import Pregel
from pydantic import PydanticUserError, TypeAdapter
from typing_extensions import TypedDict

from contracts.base import Value
from contracts.mission import MissionRequest
from contracts.state import MissionState

Schema = dict[str, Any]


def mission_request(inputs: type[Value] | None) -> Schema:
    """Return the schema of a run's input: a submission without its class, which the assistant is."""
    whole = MissionRequest.model_json_schema()
    fields = whole["properties"]
    if inputs is not None:
        below = inputs.model_json_schema()
        whole["$defs"] = {**whole.get("$defs", {}), **below.pop("$defs", {})}
        fields = {**{name: field for name, field in fields.items() if name != "mission_type"}, "inputs": below}
    required = [name for name in (*whole["required"], "inputs") if name in fields]
    return {**whole, "properties": fields, "required": required}


def mission_state() -> Schema:
    """Return the schema of the graph's state."""
    # pydantic reads the fields of a TypedDict of its own kind only.
    shape: Any = TypedDict("MissionState", dict.fromkeys(MissionState.__annotations__, Any), total=False)  # type: ignore[misc]
    return TypeAdapter(shape).json_schema()


def of_graph(graph: Pregel[Any, Any, Any, Any]) -> Schema:
    """Return a graph's schemas; one that has no JSON schema is null."""
    state = _schema(graph.get_output_jsonschema)
    return {
        "input_schema": _schema(graph.get_input_jsonschema),
        "output_schema": state,
        "state_schema": state or {"type": "object"},
        "config_schema": {"type": "object", "properties": {}},
        "context_schema": _schema(lambda: graph.get_context_jsonschema() or {}),
    }


def below(graph: Pregel[Any, Any, Any, Any], within: str | None, *, deep: bool) -> Schema:
    """Return the schemas of the graphs below a graph, by their namespaces."""
    found = graph.get_subgraphs(namespace=within, recurse=deep)
    return {at: of_graph(one) for at, one in found if isinstance(one, Pregel)}


def _schema(of: Callable[[], Schema]) -> Schema | None:
    try:
        return of()
    except (PydanticUserError, TypeError, AttributeError, ValueError):
        return None


def drawn(graph: Pregel[Any, Any, Any, Any], *, xray: int | bool = False) -> Schema:
    """Return a graph's nodes and edges."""
    return dict(graph.get_graph(xray=xray).to_json())
