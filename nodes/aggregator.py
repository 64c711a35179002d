"""Aggregator: all results as one packet, with the evidence matrix and what contradicts what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from contracts.base import ArtifactId
from contracts.errors import BadInput
from contracts.events import EventType, NewEvent
from contracts.evidence import Claim, Grounds, WorkerResult
from contracts.packets import (
    AggregationPacket,
    Answer,
    Contradiction,
    ContradictionValue,
    EvidenceRow,
    Fact,
    Metric,
)
from contracts.ports import Ports, StepResult
from contracts.registry import artifact_id
from contracts.sameness import amount, differ, same
from contracts.state import MissionState
from contracts.tasks import TaskPlan
from nodes.answers import answer_of, questions_of

_BRIEF_FINDINGS = 6
_OPEN_FACT = "Open: the latest conversation is shown as the fact; a person should ask."
_OPEN_ANSWER = "Open: the documents disagree and each is quoted; a person should decide which one holds."


async def aggregator(state: MissionState, ports: Ports) -> StepResult:
    """Merge the results of all tasks, in the plan's order.

    Raises:
        BadInput: a task of the plan has no result.
    """
    plan = await ports.artifacts.one(TaskPlan, state["plan"])
    done = await ports.results.done(state["revision"])
    if missing := [t.task_key for t in plan.tasks if t.task_key not in done]:
        raise BadInput(f"task {missing[0]} has no result", code="result_missing")
    packet = merged([done[t.task_key] for t in plan.tasks])
    payload = {
        "claims": len(packet.claims),
        "contradictions": len(packet.contradictions),
        "proposals": len(packet.writebacks),
    }
    event = NewEvent(event_type=EventType.AGGREGATION_COMPLETED, payload=payload, artifact_id=artifact_id(packet))
    return StepResult(artifacts=(packet,), events=(event,))


def merged(results: Sequence[WorkerResult]) -> AggregationPacket:
    """Merge results into one packet; a claim made twice appears once."""
    outputs = {key: value for result in results for key, value in result.outputs.items()}
    claims = tuple({c.claim_id: c for result in results for c in result.claims}.values())
    facts = tuple(Fact.model_validate(fact) for fact in outputs.get("facts", []))
    said = answer_of(results)
    answer = Answer.model_validate(said) if said is not None else None
    findings = tuple(dict.fromkeys(finding for result in results for finding in result.findings))
    conflicts = contradictions(claims)
    open_questions = [*questions_of(results), *(f"Not known: {k}" for k in outputs.get("unknown", []))]
    open_questions += [f"Which {c.attribute.replace('_', ' ')} is right?" for c in conflicts]
    return AggregationPacket(
        summary=_summary(facts, answer, findings, len(conflicts)) if "metrics" not in outputs else _brief(findings),
        claims=claims,
        facts=facts,
        answer=answer,
        metrics=tuple(Metric.model_validate(metric) for metric in outputs.get("metrics", [])),
        findings=findings,
        next_steps=tuple(outputs.get("next_steps", [])),
        drafts=tuple([outputs["draft"]] if "draft" in outputs else []),
        contradictions=conflicts,
        open_questions=tuple(open_questions),
        writebacks=tuple(p for result in results for p in result.proposals),
        evidence_matrix=matrix(claims),
        grounds=_grounds(results),
    )


def _grounds(results: Sequence[WorkerResult]) -> Grounds:
    """Return what each statement rests on; what two results state alike rests on what either says."""
    found: dict[str, dict[str, None]] = {}
    for result in results:
        for text, claims in result.grounds.items():
            found.setdefault(text, {}).update(dict.fromkeys(claims))
    return {text: tuple(claims) for text, claims in found.items()}


def _summary(facts: Sequence[Fact], answer: Answer | None, findings: Sequence[str], conflicts: int) -> str:
    if answer is not None:
        return answer.text
    known = "; ".join(f"{f.key.replace('_', ' ')}: {f.value}" for f in facts) or "nothing is known yet"
    rest = f" {conflicts} contradictions need a look." if conflicts else ""
    return f"{known}. {' '.join(findings)}{rest}".strip()


def _brief(findings: Sequence[str]) -> str:
    return " ".join(findings[:_BRIEF_FINDINGS])


def matrix(claims: Iterable[Claim]) -> tuple[EvidenceRow, ...]:
    """Return which claims each artifact carries."""
    rows: dict[ArtifactId, list[str]] = defaultdict(list)
    for claim in claims:
        for citation in claim.citations:
            if claim.claim_id not in rows[citation.artifact_id]:
                rows[citation.artifact_id].append(claim.claim_id)
    return tuple(EvidenceRow(artifact_id=a, claim_ids=tuple(ids)) for a, ids in sorted(rows.items()))


def contradictions(claims: Sequence[Claim]) -> tuple[Contradiction, ...]:
    """Find what different pieces of evidence say differently about the same attribute of the same subject.

    Within one conversation a later word replaces an earlier one and is no contradiction. A record's ``x_min`` and
    ``x_max`` are bounds on ``x``.
    """
    by_attribute: dict[tuple[str, str], dict[str, Claim]] = defaultdict(dict)
    for claim in claims:
        if claim.value is not None:
            by_attribute[claim.subject, claim.attribute][claim.citations[0].artifact_id] = claim
    found = []
    for (subject, attribute), said in by_attribute.items():
        values = _different(said.values())
        values += [c for c in _bounds(by_attribute, subject, attribute) if any(_outside(v, c) for v in values)]
        if len(values) > 1:
            found.append(_contradiction(subject, attribute, values))
    return tuple(found)


def _bounds(
    by_attribute: Mapping[tuple[str, str], Mapping[str, Claim]], subject: str, attribute: str
) -> Iterable[Claim]:
    for ending in ("_min", "_max"):
        yield from by_attribute.get((subject, attribute + ending), {}).values()


def _outside(said: Claim, bound: Claim) -> bool:
    value, limit = amount(str(said.value)), amount(str(bound.value))
    if value is None or limit is None or differ(str(said.value), str(bound.value)):
        return False
    return value > limit if bound.attribute.endswith("_max") else value < limit


def _different(claims: Iterable[Claim]) -> list[Claim]:
    """Return one claim for each of the values said, the last that said it."""
    found: list[Claim] = []
    for claim in claims:
        told = next((i for i, other in enumerate(found) if same(str(other.value), str(claim.value))), None)
        if told is None:
            found.append(claim)
        else:
            found[told] = claim
    return found


def _contradiction(subject: str, attribute: str, values: Sequence[Claim]) -> Contradiction:
    return Contradiction(
        subject=subject,
        attribute=attribute,
        values=tuple(ContradictionValue(value=str(c.value), claim_id=c.claim_id) for c in values),
        resolution=_OPEN_ANSWER if attribute == "answer" else _OPEN_FACT,
    )
