"""Assess the stage: where the lead stands on the root's own board, and where the facts say it should."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from contracts.evidence import WorkerResult
from contracts.mission import MissionEnvelope
from nodes.fact_schema import asked_schema
from nodes.ground import topics
from nodes.synonyms import bag
from nodes.work.context import WorkContext

# What a stage is about, by whole words of its name. The board's own names are used.
_VISIT = bag(
    "view views viewing viewings visit visits visiting tour tours touring inspection inspections appointment "
    "appointments showing showings"
)
_QUALIFIED = bag("qualified qualifying qualification interested interest warm")
_CONTACTED = bag("contacted contact engaged engaging talking talks reached conversation")
_ENDS = bag(
    "won lost closed sold archived dead rejected declined disqualified unqualified dropped junk spam inactive "
    "cancelled canceled withdrawn completed finished abandoned bought purchased converted"
)
"""A sale ends in a stage of such a name: no lead is moved into one or out of one, wherever it stands on the board."""

_DENIES = _ENDS | bag("not no non never un dis out without low past post after missed failed expired cold")
_NOT_YET = bag("to awaiting pending before pre")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[^\W\d_]+")


async def assess_stage(ctx: WorkContext) -> WorkerResult:
    """Suggest a stage from the verified facts; never backwards, and never out of an end stage."""
    lead = ctx.first("lead").data
    order = [str(stage) for stage in ctx.first("board").data.get("order", [])]
    current = str(lead.get("stage") or "")
    facts = {fact["key"]: fact for fact in ctx.results["extract_facts"].outputs["facts"]}
    booked = [facts[key] for key in booking_keys(ctx.envelope) if facts.get(key, {}).get("value") == "true"]
    wanted, because, reason = _wanted(facts, booked, ctx.results["assess_engagement"].outputs)
    suggested = _forward(order, current, next((stage for stage in order if _is_about(stage, wanted)), current))
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
    judged = ctx.results["assess_engagement"].outputs.get("reasons", ()) if wanted is _QUALIFIED else ()
    return WorkerResult(
        task_key=ctx.task.task_key, findings=(finding,), outputs=outputs, grounds={finding: (*because, *judged)}
    )


def booking_keys(envelope: MissionEnvelope) -> list[str]:
    """Return the keys that say whether a visit was agreed: named after one, and about something agreed."""
    about = topics(asked_schema(envelope))
    return [key for key, topic in about.items() if topic.agreed and not topic.inverted and _is_about(key, _VISIT)]


def _is_about(name: str, wanted: Collection[str]) -> bool:
    """Tell whether a stage's or a key's name has one of some words and none that denies or ends it."""
    words = {word.lower() for word in _WORD.findall(name)}
    denying = _DENIES if wanted is _VISIT else _DENIES | _NOT_YET
    return not words.isdisjoint(wanted) and words.isdisjoint(denying)


def _wanted(
    facts: Mapping[str, Mapping[str, str]], booked: Sequence[Mapping[str, str]], engagement: Mapping[str, object]
) -> tuple[Collection[str], list[str], str]:
    if booked:
        return _VISIT, [f["claim_id"] for f in booked], "a visit has been booked"
    if len(facts) >= 3 and engagement.get("engagement") != "low":
        return _QUALIFIED, [f["claim_id"] for f in facts.values()], "what the lead wants is known"
    if facts:
        return _CONTACTED, [f["claim_id"] for f in facts.values()], "the lead is in conversation"
    return frozenset(), [], "the conversation gives no ground for a move"


def _forward(order: Sequence[str], current: str, suggested: str) -> str:
    """Keep the current stage unless the suggestion lies ahead of it and the sale has not ended."""
    words = {word.lower() for word in _WORD.findall(current)}
    if current not in order or suggested not in order or not words.isdisjoint(_ENDS):
        return current
    return suggested if order.index(suggested) > order.index(current) else current
