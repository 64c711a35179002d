"""Reviewer: every quote at its place, every value from its quote, one revision, and a refusal when nothing holds."""

from collections.abc import Callable
from typing import Any

import pytest

from contracts.errors import BadInput
from contracts.evidence import Citation, Claim, WorkerResult
from contracts.packets import ReviewPacket
from contracts.registry import Kind
from contracts.tasks import TaskPlan
from graph.channels import ref_of, set_ref
from nodes.aggregator import merged
from nodes.reviewer import checked, reviewer
from nodes.work.context import claim
from tests.nodes.bench import Results, Shelf, chat, crm, ports, task

CHAT = chat("lead: I want three beds in Northgate.\nlead: No pets.")
EVIDENCE = {str(CHAT.artifact_id): CHAT}


def claimed(attribute: str, value: str | None, words: str, **changes: Any) -> Claim:
    start = CHAT.text.index(words)
    said = {"artifact_id": CHAT.artifact_id, "quote": words, "start": start, "end": start + len(words)} | changes
    text = words if value is None else f"{attribute}: {value}"
    return claim(task("extract_facts"), "L-1", attribute, value, (Citation(**said),), text=text)


GOOD = claimed("area", "Northgate", "in Northgate.")
BEDS = claimed("beds", "3", "three beds")
BAD = claimed("beds", "4", "three beds")
FORGED = {
    "another-word": claimed("area", "Northgate", "in Northgate.", quote="in Northgata."),
    "another-place": claimed("area", "Northgate", "in Northgate.", start=0, end=13),
    "an-empty-quote": claimed("area", None, "in Northgate.", quote="", end=0, start=0),
    "evidence-nobody-gathered": claimed("area", "Northgate", "in Northgate.", artifact_id="ra_nothing"),
    "beyond-the-end": claimed("area", None, "No pets.", end=10_000),
    "a-value-that-is-not-there": BAD,
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
def test_a_claim_that_its_quote_does_not_carry_fails(forged: Claim) -> None:
    check = checked(forged, EVIDENCE, {forged.claim_id: "extract_facts"})
    assert not (check.quote_verbatim and check.value_supported)
    assert check.reason
    assert check.task_key == "extract_facts"


OWN_WORDS = {
    "no-value": claimed("engagement_reason", None, "I want"),
    "a-value-that-holds": GOOD,
}


@pytest.mark.parametrize("held", OWN_WORDS.values(), ids=OWN_WORDS)
def test_a_workers_own_words_are_not_verified_by_a_quote_beside_them(held: Claim) -> None:
    assert checked(held, EVIDENCE, {}).value_supported
    assert not checked(
        held.model_copy(update={"text": "The lead has two million in cash"}), EVIDENCE, {}
    ).value_supported


def test_a_claim_without_a_citation_fails() -> None:
    assert not checked(GOOD.model_copy(update={"citations": ()}), EVIDENCE, {}).quote_verbatim


@pytest.mark.parametrize(
    "holds",
    [GOOD, BEDS, claimed("pets", "false", "No pets."), claimed("reason", None, "I want")],
    ids=["words", "a-number-in-words", "a-denial", "a-statement"],
)
def test_a_claim_that_its_quote_carries_passes(holds: Claim) -> None:
    check = checked(holds, EVIDENCE, {})
    assert (check.quote_verbatim, check.value_supported) == (True, True)


PLAN = TaskPlan(
    tasks=(
        task("extract_facts"),
        task("other", expected_output="engagement"),
        task("after", "extract_facts", expected_output="next_steps"),
        task("last", "after", expected_output="draft"),
    ),
    rationale="r",
)


async def reviewed(
    *claims: Claim, revision: int = 1, outputs: tuple[str, ...] = ("facts",), **brought: Any
) -> tuple[ReviewPacket, Any]:
    shelf, results = Shelf(), Results()
    facts = [{"key": c.attribute, "value": str(c.value), "claim_id": c.claim_id} for c in claims]
    result = WorkerResult(task_key="extract_facts", claims=claims, outputs={"facts": facts, **brought})
    await results.save(revision, result, [])
    packet = merged([result])
    await shelf.put(revision, PLAN, packet, CHAT)
    state: Any = {
        "revision": revision,
        "plan": ref_of(PLAN),
        "packet": ref_of(packet),
        "evidence": set_ref(Kind.RESEARCH_ARTIFACT, revision, [CHAT]),
    }
    made = await reviewer(state, ports(crm(requested_outputs=outputs), artifacts=shelf, results=results))
    verdict = made.artifacts[0]
    assert isinstance(verdict, ReviewPacket)
    assert made.channels == {"verdict": verdict.verdict}
    return verdict, made.events[0]


async def test_claims_that_hold_are_released_each_with_its_check() -> None:
    verdict, event = await reviewed(GOOD, BEDS)
    assert (verdict.verdict, verdict.withheld, verdict.revise_tasks) == ("release", (), ())
    assert [c.claim_id for c in verdict.checks] == [GOOD.claim_id, BEDS.claim_id]
    assert event.event_type == "review.completed"


async def test_what_does_not_hold_is_revised_once_with_all_that_builds_on_it() -> None:
    verdict, event = await reviewed(GOOD, BAD)
    assert verdict.verdict == "revise"
    assert set(verdict.revise_tasks) == {"extract_facts", "after", "last"}
    assert verdict.withheld == ()
    assert event.event_type == "review.revised"


async def test_what_still_does_not_hold_is_withheld() -> None:
    verdict, _ = await reviewed(GOOD, BAD, revision=2)
    assert (verdict.verdict, verdict.withheld) == ("release", (BAD.claim_id,))


REFUSED: dict[str, Callable[[], Any]] = {
    "no-claim-holds": lambda: reviewed(BAD, revision=2),
    "nothing-for-an-output": lambda: reviewed(GOOD, outputs=("facts", "draft")),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
async def test_it_refuses_when_nothing_is_left_of_what_was_asked_for(case: Callable[[], Any]) -> None:
    verdict, event = await case()
    assert verdict.verdict == "refuse"
    assert verdict.reasons
    assert event.payload["verdict"] == "refuse"


async def test_a_mission_without_any_claim_is_released_when_it_says_what_is_not_known() -> None:
    verdict, _ = await reviewed(unknown=["budget"])
    assert verdict.verdict == "release"


async def test_an_output_that_no_task_was_planned_for_is_not_missed() -> None:
    verdict, _ = await reviewed(GOOD, outputs=("facts", "answer"))
    assert verdict.verdict == "release"


async def test_nothing_is_reviewed_for_a_mission_that_was_not_admitted() -> None:
    with pytest.raises(BadInput):
        await reviewer({}, ports())
