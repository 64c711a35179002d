"""What the extractive model reads and what it says: plain frozen values, each answer tied to a verbatim span."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat; `start` is the offset of `text` in the evidence's text."""

    author: str
    text: str
    start: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """One stored piece of evidence: `kind` is chat, document or record."""

    artifact_id: str
    kind: str
    trust: str
    text: str


@dataclass(frozen=True, slots=True)
class FactKey:
    """One fact that is wanted; `values` closes the set of answers, ("true", "false") makes it a boolean."""

    key: str
    description: str
    values: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """A verbatim quote: `evidence.text[start:end] == quote`."""

    artifact_id: str
    quote: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Fact:
    """One filled key with the words that say so; `confidence` is between 0 and 1."""

    key: str
    value: str
    span: Span
    confidence: float


@dataclass(frozen=True, slots=True)
class Answer:
    """Sentences that answer a question, or the statement that the evidence has none."""

    status: Literal["supported", "unsupported", "partial"]
    spans: tuple[Span, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an assessment was made, and the words it rests on."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Assessment:
    """How engaged the lead is and how close to deciding."""

    engagement: Literal["low", "medium", "high"]
    intent: Literal["browsing", "comparing", "ready"]
    reasons: tuple[Reason, ...]


def span_of(evidence: Evidence, start: int, end: int) -> Span:
    """Quote `evidence.text[start:end]`."""
    return Span(evidence.artifact_id, evidence.text[start:end], start, end)
