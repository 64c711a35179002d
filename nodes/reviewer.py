"""Reviewer: every quote against the stored evidence, every value against its quote, every output asked for: by code."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from contracts.base import TaskKey
from contracts.errors import BadInput
from contracts.events import EventType, NewEvent
from contracts.evidence import Citation, Claim, ResearchArtifact
from contracts.packets import AggregationPacket, ClaimCheck, Metric, ReviewPacket
from contracts.ports import Ports, StepResult
from contracts.registry import artifact_id
from contracts.state import MissionState
from contracts.tasks import TaskPlan
from nodes.fact_schema import asked_schema
from nodes.gathered import gathered
from nodes.ground import Topic, ground_of, topics
from nodes.recompute import supported
from nodes.recompute_metrics import Check, recomputed
from nodes.wording import is_worded

_LAST_REVISION = 2
_WRONG_SHOWN = 5
_OWN_WORDS = "the claim's text is neither its quote nor its value"


async def reviewer(state: MissionState, ports: Ports) -> StepResult:
    """Make one pass over the packet and give a verdict."""
    envelope = ports.mission.envelope
    if envelope is None:
        raise BadInput("the mission was not admitted", code="not_admitted")
    packet = await ports.artifacts.one(AggregationPacket, state["packet"])
    results = await ports.results.done(state["revision"])
    evidence = {str(a.artifact_id): a for a in await gathered(state, ports, results.values())}
    plan = await ports.artifacts.one(TaskPlan, state["plan"])
    made_by = {c.claim_id: key for key, r in results.items() for c in r.claims}
    counted = await asyncio.to_thread(recomputed, packet.metrics, evidence.values())
    about = topics(asked_schema(envelope))
    checks = [checked(claim, evidence, made_by, counted, about) for claim in packet.claims]
    covered = coverage(packet, plan)
    missing = tuple(o for o in envelope.requested_outputs if o not in covered and _planned(o, plan))
    wrong = tuple(f"{name}: {why}" for name, (_, (held, why)) in counted.items() if not held)
    review = verdict(checks, covered, missing, plan=plan, revision=state["revision"], wrong=wrong)
    kind = EventType.REVIEW_REVISED if review.verdict == "revise" else EventType.REVIEW_COMPLETED
    payload = {
        "verdict": review.verdict,
        "checked": len(checks),
        "recomputed": len(counted),
        "withheld": len(review.withheld),
        "missing": list(missing),
        "reasons": list(review.reasons),
    }
    event = NewEvent(event_type=kind, payload=payload, artifact_id=artifact_id(review))
    return StepResult(artifacts=(review,), channels={"verdict": review.verdict}, events=(event,))


def _planned(output: str, plan: TaskPlan) -> bool:
    return any(task.expected_output == output for task in plan.tasks)


def checked(
    claim: Claim,
    evidence: Mapping[str, ResearchArtifact],
    made_by: Mapping[str, TaskKey | str],
    counted: Mapping[str, tuple[Metric, Check]] = MappingProxyType({}),
    about: Mapping[str, Topic] = MappingProxyType({}),
) -> ClaimCheck:
    """Check one claim: its quotes verbatim at their offsets, its value by recomputation from a quote.

    A metric's value is recomputed from the table that the quote is of. A claim says its quote, or its value in the
    words of code: no worker's own words are verified by a quote beside them.
    """
    verbatim = bool(claim.citations) and all(
        (cited := evidence.get(c.artifact_id)) is not None and _stands(c, cited.text) for c in claim.citations
    )
    holds, why = False, "a quote does not stand in the stored evidence at its place"
    if verbatim and claim.attribute in counted:
        metric, (holds, why) = counted[claim.attribute]
        if str(metric.value) != claim.value:
            holds, why = False, "the claim says another number than the metric"
        elif not is_worded(claim, metric):
            holds, why = False, _OWN_WORDS
    elif verbatim and not is_worded(claim):
        holds, why = False, _OWN_WORDS
    elif verbatim:
        topic = about.get(claim.attribute)
        grounds = [ground_of(c, evidence[c.artifact_id], claim.attribute, topic) for c in claim.citations]
        results = [supported(claim.value, ground) for ground in grounds]
        holds, why = next((r for r in results if r[0]), results[0])
    return ClaimCheck(
        claim_id=claim.claim_id,
        task_key=TaskKey(made_by.get(claim.claim_id, "")),
        quote_verbatim=verbatim,
        value_supported=holds,
        reason=why,
    )


def _stands(citation: Citation, text: str) -> bool:
    start, end = citation.start, citation.end
    return start < end <= len(text) and text[start:end] == citation.quote


def coverage(packet: AggregationPacket, plan: TaskPlan) -> tuple[str, ...]:
    """Return the outputs that the packet has something on, even if that is only that nothing is known."""
    present = {
        "facts": bool(packet.facts) or bool(packet.open_questions) or bool(packet.findings),
        "engagement": bool(packet.findings),
        "stage": bool(packet.findings),
        "next_steps": bool(packet.next_steps),
        "draft": bool(packet.drafts),
        "writebacks": True,
        "answer": packet.answer is not None,
        "open_questions": True,
        "metrics": bool(packet.metrics) or bool(packet.findings),
        "findings": bool(packet.findings),
        "risks": True,
    }
    return tuple(o for o, there in present.items() if there and _planned(o, plan))


def verdict(
    checks: Sequence[ClaimCheck],
    covered: tuple[str, ...],
    missing: tuple[str, ...],
    *,
    plan: TaskPlan,
    revision: int,
    wrong: tuple[str, ...] = (),
) -> ReviewPacket:
    """Decide: revise once what does not hold, then withhold it; refuse when nothing that was asked for is left.

    A metric that is wrong stands behind findings and steps that can't be told apart from it: nothing is released then.
    """
    if wrong:
        shown = "; ".join(wrong[:_WRONG_SHOWN])
        return _packet("refuse", (f"{len(wrong)} metrics do not recompute: {shown}",), checks, covered, missing)
    failed = [c for c in checks if not (c.quote_verbatim and c.value_supported)]
    again = _with_dependants({c.task_key for c in failed if c.task_key}, plan)
    if failed and again and revision < _LAST_REVISION:
        reasons = (f"{len(failed)} of {len(checks)} claims do not hold; their tasks are run once more",)
        return _packet("revise", reasons, checks, covered, missing, again=again)
    withheld = tuple(c.claim_id for c in failed)
    if checks and len(failed) == len(checks):
        return _packet("refuse", ("no claim holds",), checks, covered, missing, withheld=withheld)
    if missing:
        reasons = (f"nothing was delivered for {', '.join(missing)}",)
        return _packet("refuse", reasons, checks, covered, missing, withheld=withheld)
    reasons = (f"{len(checks) - len(failed)} of {len(checks)} claims hold",)
    return _packet("release", reasons, checks, covered, missing, withheld=withheld)


def _with_dependants(keys: set[TaskKey], plan: TaskPlan) -> tuple[TaskKey, ...]:
    """Return the tasks to run again: those named and all that build on them."""
    again = set(keys)
    for task in plan.tasks:
        if again.intersection(task.depends_on):
            again.add(task.task_key)
    return tuple(sorted(again))


def _packet(
    decided: str,
    reasons: tuple[str, ...],
    checks: Sequence[ClaimCheck],
    covered: tuple[str, ...],
    missing: tuple[str, ...],
    *,
    again: tuple[TaskKey, ...] = (),
    withheld: tuple[str, ...] = (),
) -> ReviewPacket:
    return ReviewPacket.model_validate(
        {
            "verdict": decided,
            "reasons": reasons,
            "checks": tuple(checks),
            "covered": covered,
            "missing": missing,
            "revise_tasks": again,
            "withheld": withheld,
        }
    )
