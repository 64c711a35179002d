"""The schemas that models are asked to fill; evidence is named by its label in the prompt (``E1``, ``E2``, …)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from contracts.base import Value


class Filled(Value):
    """Asked for as a closed schema, read generously: what a model adds is left alone, what it omits is not made up."""

    model_config = ConfigDict(extra="ignore", json_schema_extra={"additionalProperties": False})


def _word(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


def _plain(value: Any) -> Any:
    """Return a number or a truth value as the text that it is written as."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def _settled(facts: Any) -> Any:
    """Leave facts out that a model lists only to say that there is nothing."""
    if not isinstance(facts, list):
        return facts
    return [f for f in facts if not (isinstance(f, dict) and {"value", "support"} <= f.keys() and f["value"] is None)]


class Quoted(Filled):
    """A verbatim passage of one piece of evidence."""

    evidence: str = Field(description="the label of the evidence, such as E1")
    quote: str = Field(description="the passage, copied character for character")


class FoundFact(Filled):
    """One value found for one of the keys asked for."""

    key: str = Field(description="the key, exactly as it was asked for")
    value: Annotated[str, BeforeValidator(_plain)] = Field(
        description="the value, in the words of the evidence or one of the key's allowed values"
    )
    support: Quoted


class FactSheet(Filled):
    """The facts found; a key that the evidence does not settle is left out."""

    facts: Annotated[tuple[FoundFact, ...], BeforeValidator(_settled)] = ()


class Reason(Filled):
    """One reason for an assessment, with its proof."""

    text: str
    support: Quoted


class Engagement(Filled):
    """How engaged the customer is and how near to a decision, judged from the conversation alone."""

    engagement: Annotated[Literal["low", "medium", "high"], BeforeValidator(_word)]
    intent: Annotated[Literal["unclear", "browsing", "comparing", "ready"], BeforeValidator(_word)]
    reasons: tuple[Reason, ...] = ()


class CitedAnswer(Filled):
    """The answer to a question, from the evidence alone."""

    status: Annotated[Literal["supported", "partial", "unsupported"], BeforeValidator(_word)]
    text: str = Field(default="", description="the answer; empty when the evidence does not support one")
    support: tuple[Quoted, ...] = ()


class PlanPart(Value):
    """One part of a task that is split: together its parts ask all that the task asks."""

    task: str = Field(description="the task that is split, by its name")
    focus: str = Field(description="the question of this part, complete in itself")


class PlanRefinement(Value):
    """What to change in a plan; empty lists when it is right as it is."""

    parts: tuple[PlanPart, ...] = Field(default=(), description="two or more parts of a task that asks several things")
    drop: tuple[str, ...] = Field(default=(), description="tasks that nothing asked for needs, by their names")
    reason: str = ""


OUTPUTS: dict[str, type[Value]] = {
    "FactSheet": FactSheet,
    "Engagement": Engagement,
    "CitedAnswer": CitedAnswer,
    "PlanRefinement": PlanRefinement,
}
