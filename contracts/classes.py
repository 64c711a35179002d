"""The mission classes as data: what each takes, and what each can be asked to yield."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from contracts.base import Value
from contracts.errors import BadInput
from contracts.mission import SOMETHING, FactKey, MissionClass, MissionRequest
from contracts.periods import period_of

_SHOWN = 120
Text = Annotated[str, StringConstraints(min_length=1, max_length=4_000, pattern=SOMETHING)]
FactKeys = Annotated[tuple[FactKey, ...], Field(max_length=200)]
Names = Annotated[tuple[Text, ...], Field(max_length=200)]


class LeadInputs(Value):
    """What a look at one lead takes; ``fact_schema`` is what to find out, a shipped one for property sales if none."""

    lead_id: Text
    fact_schema: FactKeys | None = None


class AdvisoryInputs(Value):
    """What a question takes; ``document_ids`` limits the evidence, ``page`` is where the answer may be written to.

    With ``lead_id`` the lead's record and conversations are evidence, too.
    """

    question: Text
    document_ids: Names | None = None
    page: Text = ""
    lead_id: Text = ""


def _is_period(text: str) -> str:
    try:
        period_of(text)
    except ValueError as exc:
        raise PydanticCustomError("period", "{why}", {"why": str(exc)}) from exc
    return text


# No pattern can say that a range begins before it ends, so the schema has its halves and the description the whole.
Period = Annotated[
    str,
    Field(
        description="A year, quarter, month or day; or two of them in order, with a slash between.",
        json_schema_extra={
            "anyOf": [{"pattern": r"^[1-9][0-9]{3}(-(Q[1-4]|0[1-9]|1[0-2]))?$"}, {"format": "date"}],
            "examples": ["2026-10", "2026-Q4"],
        },
    ),
    AfterValidator(_is_period),
]


class BriefInputs(Value):
    """What a brief takes: a campaign or a data set, exactly one of them, and the period it is about (default: all)."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["campaign_id"]}, {"required": ["dataset"]}]},
    )

    campaign_id: Text = ""
    dataset: Text = ""
    period: Period = ""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if bool(self.campaign_id) == bool(self.dataset):
            raise PydanticCustomError("missing", "give exactly one of campaign_id and dataset")
        return self


@dataclass(frozen=True)
class ClassSpec:
    """One mission class.

    Attributes:
        inputs: what it takes, as a model.
        outputs: what may be asked for; all of it by default.
    """

    inputs: type[Value]
    outputs: tuple[str, ...]


CLASSES: dict[MissionClass, ClassSpec] = {
    MissionClass.CRM_LEAD_INTELLIGENCE: ClassSpec(
        LeadInputs, ("facts", "engagement", "stage", "next_steps", "draft", "writebacks")
    ),
    MissionClass.ORACLE_ADVISORY: ClassSpec(AdvisoryInputs, ("answer", "open_questions", "writebacks")),
    MissionClass.CATALYST_STRATEGY_BRIEF: ClassSpec(BriefInputs, ("metrics", "findings", "next_steps", "risks")),
}
"""What this version can run. A class of the contract that is not here is refused at submission."""

_FACT_KEYS = TypeAdapter(tuple[FactKey, ...])
_NOT_HONOURED: dict[tuple[type[Value], str], str] = {
    (
        AdvisoryInputs,
        "branch",
    ): "Branches of pages are not supported yet, and the page itself is not what was asked "
    "for: leave branch out, or name a page that holds the draft."
}
"""What a class does not do yet, each with what to do about it: left out silently, something else would be written."""

_CODES = {"missing": "missing_input", "extra_forbidden": "unknown_input"}


def checked(request: MissionRequest) -> MissionRequest:
    """Return the request with inputs that its class can use.

    Raises:
        BadInput: the class is not available, an input is missing, unknown or of the wrong shape, or an output is
            none of the class's.
    """
    spec = CLASSES.get(request.mission_type)
    if spec is None:
        raise BadInput(
            f"mission_type: {request.mission_type.value} is not available in this version yet",
            code="mission_type_unavailable",
            hint="Available: " + ", ".join(sorted(CLASSES)) + ".",
        )
    _check_inputs(spec, request.inputs)
    if wrong := sorted(set(request.requested_outputs) - set(spec.outputs)):
        raise BadInput(
            f"requested_outputs: {wrong[0]} is not one of this class's outputs",
            code="unknown_output",
            hint="Ask for any of: " + ", ".join(spec.outputs) + ".",
        )
    return request


def _check_inputs(spec: ClassSpec, inputs: Mapping[str, Any]) -> None:
    try:
        spec.inputs.model_validate_json(json.dumps(inputs), strict=True)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(["inputs", *map(str, first["loc"])])[:_SHOWN]
        raise BadInput(
            f"{where}: {first['msg']}",
            code=_CODES.get(first["type"], "wrong_input"),
            hint=_NOT_HONOURED.get(
                (spec.inputs, str(first["loc"][0]) if first["loc"] else ""),
                "This class takes: " + ", ".join(spec.inputs.model_fields) + ".",
            ),
        ) from exc


def period(inputs: Mapping[str, Any]) -> tuple[date, date] | None:
    """Return the first and last day of the period that was asked for, or None for all time.

    Raises:
        ValueError: it is not a period.
    """
    asked = inputs.get("period")
    return None if asked is None else period_of(str(asked))


def fact_schema(inputs: Mapping[str, Any]) -> tuple[FactKey, ...] | None:
    """Return the fact schema that was asked for, or None for the default.

    Raises:
        pydantic.ValidationError: it is not a list of keys.
    """
    asked = inputs.get("fact_schema")
    return None if asked is None else _FACT_KEYS.validate_python(asked)
