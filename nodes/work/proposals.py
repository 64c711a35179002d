"""Propose writebacks: exactly what would change, against which version, on whose word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from contracts.base import ProposalId
from contracts.canonical import digest
from contracts.evidence import (
    Claim,
    ResearchArtifact,
    Target,
    WorkerResult,
    WritebackProposal,
    payload_sha256,
)
from contracts.links import has_link, without_links
from contracts.mission import Level
from contracts.sameness import amount, same, truth
from nodes.answers import answer_of
from nodes.work.context import WorkContext

_YES_NO = (("true", "false"), ("yes", "no"), ("y", "n"))

Operation = Literal["patch", "note", "task", "message"]
RISKS: Mapping[str, Level] = {
    "note": Level.LOW,
    "task": Level.LOW,
    "patch": Level.MEDIUM,
    "message": Level.HIGH,
}
"""How much can go wrong with each operation: what only adds, what replaces, and what goes out to somebody."""


async def propose_writebacks(ctx: WorkContext) -> WorkerResult:
    """Propose what the mission's class may write: changes of the lead, or an addition to a page."""
    made = _page_proposals(ctx) if "page" in ctx.task.needs and ctx.of("page") else _lead_proposals(ctx)
    return WorkerResult(task_key=ctx.task.task_key, proposals=tuple(made))


def _lead_proposals(ctx: WorkContext) -> list[WritebackProposal]:
    record = ctx.first("lead")
    claims = {c.claim_id: c for c in ctx.results["extract_facts"].claims}
    facts = {f["key"]: claims[f["claim_id"]] for f in ctx.results["extract_facts"].outputs["facts"]}
    stage = ctx.results["assess_stage"].outputs
    steps = ctx.results["recommend_next_steps"].outputs["next_steps"]
    made: list[WritebackProposal] = []
    if stage["suggested"] != stage["current"]:
        grounds = [claims[i] for i in stage["claim_ids"]]
        change = ({"stage": stage["current"]}, {"stage": stage["suggested"]})
        made.append(_proposal(ctx, record, "patch", change, grounds, f"Stage move: {stage['reason']}."))
    for key, ground in sorted(facts.items()):
        if (corrected := _correction(record.data, key, str(ground.value))) is not None:
            why = f"The lead's own word on {key.replace('_', ' ')} differs from the record."
            made.append(_proposal(ctx, record, "patch", corrected, [ground], why))
    if facts:
        lines = "; ".join(f"{k.replace('_', ' ')}: {c.value}" for k, c in sorted(facts.items()))
        note = {"text": without_links(f"From the conversation: {lines}")}
        made.append(_proposal(ctx, record, "note", ({}, note), list(facts.values()), "Keep what the lead said."))
    if steps and facts:
        task = {"title": without_links(steps[0])}
        made.append(_proposal(ctx, record, "task", ({}, task), list(facts.values())[:3], "The next step."))
    return made


def _correction(record: Mapping[str, Any], key: str, value: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return before and after of a record's field that a fact contradicts, or None.

    Only a field that the record has is corrected: a fact can't make up new fields of the root.
    """
    name = next((n for n in (key, f"{key}_max") if record.get(n) not in (None, "")), None)
    if name is None:
        return None
    said = _like(record[name], value)
    if said is None or has_link(value) or same(str(record[name]), value):
        return None
    return {name: record[name]}, {name: said}


def _like(held: Any, value: str) -> Any:
    """Return a value as the record holds it: a number for a number, "no" for "yes"; None when it isn't one."""
    if isinstance(held, bool):
        return truth(value)
    if isinstance(held, int | float):
        number = amount(value)
        return number if number is None else int(number) if number == int(number) else float(number)
    if truth(str(held)) is None:
        return value
    said = truth(value)
    return None if said is None else next(pair[not said] for pair in _YES_NO if str(held).strip().casefold() in pair)


def _page_proposals(ctx: WorkContext) -> list[WritebackProposal]:
    page = ctx.first("page")
    parts = [r for r in ctx.results.values() if "answer" in r.outputs]
    answer = answer_of(parts)
    if answer is None or answer["status"] == "unsupported":
        return []
    addition = {"question": ctx.envelope.inputs["question"], "answer": answer["text"]}
    grounds = [c for part in parts for c in part.claims if c.claim_id in answer["claim_ids"]]
    change = ({"advisory": page.data.get("advisory")}, {"advisory": addition})
    return [_proposal(ctx, page, "patch", change, grounds, "Add the answer to the page.")]


def _proposal(
    ctx: WorkContext,
    record: ResearchArtifact,
    operation: Operation,
    change: tuple[dict[str, Any], dict[str, Any]],
    grounds: list[Claim],
    rationale: str,
) -> WritebackProposal:
    before, after = change
    target = Target(system=record.source.system, entity=record.source.entity, id=record.source.id)
    citations = tuple(c for ground in grounds for c in ground.citations)
    sha = payload_sha256(target, operation, record.source.etag, before, after)
    return WritebackProposal(
        proposal_id=ProposalId("wp_" + digest([ctx.task.task_key, sha])[:24]),
        target=target,
        operation=operation,
        precondition=record.source.etag,
        before=before,
        after=after,
        rationale=rationale,
        citations=citations,
        taint=(),  # the graph's to say
        risk_level=RISKS[operation],
        payload_sha256=sha,
    )
