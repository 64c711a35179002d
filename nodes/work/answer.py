"""Answer a question from documents, or say that they do not support an answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from contracts.evidence import Claim, WorkerResult
from contracts.outputs import CitedAnswer
from nodes.work.context import WorkContext, claim, located
from nodes.work.disagreement import stated
from nodes.work.windows import Window, windows

UNSUPPORTED = "Not supported by the evidence."


async def answer_question(ctx: WorkContext) -> WorkerResult:
    """Answer with passages of the documents, every one of them quoted and located."""
    question = ctx.task.focus or str(ctx.envelope.inputs["question"])
    parts = []
    room = ctx.ports.limits.evidence_chars
    for document in ctx.of("documents"):
        for part in windows(document, ctx.ports.limits.evidence_chars)[0]:
            if len(part.text) <= room:
                parts.append(part)
                room -= len(part.text)
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


def _claims(ctx: WorkContext, question: str, answered: CitedAnswer, labelled: Mapping[str, Window]) -> Iterator[Claim]:
    """Yield a claim for each quote that is found; of each document the first that states a value carries it.

    Values of one document are no contradiction, so that only the first is held against those of others.
    """
    stating: set[str] = set()
    for quoted in answered.support:
        citation = located(quoted, labelled)
        if citation is None:
            continue
        source = labelled[quoted.evidence].artifact.source
        value = None if source.id in stating else stated(question, citation.quote, source.title)
        if value is not None:
            stating.add(source.id)
        yield claim(ctx.task, question, "answer", value, (citation,), text=citation.quote)


def _unsupported(ctx: WorkContext, question: str) -> WorkerResult:
    answer = {"text": UNSUPPORTED, "status": "unsupported", "claim_ids": []}
    outputs = {"answer": answer, "open_questions": [question]}
    return WorkerResult(task_key=ctx.task.task_key, outputs=outputs)
