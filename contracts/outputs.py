"""The schemas that models are asked to fill; evidence is named by its label in the prompt (``E1``, ``E2``, …)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from contracts.base import Value


class Quoted(Value):
    """A verbatim passage of one piece of evidence."""

    evidence: str = Field(description="the label of the evidence, such as E1")
    quote: str = Field(description="the passage, copied character for character")


class FoundFact(Value):
    """One value found for one of the keys asked for."""

    key: str = Field(description="the key, exactly as it was asked for")
    value: str = Field(description="the value, in the words of the evidence or one of the key's allowed values")
    support: Quoted


class FactSheet(Value):
    """The facts found; a key that the evidence does not settle is left out."""

    facts: tuple[FoundFact, ...] = ()


class Reason(Value):
    """One reason for an assessment, with its proof."""

    text: str
    support: Quoted


class Engagement(Value):
    """How engaged the customer is and how near to a decision, judged from the conversation alone."""

    engagement: Literal["low", "medium", "high"]
    intent: Literal["unclear", "browsing", "comparing", "ready"]
    reasons: tuple[Reason, ...] = ()


class CitedAnswer(Value):
    """The answer to a question, from the evidence alone."""

    status: Literal["supported", "partial", "unsupported"]
    text: str = Field(default="", description="the answer; empty when the evidence does not support one")
    support: tuple[Quoted, ...] = ()


OUTPUTS: dict[str, type[Value]] = {
    "FactSheet": FactSheet,
    "Engagement": Engagement,
    "CitedAnswer": CitedAnswer,
}
