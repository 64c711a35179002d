"""The API's description: what FastAPI can't see, because bodies are read and errors are made by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from contracts.classes import CLASSES
from contracts.errors import (
    BadInput,
    ColonyError,
    Forbidden,
    Malformed,
    NotJson,
    StoreUnavailable,
    TooLarge,
    TooMany,
    Unauthenticated,
)
from contracts.mission import MissionRequest
from server.answering import ApprovalAnswer
from server.constituting import ConstitutionProposal
from server.delegating import DelegationRequest
from server.errors import PROBLEM, status_for
from server.halting import HaltRequest
from server.hindsight import WhatIf
from server.keys import KeyRequest
from server.lineages import ForkRequest, ReplayRequest
from server.missions import Reason
from server.policysets import RuleFilesGiven
from server.sdk import bodies as sdk
from server.sdk.described import runs
from server.sdk.runs import Resume
from server.shapes import Problem

Schema = dict[str, Any]
STREAM = "text/event-stream"
_REFS = "#/components/schemas/"
_JSON = "Json"
_OF_THE_FRAMEWORK = ("HTTPValidationError", "ValidationError")
_PLAIN_TEXT = {"not": {"pattern": r"\x00"}}
_BODIES: tuple[type[BaseModel], ...] = (
    MissionRequest,
    ApprovalAnswer,
    DelegationRequest,
    Reason,
    ReplayRequest,
    ForkRequest,
    KeyRequest,
    HaltRequest,
    RuleFilesGiven,
    WhatIf,
    ConstitutionProposal,
    *sdk.BODIES,
    Resume,
    *(spec.inputs for spec in CLASSES.values()),
)


def problems(*kinds: type[ColonyError]) -> dict[int | str, Schema]:
    """Return the answers that errors of the given kinds get."""
    content = {PROBLEM: {"schema": {"$ref": f"{_REFS}{Problem.__name__}"}}}
    meanings: dict[int | str, list[str]] = {}
    for kind in kinds:
        meanings.setdefault(status_for(kind).value, []).append((kind.__doc__ or "").partition("\n")[0])
    return {status: {"description": " Or: ".join(texts), "content": content} for status, texts in meanings.items()}


def fails(*kinds: type[ColonyError]) -> dict[int | str, Schema]:
    """Return a guarded route's error answers: of the given kinds, and of those that every such route has."""
    return problems(*kinds, Unauthenticated, Forbidden, TooMany, StoreUnavailable)


def takes(model: type[BaseModel], *, required: bool = False) -> Schema:
    """Return what a route that reads its body by hand says about it."""
    return takes_schema(model.__name__, required=required)


def takes_schema(name: str, *, required: bool = True) -> Schema:
    """Return what a route says about a body that one of the description's schemas is of."""
    schema = {"$ref": f"{_REFS}{name}"}
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}


BODY_FAILS = (Malformed, TooLarge, NotJson, BadInput)


def describe(app: FastAPI, *, tokens_only: bool) -> None:
    """Make the app describe its bodies, errors and credentials; without ``tokens_only`` a token may be left out."""

    def openapi() -> Schema:
        if app.openapi_schema is None:
            app.openapi_schema = _described(app, tokens_only=tokens_only)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _described(app: FastAPI, *, tokens_only: bool) -> Schema:
    whole = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    components = whole.setdefault("components", {})
    schemas = {name: s for name, s in components.get("schemas", {}).items() if name not in _OF_THE_FRAMEWORK}
    components["schemas"] = schemas | _schemas()
    components["securitySchemes"] = {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "A JWT with tenant, sub and capabilities, or an API key.",
        }
    }
    credentials: list[Schema] = [{"bearer": []}] if tokens_only else [{"bearer": []}, {}]
    for operations in whole["paths"].values():
        for operation in operations.values():
            _correct(operation, credentials)
    return whole


def _correct(operation: Schema, credentials: list[Schema]) -> None:
    """Take out what the framework assumes and this service does not do."""
    answers = operation["responses"]
    for status in [status for status, answer in answers.items() if _OF_THE_FRAMEWORK[0] in json.dumps(answer)]:
        del answers[status]
    if str(status_for(Unauthenticated).value) in answers:
        operation["security"] = credentials
    for parameter in operation.get("parameters", []):
        parameter["schema"] = _never_null(parameter["schema"])


def _schemas() -> Schema:
    _, made = models_json_schema([(model, "validation") for model in _BODIES], ref_template=_REFS + "{model}")
    bodies = {name: _storable(schema) for name, schema in made["$defs"].items()}
    request = bodies.pop(MissionRequest.__name__)
    classes = {f"{MissionRequest.__name__}_{name.value}": _of_class(request, name.value) for name in CLASSES}
    mapping = {name.value: f"{_REFS}{MissionRequest.__name__}_{name.value}" for name in CLASSES}
    either: Schema = {
        "oneOf": [{"$ref": f"{_REFS}{name}"} for name in classes],
        "discriminator": {"propertyName": "mission_type", "mapping": mapping},
    }
    return {
        **bodies,
        **classes,
        MissionRequest.__name__: either,
        **runs({**bodies, **classes}),
        Problem.__name__: Problem.model_json_schema(mode="serialization"),
        _JSON: _json(),
    }


def _of_class(request: Schema, name: str) -> Schema:
    """Return the request as one class takes it."""
    spec = next(spec for known, spec in CLASSES.items() if known.value == name)
    outputs = {**request["properties"]["requested_outputs"], "items": {"type": "string", "enum": list(spec.outputs)}}
    properties = {
        **request["properties"],
        "mission_type": {"type": "string", "const": name},
        "inputs": {"$ref": f"{_REFS}{spec.inputs.__name__}"},
        "requested_outputs": outputs,
    }
    return {**request, "properties": properties, "required": [*request["required"], "inputs"]}


def _json() -> Schema:
    """Return the schema of any JSON value that can be stored."""
    one: Schema = {"$ref": f"{_REFS}{_JSON}"}
    return {
        "description": "Any JSON value without NUL characters, of bounded depth and finite numbers.",
        "anyOf": [
            {"type": "null"},
            {"type": "boolean"},
            {"type": "integer", "minimum": -(2**63) + 1, "maximum": 2**63 - 1},
            {"type": "number"},
            {"type": "string", **_PLAIN_TEXT},
            {"type": "array", "items": one},
            {"type": "object", "propertyNames": _PLAIN_TEXT, "additionalProperties": one},
        ],
    }


def _storable(schema: Any) -> Any:
    """Say in a request's schema what `server.body` sees to: texts hold no NUL, and free values are storable JSON."""
    if isinstance(schema, list):
        return [_storable(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    made = {name: _storable(part) for name, part in schema.items()}
    if made.get("type") == "string" and not {"pattern", "enum", "const", "anyOf"} & made.keys():
        made |= _PLAIN_TEXT
    if made.get("type") == "object" and (more := made.get("additionalProperties")):
        one = {"$ref": f"{_REFS}{_JSON}"} if more is True else more
        made = {"propertyNames": _PLAIN_TEXT, **made, "additionalProperties": one}
    return made


def _never_null(schema: Schema) -> Schema:
    """Return a parameter's schema without null: on the wire a parameter is there or not."""
    if "anyOf" not in schema:
        return schema
    kinds = [kind for kind in schema["anyOf"] if kind != {"type": "null"}]
    rest = {name: part for name, part in schema.items() if name != "anyOf"}
    return {**rest, **kinds[0]} if len(kinds) == 1 else {**rest, "anyOf": kinds}
