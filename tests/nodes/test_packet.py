"""Aggregator, and what is released of its packet: contradictions, and nothing that stands on withheld ground."""

from typing import Any

import pytest

from contracts.errors import BadInput
from contracts.evidence import Citation, Claim, ResearchArtifact, WorkerResult
from contracts.packets import AggregationPacket, Answer, ReviewPacket
from contracts.released import released
from contracts.tasks import TaskPlan
from graph.channels import ref_of
from nodes.aggregator import aggregator, contradictions, merged
from nodes.work.context import claim
from tests.nodes.bench import Results, Shelf, chat, crm, ports, record, task
from tests.policies.build import proposal

OCTOBER = chat("lead: my budget is 300k", conversation="C-1")
NOVEMBER = chat("lead: my budget is 350k, three beds", conversation="C-2")
ROW = record(name="Ada", budget_max=320_000, budget_min=100_000)


def said(artifact: ResearchArtifact, attribute: str, value: str | None, quote: str, subject: str = "L-1") -> Claim:
    start = artifact.text.index(quote)
    citation = Citation(artifact_id=artifact.artifact_id, quote=quote, start=start, end=start + len(quote))
    return claim(task("facts"), subject, attribute, value, (citation,), text=f"{attribute}: {value}")


IN_OCTOBER = said(OCTOBER, "budget", "300k", "my budget is 300k")
IN_NOVEMBER = said(NOVEMBER, "budget", "350k", "my budget is 350k")
AT_MOST = said(ROW, "budget_max", "320000", "budget_max: 320000")
AT_LEAST = said(ROW, "budget_min", "100000", "budget_min: 100000")
CASES = {
    "two-conversations": ([IN_OCTOBER, IN_NOVEMBER], ["300k", "350k"]),
    "a-record-below-what-was-said": ([IN_NOVEMBER, AT_MOST], ["350k", "320000"]),
    "a-record-above-what-was-said": ([said(OCTOBER, "budget", "50k", "budget"), AT_LEAST], ["50k", "100000"]),
    "both": ([IN_OCTOBER, IN_NOVEMBER, AT_MOST], ["300k", "350k", "320000"]),
}
NONE = {
    "within-the-records-bounds": [IN_OCTOBER, AT_MOST, AT_LEAST],
    "the-same-number-written-twice": [IN_OCTOBER, said(NOVEMBER, "budget", "300,000", "budget")],
    "the-same-words-in-another-case": [said(OCTOBER, "a", "Old Mill", "my"), said(NOVEMBER, "a", "old  mill", "my")],
    "a-change-of-mind-within-one-conversation": [IN_NOVEMBER, said(NOVEMBER, "budget", "400k", "three beds")],
    "another-subject": [IN_OCTOBER, said(NOVEMBER, "budget", "350k", "350k", subject="L-2")],
    "another-attribute": [IN_OCTOBER, said(NOVEMBER, "beds", "3", "three beds")],
    "no-value": [said(OCTOBER, "reason", None, "my"), said(NOVEMBER, "reason", None, "my")],
    "nothing": [],
}


@pytest.mark.parametrize(("claims", "values"), CASES.values(), ids=CASES)
def test_what_different_evidence_says_differently_is_a_contradiction(claims: list[Claim], values: list[str]) -> None:
    (found,) = contradictions(claims)
    assert [v.value for v in found.values] == values
    assert {v.claim_id for v in found.values} <= {c.claim_id for c in claims}
    assert found.attribute == "budget"


@pytest.mark.parametrize("claims", NONE.values(), ids=NONE)
def test_what_does_not_differ_is_none(claims: list[Claim]) -> None:
    assert contradictions(claims) == ()


def test_a_claim_made_twice_appears_once() -> None:
    results = [WorkerResult(task_key=k, claims=(IN_OCTOBER, IN_NOVEMBER)) for k in ("a", "b")]
    assert [c.claim_id for c in merged(results).claims] == [IN_OCTOBER.claim_id, IN_NOVEMBER.claim_id]


def test_the_evidence_matrix_has_each_artifact_with_its_claims() -> None:
    made = merged([WorkerResult(task_key="a", claims=(IN_OCTOBER, IN_NOVEMBER, AT_MOST, AT_LEAST))])
    rows = {row.artifact_id: set(row.claim_ids) for row in made.evidence_matrix}
    assert rows == {
        OCTOBER.artifact_id: {IN_OCTOBER.claim_id},
        NOVEMBER.artifact_id: {IN_NOVEMBER.claim_id},
        ROW.artifact_id: {AT_MOST.claim_id, AT_LEAST.claim_id},
    }


def test_what_is_not_known_and_what_contradicts_is_an_open_question() -> None:
    results = [
        WorkerResult(task_key="a", claims=(IN_OCTOBER, IN_NOVEMBER), outputs={"unknown": ["pets"]}),
        WorkerResult(task_key="b", outputs={"open_questions": ["When?"]}),
    ]
    assert merged(results).open_questions == ("When?", "Not known: pets", "Which budget is right?")


