"""Extract facts: what the lead wants, key by key of the fact schema, from each conversation on its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from contracts.evidence import Citation, Claim, ResearchArtifact, WorkerResult
from contracts.outputs import FactSheet
from contracts.sameness import truth
from nodes.fact_schema import asked_schema
from nodes.ground import Topic, ground_of, topics
from nodes.recompute import supported
from nodes.wording import fact_text, record_text
from nodes.work.context import WorkContext, claim, located
from nodes.work.windows import Window, windows


async def extract_facts(ctx: WorkContext) -> WorkerResult:
    """Fill the fact schema from every conversation; a later word stands over an earlier one."""
    schema = asked_schema(ctx.envelope)
    about = topics(schema)
    parameters = {"fact_schema": [key.model_dump(mode="json", exclude_none=True) for key in schema]}
    subject = str(ctx.envelope.inputs["lead_id"])
    made: list[Claim] = []
    findings: list[str] = []
    for chat in sorted(ctx.of("chat"), key=_last_word):
        parts, skipped = windows(chat, ctx.ports.limits.evidence_chars)
        if skipped:
            findings.append(f"The first {skipped} characters of a long conversation were not read.")
        for part in parts:
            made += await _found(ctx, part, parameters, about, subject)
    if not ctx.of("chat"):
        findings.append("There is no conversation with this lead yet.")
    record = _record_claims(ctx, about.keys(), subject)
    claims = ctx.held(made)
    final = {c.attribute: c for c in claims}
    return WorkerResult(
        task_key=ctx.task.task_key,
        claims=(*claims, *ctx.held(record)),
        findings=tuple(findings),
        grounds=dict.fromkeys(findings, ()),
        outputs={
            "facts": [{"key": k, "value": c.value, "claim_id": c.claim_id} for k, c in sorted(final.items())],
            "unknown": sorted(about.keys() - set(final)),
        },
    )


async def _found(
    ctx: WorkContext, part: Window, parameters: dict[str, Any], about: Mapping[str, Topic], subject: str
) -> list[Claim]:
    sheet, labelled = await ctx.fill(FactSheet, parameters, [part])
    made = []
    for fact in sheet.facts:
        citation = located(fact.support, labelled)
        value = fact.value.strip()
        if fact.key in about and citation is not None and value:
            if _silent(value, citation, part.artifact, fact.key, about[fact.key]):
                continue
            sure = 1.0 if value.lower() in citation.quote.lower() else 0.8
            text = fact_text(fact.key, value)
            made.append(claim(ctx.task, subject, fact.key, value, (citation,), text=text, confidence=sure))
    return made


def _silent(value: str, citation: Citation, chat: ResearchArtifact, key: str, topic: Topic) -> bool:
    """Tell whether a ``false`` rests on nothing said: what a conversation doesn't say is left out.

    Else the silence of one stretch of a conversation would stand over what another says.
    """
    return truth(value) is False and not supported(value, ground_of(citation, chat, key, topic))[0]


def _last_word(chat: ResearchArtifact) -> tuple[str, str]:
    """Order conversations by the time of their last message, those without times first."""
    last = chat.text.rsplit("\n", 1)[-1]
    return (last[1 : last.find("]")] if last.startswith("[") else "", chat.source.id)


def _record_claims(ctx: WorkContext, keys: Collection[str], subject: str) -> list[Claim]:
    """Return what the root's own record says on the same keys, to be held against the conversation.

    A record's field speaks on a key when it has its name, or its name with an ending (``budget_max`` on ``budget``).
    """
    made = []
    for record in ctx.of("lead"):
        offset = 0
        for line in record.text.split("\n"):
            name, _, value = line.partition(": ")
            if value and any(name == key or name.startswith(f"{key}_") for key in keys):
                end = offset + len(line)
                citation = Citation(artifact_id=record.artifact_id, quote=line, start=offset, end=end)
                made.append(claim(ctx.task, subject, name, value, (citation,), text=record_text(line), confidence=1.0))
            offset += len(line) + 1
    return made
