"""Assess engagement: how near to a decision the lead is, every reason with its quote."""

from __future__ import annotations

from contracts.evidence import WorkerResult
from contracts.outputs import Engagement
from nodes.work.context import WorkContext, claim, located
from nodes.work.windows import Window, windows

_NOTHING = {"engagement": "low", "intent": "unclear"}


async def assess_engagement(ctx: WorkContext) -> WorkerResult:
    """Judge engagement and intent from the latest part of every conversation."""
    parts: list[Window] = []
    for chat in ctx.of("chat"):
        parts.extend(windows(chat, ctx.ports.limits.evidence_chars, limit=1)[0])
    if not parts:
        finding = "Engagement is low: there is no conversation to judge."
        return WorkerResult(task_key=ctx.task.task_key, findings=(finding,), outputs=_NOTHING, grounds={finding: ()})
    for signals in ctx.of("signals"):
        parts.extend(windows(signals, ctx.ports.limits.evidence_chars, limit=1)[0])
    judged, labelled = await ctx.fill(Engagement, {}, parts)
    subject = str(ctx.envelope.inputs["lead_id"])
    claims = ctx.held(
        # A reason is what was quoted: a model's own wording would be a claim without proof.
        claim(ctx.task, subject, "engagement_reason", None, (citation,), text=citation.quote)
        for reason in judged.reasons
        if (citation := located(reason.support, labelled)) is not None
    )
    # An assessment nobody can show a reason for is not made.
    held = judged.model_dump(include={"engagement", "intent"}) if claims else dict(_NOTHING)
    finding = f"Engagement is {held['engagement']}, intent {held['intent']}."
    return WorkerResult(
        task_key=ctx.task.task_key,
        claims=tuple(claims),
        findings=(finding,),
        grounds={finding: tuple(c.claim_id for c in claims)},
        outputs={**held, "reasons": [c.claim_id for c in claims]},
    )