async def test_a_task_without_a_result_is_refused() -> None:
    shelf, results = Shelf(), Results()
    plan = TaskPlan(tasks=(task("a"), task("b")), rationale="r")
    await shelf.put(1, plan)
    await results.save(1, WorkerResult(task_key="a"), [])
    state: Any = {"plan": ref_of(plan), "revision": 1}
    with pytest.raises(BadInput) as told:
        await aggregator(state, ports(crm(), artifacts=shelf, results=results))
    assert told.value.code == "result_missing"


async def test_results_are_merged_in_the_plans_order() -> None:
    shelf, results = Shelf(), Results()
    plan = TaskPlan(tasks=(task("z"), task("a")), rationale="r")
    await shelf.put(1, plan)
    for key in ("a", "z"):
        await results.save(1, WorkerResult(task_key=key, findings=(key,)), [])
    state: Any = {"plan": ref_of(plan), "revision": 1}
    made = await aggregator(state, ports(crm(), artifacts=shelf, results=results))
    assert isinstance(made.artifacts[0], AggregationPacket)
    assert made.artifacts[0].findings == ("z", "a")


def whole() -> AggregationPacket:
    """A packet in which something stands on the October claim wherever something can."""
    outputs = {
        "facts": [
            {"key": "budget", "value": "300k", "claim_id": IN_OCTOBER.claim_id},
            {"key": "beds", "value": "3", "claim_id": BEDS.claim_id},
        ],
        "answer": {"text": "300k", "status": "supported", "claim_ids": [IN_OCTOBER.claim_id]},
        "draft": {"text": "You said 300k.", "claim_ids": [IN_OCTOBER.claim_id]},
        "next_steps": ["Show them something for 300k."],
    }
    return merged(
        [
            WorkerResult(
                task_key="a",
                claims=(IN_OCTOBER, IN_NOVEMBER, AT_MOST, BEDS),
                findings=("They have 300k.",),
                proposals=(
                    proposal(proposal_id="p-1", citations=IN_OCTOBER.citations),
                    proposal(proposal_id="p-2", citations=BEDS.citations),
                    proposal(proposal_id="p-3", citations=(*BEDS.citations, *IN_OCTOBER.citations)),
                    proposal(proposal_id="p-4", citations=()),
                ),
                outputs=outputs,
            )
        ]
    )


BEDS = said(NOVEMBER, "beds", "3", "three beds")


def review(*withheld: Claim) -> ReviewPacket:
    names = tuple(c.claim_id for c in withheld)
    return ReviewPacket(verdict="release", reasons=(), checks=(), covered=(), missing=(), withheld=names)


def test_everything_that_stands_on_a_withheld_claim_goes_with_it() -> None:
    shown = released(whole(), review(IN_OCTOBER))
    assert "300k" not in shown.model_dump_json()
    assert IN_OCTOBER.claim_id not in shown.model_dump_json()
    assert shown.answer == Answer(text="Not supported by the evidence.", status="unsupported", claim_ids=())
    assert [f.key for f in shown.facts] == ["beds"]
    assert [p.proposal_id for p in shown.writebacks] == ["p-2"]
    assert [v.value for v in shown.contradictions[0].values] == ["350k", "320000"]


def test_a_statement_goes_with_the_claim_it_rests_on_and_with_no_other() -> None:
    grounds = {"On money.": (IN_OCTOBER.claim_id,), "On beds.": (BEDS.claim_id,), "On nothing.": ()}
    texts = (*grounds, "On who knows what.")
    made = [
        WorkerResult(task_key="a", claims=(IN_OCTOBER, BEDS), findings=texts, grounds=grounds),
        WorkerResult(task_key="b", outputs={"next_steps": list(texts)}, grounds={"On beds.": (AT_MOST.claim_id,)}),
    ]
    packet = merged(made)
    assert packet.grounds["On beds."] == (BEDS.claim_id, AT_MOST.claim_id), "what two state rests on what either says"
    shown = released(packet, review(IN_OCTOBER))
    assert shown.findings == shown.next_steps == ("On beds.", "On nothing.")
    assert set(shown.grounds) == {"On beds.", "On nothing."}
    assert released(packet, review()).findings == texts


def test_what_was_stored_without_grounds_keeps_its_hash() -> None:
    assert not {"grounds", "fetched"} & WorkerResult(task_key="a").model_dump().keys()
    assert "grounds" not in merged([WorkerResult(task_key="a")]).model_dump()


def test_a_contradiction_needs_two_sides_that_hold() -> None:
    assert released(whole(), review(IN_OCTOBER, AT_MOST)).contradictions == ()


def test_what_holds_is_released_as_it_is_and_verified() -> None:
    packet = whole()
    shown = released(packet, review())
    assert {c.status for c in shown.claims} == {"verified"}
    assert [p.proposal_id for p in shown.writebacks] == ["p-1", "p-2", "p-3"], "without a quote nothing is proposed"
    same = {"summary", "facts", "answer", "findings", "next_steps", "drafts", "contradictions", "evidence_matrix"}
    assert shown.model_dump(include=same) == packet.model_dump(include=same)


def test_a_quote_that_a_withheld_claim_shares_carries_no_proposal() -> None:
    shared = said(NOVEMBER, "baths", "4", "three beds")
    packet = merged(
        [WorkerResult(task_key="a", claims=(BEDS, shared), proposals=(proposal(citations=BEDS.citations),))]
    )
    assert released(packet, review()).writebacks
    assert released(packet, review(shared)).writebacks == ()
