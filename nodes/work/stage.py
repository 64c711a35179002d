"""Assess the stage: where the lead stands on the root's own board, and where the facts say it should."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from contracts.evidence import WorkerResult
from nodes.work.context import WorkContext

# What a stage is about, by words its name may hold, in the order of a sale. The board's own names are used.
_VISIT_WORDS = ("view", "visit", "tour", "inspect", "appointment", "showing")
_QUALIFIED_WORDS = ("qualif", "interest", "warm")
_CONTACTED_WORDS = ("contact", "engag", "talk", "reach")
_BOOKED_WORDS = ("visit", "viewing", "tour", "appointment")


async def assess_stage(ctx: WorkContext) -> WorkerResult:
    """Suggest a stage from the verified facts; never backwards, and never out of an end stage."""
    lead = ctx.first("lead").data
    order = [str(stage) for stage in ctx.first("board").data.get("order", [])]
    current = str(lead.get("stage") or "")
    facts = {fact["key"]: fact for fact in ctx.results["extract_facts"].outputs["facts"]}
    wanted, because, reason = _wanted(facts, ctx.results["assess_engagement"].outputs)
    suggested = _forward(order, current, next((s for s in order if any(w in s.lower() for w in wanted)), current))
    moved = suggested != current
    text = f"Stage {current} fits" if not moved else f"Stage should move from {current} to {suggested}: {reason}"
    outputs = {
        "current": current,
        "suggested": suggested,
        "reason": reason,
        "claim_ids": because if moved else [],
    }
    finding = f"{text}."
    # Who is qualified is told by how engaged they are, too.
    judged = ctx.results["assess_engagement"].outputs.get("reasons", ()) if wanted is _QUALIFIED_WORDS else ()
    return WorkerResult(
        task_key=ctx.task.task_key, findings=(finding,), outputs=outputs, grounds={finding: (*because, *judged)}
    )


def _wanted(
    facts: Mapping[str, Mapping[str, str]], engagement: Mapping[str, object]
) -> tuple[Sequence[str], list[str], str]:
    booked = [f for key, f in facts.items() if f["value"] == "true" and any(w in key for w in _BOOKED_WORDS)]
    if booked:
        return _VISIT_WORDS, [f["claim_id"] for f in booked], "a visit has been booked"
    if len(facts) >= 3 and engagement.get("engagement") != "low":
        return _QUALIFIED_WORDS, [f["claim_id"] for f in facts.values()], "what the lead wants is known"
    if facts:
        return _CONTACTED_WORDS, [f["claim_id"] for f in facts.values()], "the lead is in conversation"
    return (), [], "the conversation gives no ground for a move"


def _forward(order: Sequence[str], current: str, suggested: str) -> str:
    """Keep the current stage unless the suggestion lies ahead of it and it is not one of the two that end a sale."""
    if current not in order or suggested not in order or current in order[-2:]:
        return current
    return suggested if order.index(suggested) > order.index(current) else current
