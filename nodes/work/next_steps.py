"""Recommend next steps: what is open, from what is known and what is not."""

from __future__ import annotations

from contracts.evidence import WorkerResult
from nodes.work.context import WorkContext
from nodes.work.stage import booking_keys

_MOST_QUESTIONS = 4


async def recommend_next_steps(ctx: WorkContext) -> WorkerResult:
    """List what to do next, most pressing first."""
    extracted = ctx.results["extract_facts"].outputs
    facts = {fact["key"]: fact["value"] for fact in extracted["facts"]}
    claims = {fact["key"]: str(fact["claim_id"]) for fact in extracted["facts"]}
    assessed = ctx.results["assess_stage"]
    stage = assessed.outputs
    engagement = ctx.results["assess_engagement"].outputs
    reasons = tuple(engagement.get("reasons", ()))
    steps: dict[str, tuple[str, ...]] = {}
    bookings = booking_keys(ctx.envelope)
    booked = [key for key in bookings if facts.get(key) == "true"]
    # The date of what was booked is the one that shares its name: visit_booked and visit_date.
    about = {word for key in booked for word in key.split("_")}
    dates = [
        (f"{key.replace('_', ' ')} {value}", claims[key])
        for key, value in facts.items()
        if ("date" in key or "day" in key) and about.intersection(key.split("_"))
    ]
    if booked:
        step = "Confirm the visit" + (f" ({dates[0][0]})" if dates else "") + " and who will be there."
        steps[step] = (*(claims[key] for key in booked), *(claim for _, claim in dates[:1]))
    if stage["suggested"] != stage["current"]:
        step = f"Move the lead from {stage['current']} to {stage['suggested']}: {stage['reason']}."
        steps[step] = tuple(claim for rests in assessed.grounds.values() for claim in rests)
    unknown = [key.replace("_", " ") for key in extracted["unknown"] if key not in bookings]
    if unknown and facts:
        steps["Ask about: " + ", ".join(unknown[:_MOST_QUESTIONS]) + "."] = ()
    if not facts:
        steps["Start the conversation: ask what the lead is looking for."] = ()
    elif engagement.get("engagement") == "low" and not booked:
        steps["Follow up within a week; the lead has shown little engagement so far."] = reasons
    if not steps:
        steps["Nothing is open: wait for the lead's answer."] = tuple(claims.values())
    return WorkerResult(task_key=ctx.task.task_key, outputs={"next_steps": list(steps)}, grounds=steps)
