"""The built-in extractive model: reads evidence, quotes it, and says nothing that is not in it."""

from adapters.models.extractive.answers import answer_question
from adapters.models.extractive.engagement import assess_engagement
from adapters.models.extractive.facts import extract_facts
from adapters.models.extractive.values import (
    Answer,
    Assessment,
    Evidence,
    Fact,
    FactKey,
    Message,
    Reason,
    Span,
)

__all__ = [
    "Answer",
    "Assessment",
    "Evidence",
    "Fact",
    "FactKey",
    "Message",
    "Reason",
    "Span",
    "answer_question",
    "assess_engagement",
    "extract_facts",
]
