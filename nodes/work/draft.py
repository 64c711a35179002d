"""Draft a message to the lead that says back what they said, and nothing else. It is a draft: nothing sends it."""

from __future__ import annotations

from contracts.evidence import WorkerResult
from contracts.links import without_links
from nodes.work.context import WorkContext


async def draft_message(ctx: WorkContext) -> WorkerResult:
    """Write a short message from the facts alone, each named by its claim."""
    record = ctx.first("lead").data
    name = str(record.get("name") or "").split(" ")[0]
    facts = [f for f in ctx.results["extract_facts"].outputs["facts"] if f["value"] not in {"true", "false"}]
    greeting = f"Hello {name}," if name else "Hello,"
    if facts:
        noted = "; ".join(f"{f['key'].replace('_', ' ')}: {f['value']}" for f in facts)
        body = f"thank you for your messages. This is what we have noted: {noted}. Have we got that right?"
    else:
        body = "thank you for getting in touch. What are you looking for, and by when?"
    draft = {
        "channel": "message",
        "to": str(ctx.envelope.inputs["lead_id"]),
        # What a customer wrote sends nobody anywhere.
        "text": without_links(f"{greeting}\n\n{body}"),
        "claim_ids": [f["claim_id"] for f in facts],
    }
    return WorkerResult(task_key=ctx.task.task_key, outputs={"draft": draft})
