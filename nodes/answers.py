"""The answer of a mission whose question was answered in one part or in several."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from contracts.evidence import WorkerResult


def answer_of(results: Iterable[WorkerResult]) -> dict[str, Any] | None:
    """Return the parts' answers as one, in their order; None if none of the results answers anything.

    It is supported when every part is, and unsupported when none is.
    """
    parts = [r.outputs["answer"] for r in results if "answer" in r.outputs]
    if len(parts) < 2:
        return parts[0] if parts else None
    found = [part for part in parts if part["status"] != "unsupported"]
    if not found:
        return dict(parts[0])
    whole = len(found) == len(parts) and all(part["status"] == "supported" for part in parts)
    return {
        "text": " ".join(dict.fromkeys(part["text"] for part in found)),
        "status": "supported" if whole else "partial",
        "claim_ids": [name for part in found for name in part["claim_ids"]],
    }


def questions_of(results: Iterable[WorkerResult]) -> list[str]:
    """Return what the parts leave open, each question once."""
    return list(dict.fromkeys(q for r in results for q in r.outputs.get("open_questions", [])))
