"""Answer a question from documents and the lead's words, or say that they do not support one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from contracts.evidence import Claim, WorkerResult
from contracts.outputs import CitedAnswer
from nodes.work.context import WorkContext, claim, located
from nodes.work.disagreement import stated
from nodes.work.windows import Window, windows

UNSUPPORTED = "Not supported by the evidence."


async def answer_question(ctx: WorkContext) -> WorkerResult:
    """Answer with passages of the documents and of what is known of the lead, each of them quoted and located."""
    question = ctx.task.focus or str(ctx.envelope.inputs["question"])
    most = ctx.ports.limits.evidence_chars
    of_lead = _fitting(
        [p for a in (*ctx.of("lead"), *ctx.of("chat")) for p in windows(a, most // 4, limit=1)[0]], most // 2
    )
    room = most - sum(len(part.text) for part in of_lead)
    parts = _fitting([p for document in ctx.of("documents") for p in windows(document, room)[0]], room) + of_lead
    if not parts:
        return _unsupported(ctx, question)
    answered, labelled = await ctx.fill(CitedAnswer, {"question": question}, parts)
    claims = ctx.held(_claims(ctx, question, answered, labelled))
    if answered.status == "unsupported" or not claims:
        return _unsupported(ctx, question)
    # The answer is made of what was quoted: a model's own wording would be a claim without proof.
    text = " ".join(dict.fromkeys(c.text for c in claims))
    answer = {"text": text, "status": answered.status, "claim_ids": [c.claim_id for c in claims]}
    return WorkerResult(task_key=ctx.task.task_key, claims=tuple(claims), outputs={"answer": answer})


def _fitting(parts: Sequence[Window], room: int) -> list[Window]:
    """Return the stretches that there is room for, in characters; a short one may fit where a long one did not."""
    kept = []
    for part in parts:
        if len(part.text) <= room:
            kept.append(part)
            room -= len(part.text)
    return kept


def _claims(ctx: WorkContext, question: str, answered: CitedAnswer, labelled: Mapping[str, Window]) -> Iterator[Claim]:
    """Yield a claim for each quote that is found; of each document the first that states a value carries it.

    Values of one document are no contradiction, so that only the first is held against those of others.
    """
    stating: set[str] = set()
    by_id = {window.artifact.artifact_id: window.artifact for window in labelled.values()}
    for quoted in answered.support:
        citation = located(quoted, labelled)
        if citation is None:
            continue
        artifact = by_id[citation.artifact_id]
        source = artifact.source
        # What a lead says of a price is no second opinion on it.
        told = source.id in stating or artifact.kind != "document"
        value = None if told else stated(question, citation.quote, source.title)
        if value is not None:
            stating.add(source.id)
        yield claim(ctx.task, question, "answer", value, (citation,), text=citation.quote)


def _unsupported(ctx: WorkContext, question: str) -> WorkerResult:
    answer = {"text": UNSUPPORTED, "status": "unsupported", "claim_ids": []}
    outputs = {"answer": answer, "open_questions": [question]}
    return WorkerResult(task_key=ctx.task.task_key, outputs=outputs)
