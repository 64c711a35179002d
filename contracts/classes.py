"""The mission classes as data: what each takes, and what each can be asked to yield."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from contracts.errors import BadInput
from contracts.mission import FactKey, MissionClass, MissionRequest

_TEXT_LIMIT = 4_000


@dataclass(frozen=True)
class ClassSpec:
    """One mission class.

    Attributes:
        required: inputs without which the class makes no sense; text.
        optional: further text inputs.
        outputs: what may be asked for; all of it by default.
    """

    required: tuple[str, ...]
    optional: tuple[str, ...]
    outputs: tuple[str, ...]


CLASSES: dict[MissionClass, ClassSpec] = {
    MissionClass.CRM_LEAD_INTELLIGENCE: ClassSpec(
        ("lead_id",), (), ("facts", "engagement", "stage", "next_steps", "draft", "writebacks")
    ),
    MissionClass.ORACLE_ADVISORY: ClassSpec(
        ("question",), ("page", "branch", "lead_id"), ("answer", "open_questions", "writebacks")
    ),
}
"""What this version can run. A class of the contract that is not here is refused at submission."""

_FACT_KEYS = TypeAdapter(tuple[FactKey, ...])
_NAMES = TypeAdapter(tuple[str, ...])


def checked(request: MissionRequest) -> MissionRequest:
    """Return the request with inputs that its class can use.

    Raises:
        BadInput: the class is not available, an input is missing, unknown or of the wrong shape, or an output is
            none of the class's.
    """
    spec = CLASSES.get(request.mission_type)
    if spec is None:
        raise BadInput(
            f"{request.mission_type.value} missions can't be run by this version",
            code="mission_type_unavailable",
            hint="Available: " + ", ".join(sorted(CLASSES)) + ".",
        )
    _check_names(spec, request)
    for name in (*spec.required, *spec.optional):
        if name in request.inputs:
            _check_text(name, request.inputs[name])
    _check_shapes(request.inputs)
    return request


def _check_names(spec: ClassSpec, request: MissionRequest) -> None:
    known = {*spec.required, *spec.optional, "fact_schema", "document_ids"}
    if missing := [name for name in spec.required if name not in request.inputs]:
        raise BadInput(f"inputs.{missing[0]} is required", code="missing_input")
    if unknown := sorted(set(request.inputs) - known):
        raise BadInput(f"inputs.{unknown[0][:60]} is not an input of this class", code="unknown_input")
    if wrong := sorted(set(request.requested_outputs) - set(spec.outputs)):
        raise BadInput(
            f"requested_outputs: {wrong[0]} is not one of this class's outputs",
            code="unknown_output",
            hint="Ask for any of: " + ", ".join(spec.outputs) + ".",
        )


def _check_text(name: str, value: Any) -> None:
    if not isinstance(value, str) or not value.strip() or len(value) > _TEXT_LIMIT:
        raise BadInput(f"inputs.{name} must be text of 1 to {_TEXT_LIMIT} characters", code="wrong_input")


def _check_shapes(inputs: Mapping[str, Any]) -> None:
    try:
        fact_schema(inputs)
    except ValidationError as exc:
        raise BadInput("inputs.fact_schema must be a list of {key, description, values?}", code="wrong_input") from exc
    try:
        document_ids(inputs)
    except ValidationError as exc:
        raise BadInput("inputs.document_ids must be a list of texts", code="wrong_input") from exc


def fact_schema(inputs: Mapping[str, Any]) -> tuple[FactKey, ...] | None:
    """Return the fact schema that was asked for, or None for the default.

    Raises:
        pydantic.ValidationError: it is not a list of keys.
    """
    asked = inputs.get("fact_schema")
    return None if asked is None else _FACT_KEYS.validate_python(asked)


def document_ids(inputs: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the documents the mission is limited to, or None for all.

    Raises:
        pydantic.ValidationError: it is not a list of texts.
    """
    asked = inputs.get("document_ids")
    return None if asked is None else _NAMES.validate_python(asked)
