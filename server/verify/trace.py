"""From a claim to what it stands on and what became of it: quote, source, rules, people and times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from server.verify import archive
from server.verify.approvals import decision_of, request_of
from server.verify.contents import Contents, Event, read
from server.verify.plain import Broken, Record, canonical


@dataclass(frozen=True)
class Step:
    """One step: what it is (``quote``, ``rule``, ``approver`` …), what is said of it, when, and what names it."""

    what: str
    said: str
    at: str = ""
    ref: str = ""


def opened(data: bytes) -> Contents:
    """Read a bundle's bytes.

    Raises:
        Broken: it is no bundle.
    """
    return read(archive.members(data))


def claims(c: Contents) -> list[dict[str, str]]:
    """Return the released claims: ``claim_id, text, quote, source``, each with its first quote."""
    found = []
    for claim in c.packet.records("claims") if c.packet is not None else []:
        first = claim.records("citations")[0]
        source = _source(c, first.text("artifact_id"))
        names = {"claim_id": claim.text("claim_id"), "text": claim.text("text")}
        found.append({**names, "quote": first.text("quote"), "source": source})
    return found


def trace(c: Contents, claim_id: str) -> list[Step]:
    """Return the steps from a claim to what was written on its grounds.

    Raises:
        Broken: the bundle holds no such claim, or not what it stands on.
    """
    given = c.packet.records("claims") if c.packet is not None else []
    claim = next((one for one in given if one.text("claim_id") == claim_id), None)
    if claim is None:
        raise Broken(f"the bundle holds no released claim {claim_id[:60]}")
    steps = [Step("claim", claim.text("text"), ref=claim_id)]
    for citation in claim.records("citations"):
        source = citation.text("artifact_id")
        where = f"{source} {citation.whole('start')}-{citation.whole('end')}"
        steps += [Step("quote", citation.text("quote"), ref=where), Step("source", _source(c, source), ref=source)]
    task = _task(c, claim, steps)
    steps += _review(c, claim_id)
    steps += [
        _gate(event) for event in c.events_of("gate.admission", "gate.scope", "gate.routing") if _for(event, task)
    ]
    quotes = {canonical(citation.fields) for citation in claim.records("citations")}
    for approval in c.approvals:
        for proposal in request_of(approval).records("proposals"):
            if quotes & {canonical(one.fields) for one in proposal.records("citations")}:
                steps += _proposal(c, approval, proposal)
    return steps


def _source(c: Contents, artifact_id: str) -> str:
    evidence = c.artifact(artifact_id, "ra_")
    source = evidence.record("source").fields
    name = " ".join(str(source[key]) for key in ("system", "entity", "id") if source.get(key))
    return f"{name} ({evidence.text('kind')}, {evidence.text('trust')})"


def _task(c: Contents, claim: Record, steps: list[Step]) -> str:
    """Add the task that made the claim, and return its key."""
    for event in c.events_of("task.completed"):
        result = c.artifacts.get(event.fields.text_or_none("artifact_id") or "")
        made = result.records("claims") if result is not None else []
        if result is not None and any(one.text("claim_id") == claim.text("claim_id") for one in made):
            task = result.text("task_key")
            steps.append(Step("task", task, event.fields.text("timestamp"), f"event {event.seq}"))
            return task
    return ""


def _review(c: Contents, claim_id: str) -> Iterator[Step]:
    for event in c.events_of("review.completed")[-1:]:
        review = c.artifact(event.fields.text("artifact_id"), "rp_")
        for check in review.records("checks"):
            if check.text("claim_id") == claim_id:
                yield Step("review", check.text("reason"), event.fields.text("timestamp"), f"event {event.seq}")


def _for(event: Event, task: str) -> bool:
    return event.type == "gate.admission" or event.payload.fields.get("subject") == task


def _gate(event: Event) -> Step:
    name = event.payload.text("decision_id")
    said = f"{event.type} {event.payload.text('outcome')}: {', '.join(event.payload.texts('rules'))}"
    return Step("rule", said, event.fields.text("timestamp"), name)


def _proposal(c: Contents, approval: Record, proposal: Record) -> Iterator[Step]:
    name = proposal.text("proposal_id")
    target = proposal.record("target")
    said = f"{proposal.text('operation')} {target.text('entity')} {target.text('id')}: {_json(proposal.value('after'))}"
    yield Step("proposal", said, approval.text("created_at"), name)
    for event in c.events_of("gate.release"):
        if event.payload.fields.get("subject") == name:
            yield _gate(event)
    for event in c.events_about("interrupt_id", "approval.given", "approval.decided").get(
        approval.text("interrupt_id"), []
    ):
        yield from _answer(approval, event, name)
    for event in c.events:
        if event.type.startswith("writeback.") and event.payload.fields.get("proposal_id") == name:
            yield Step(event.type, _json(target.fields), event.fields.text("timestamp"), f"event {event.seq}")


def _answer(approval: Record, event: Event, proposal_id: str) -> Iterator[Step]:
    decision = decision_of(approval) if event.type == "approval.decided" else None
    given = decision.records("answers") if decision is not None else []
    verdicts = [one.text("verdict") for one in given if one.text("proposal_id") == proposal_id]
    said = f"{event.fields.text('actor')}: {verdicts[0] if verdicts else event.type.removeprefix('approval.')}"
    yield Step("approver", said, event.fields.text("timestamp"), f"event {event.seq}")


def _json(value: Any) -> str:
    return canonical(value).decode()
