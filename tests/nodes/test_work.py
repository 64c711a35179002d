"""The work itself, kind by kind: what a task makes of its evidence and of the results it builds on."""

from collections.abc import Mapping
from typing import Any

import pytest

from contracts.evidence import ResearchArtifact, Source, Trust, WorkerResult, payload_sha256
from contracts.outputs import CitedAnswer, Engagement, FactSheet
from contracts.ports import NodeLimits, Prompt, Toolbox
from contracts.tasks import TaskKind
from graph.context import Record
from nodes.aggregator import contradictions
from nodes.reviewer import checked
from nodes.work.answer import UNSUPPORTED, answer_question
from nodes.work.context import WorkContext, claim
from nodes.work.draft import draft_message
from nodes.work.engagement import assess_engagement
from nodes.work.facts import extract_facts
from nodes.work.next_steps import recommend_next_steps
from nodes.work.proposals import propose_writebacks
from nodes.work.stage import assess_stage
from tests.nodes.bench import chat, crm, model, ports, record, task
from tests.policies.build import envelope, package

TALK = chat(
    "[2026-10-02T10:00:00Z] lead: My budget is 350k, in Northgate.\n[2026-10-02T11:00:00Z] agent: Booked for Friday."
)
EARLIER = chat("[2026-09-01T10:00:00Z] lead: My budget is 300k.", conversation="C-0")
LEAD = record(name="Ada Marsh", stage="contacted", budget_max=300_000)
BOARD = ResearchArtifact(
    need="board",
    kind="board",
    source=Source(system="root", entity="board", id="kanban"),
    text="order: [...]",
    trust=Trust.SYSTEM,
    data={"order": ["new", "contacted", "qualified", "viewing", "won", "lost"]},
)


class Says:
    """A model that fills each schema as it is told, whatever it is shown."""

    def __init__(self, *answers: Mapping[str, Any]) -> None:
        self._answers = list(answers)
        self.asked: list[Prompt] = []

    async def fill(self, output: type, prompt: Prompt, *, tools: Toolbox | None = None) -> Any:
        self.asked.append(prompt)
        said = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return output.model_validate(said)


def fact(key: str, value: str, quote: str, evidence: str = "E1") -> dict[str, Any]:
    return {"key": key, "value": value, "support": {"evidence": evidence, "quote": quote}}


def context(kind: TaskKind, *evidence: ResearchArtifact, model: Any = None, asked: Any = None, **results: Any):
    scope = ("lead", "chat", "board", "documents", "page")
    given = ports(asked or crm(), **({"model": model} if model else {}), **results.pop("changes", {}))
    made = {key: WorkerResult(task_key=key, **value) for key, value in results.items()}
    one = task(kind.value, kind=kind, needs=scope)
    return WorkContext(given, asked or crm(), one, package(task_key=kind.value, data_scope=scope), evidence, made)


def facts(ctx: WorkContext, result: WorkerResult) -> dict[str, str]:
    return {f["key"]: f["value"] for f in result.outputs["facts"]}


async def test_facts_are_extracted_from_each_conversation_and_the_latest_word_stands() -> None:
    kept = Record()
    ctx = context(TaskKind.EXTRACT_FACTS, TALK, EARLIER, LEAD, model=model(kept))
    result = await extract_facts(ctx)
    assert facts(ctx, result)["budget"] == "350k"
    assert {c.value for c in result.claims if c.attribute == "budget"} == {"350k", "300k"}
    assert {c.attribute for c in result.claims if c.citations[0].artifact_id == LEAD.artifact_id} == {"budget_max"}
    texts = {a.artifact_id: a.text for a in (TALK, EARLIER, LEAD)}
    for made in result.claims:
        for c in made.citations:
            assert texts[c.artifact_id][c.start : c.end] == c.quote
    assert [call.status for call in kept.models] == ["ok", "ok"]


LIES = {
    "a-quote-that-is-not-there": fact("budget", "350k", "my budget is 999k"),
    "evidence-that-was-not-shown": fact("budget", "350k", "My budget is 350k", "E9"),
    "a-key-that-was-not-asked-for": fact("password", "350k", "My budget is 350k"),
    "no-value": fact("budget", "  ", "My budget is 350k"),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
async def test_what_a_model_can_not_show_is_not_claimed(lie: Mapping[str, Any]) -> None:
    result = await extract_facts(context(TaskKind.EXTRACT_FACTS, TALK, model=Says({"facts": [lie]})))
    assert result.claims == ()
    assert result.outputs["facts"] == []
    assert "budget" in result.outputs["unknown"]


async def test_the_missions_own_fact_schema_is_asked_for() -> None:
    asked = crm(inputs={"lead_id": "L-1", "fact_schema": [{"key": "mood", "description": "how they feel"}]})
    model = Says({"facts": []})
    result = await extract_facts(context(TaskKind.EXTRACT_FACTS, TALK, model=model, asked=asked))
    assert result.outputs["unknown"] == ["mood"]
    assert [k["key"] for k in model.asked[0].parameters["fact_schema"]] == ["mood"]


async def test_a_lead_without_a_conversation_is_said_to_have_none() -> None:
    result = await extract_facts(context(TaskKind.EXTRACT_FACTS, LEAD))
    assert [c.attribute for c in result.claims] == ["budget_max"]
    assert "no conversation" in result.findings[0]


async def test_a_part_that_was_not_read_is_said_not_to_have_been() -> None:
    long = chat("\n".join(f"lead: message {n}" for n in range(200)))
    model = Says({"facts": []})
    changes = {"limits": NodeLimits(evidence_chars=100)}
    result = await extract_facts(context(TaskKind.EXTRACT_FACTS, long, model=model, changes=changes))
    assert "were not read" in result.findings[0]
    assert len(model.asked) == 4


async def test_evidence_outside_the_tasks_scope_is_not_seen() -> None:
    ctx = context(TaskKind.EXTRACT_FACTS, TALK)
    narrow = WorkContext(ctx.ports, ctx.envelope, ctx.task, package(data_scope=("lead",)), [TALK], {})
    assert (await extract_facts(narrow)).claims == ()


async def test_engagement_is_assessed_with_reasons() -> None:
    result = await assess_engagement(context(TaskKind.ASSESS_ENGAGEMENT, TALK))
    assert result.outputs["engagement"] in {"low", "medium", "high"}
    assert result.outputs["reasons"] == [c.claim_id for c in result.claims]


async def test_a_reason_says_what_was_quoted_and_not_what_a_model_makes_of_it() -> None:
    shown = {"evidence": "E1", "quote": "My budget is 350k, in Northgate."}
    reason = {"text": "The lead has cash proof of $2M", "support": shown}
    said = {"engagement": "high", "intent": "ready", "reasons": [reason]}
    result = await assess_engagement(context(TaskKind.ASSESS_ENGAGEMENT, TALK, model=Says(said)))
    assert [c.text for c in result.claims] == ["My budget is 350k, in Northgate."]


async def test_an_assessment_without_a_reason_that_can_be_shown_is_not_made() -> None:
    said = {
        "engagement": "high",
        "intent": "ready",
        "reasons": [{"text": "!", "support": {"evidence": "E1", "quote": "no"}}],
    }
    result = await assess_engagement(context(TaskKind.ASSESS_ENGAGEMENT, TALK, model=Says(said)))
    assert (result.outputs["engagement"], result.outputs["intent"], result.claims) == ("low", "unclear", ())


BOOKED = {"key": "visit_booked", "value": "true", "claim_id": "cl_1"}
AREA, BEDS, BUDGET = ({"key": k, "value": "x", "claim_id": f"cl_{k}"} for k in ("area", "beds", "budget"))
STAGES = {
    "a-visit-booked": ([BOOKED], "contacted", "medium", "viewing", ["cl_1"]),
    "much-known": ([AREA, BEDS, BUDGET], "contacted", "medium", "qualified", ["cl_area", "cl_beds", "cl_budget"]),
    "much-known-but-little-engaged": ([AREA, BEDS, BUDGET], "new", "low", "contacted", None),
    "in-conversation": ([AREA], "new", "medium", "contacted", ["cl_area"]),
    "nothing-known": ([], "new", "medium", "new", []),
    "never-backwards": ([AREA], "viewing", "medium", "viewing", []),
    "not-out-of-an-end": ([BOOKED], "won", "high", "won", []),
    "a-stage-that-is-not-on-the-board": ([BOOKED], "limbo", "high", "limbo", []),
}


@pytest.mark.parametrize(("known", "at", "engagement", "to", "grounds"), STAGES.values(), ids=STAGES)
async def test_a_stage_is_suggested_from_what_is_known_and_never_backwards(
    known: Any, at: str, engagement: str, to: str, grounds: Any
) -> None:
    ctx = context(
        TaskKind.ASSESS_STAGE,
        record(stage=at),
        BOARD,
        extract_facts={"outputs": {"facts": known}},
        assess_engagement={"outputs": {"engagement": engagement}},
    )
    outputs = (await assess_stage(ctx)).outputs
    assert (outputs["current"], outputs["suggested"]) == (at, to)
    assert grounds is None or outputs["claim_ids"] == grounds


THREE = [AREA, BEDS, BUDGET]
BOARDS = {
    "a-name-that-denies": (["New", "Disqualified", "Qualified"], "New", THREE, "Qualified"),
    "only-a-name-that-denies": (["New", "Unqualified", "Offer", "Sold"], "New", THREE, "New"),
    "a-refusal": (["Enquiry", "Not interested", "Interested"], "Enquiry", THREE, "Interested"),
    "a-lost-one": (["Enquiry", "Lost interest", "Won"], "Enquiry", THREE, "Enquiry"),
    "a-word-within-another": (["Enquiry", "Under review", "Viewing"], "Enquiry", [BOOKED], "Viewing"),
    "called-off": (["Enquiry", "Viewing cancelled", "Viewings"], "Enquiry", [BOOKED], "Viewings"),
    "not-yet-contacted": (["Fresh", "ToContact", "InContact"], "Fresh", [AREA], "InContact"),
    "a-board-without-ends": (["Enquiry", "Viewing"], "Enquiry", [BOOKED], "Viewing"),
    "an-end-anywhere": (["Enquiry", "Closed lost", "Viewing", "Offer", "Paid"], "Closed lost", [BOOKED], "Closed lost"),
    "a-key-that-is-no-visit": (["Enquiry", "Viewing"], "Enquiry", [BOOKED | {"key": "visitor_parking"}], "Enquiry"),
    "a-visit-called-off": (["Enquiry", "Viewing"], "Enquiry", [BOOKED | {"key": "visit_cancelled"}], "Enquiry"),
}


@pytest.mark.parametrize(("order", "at", "known", "to"), BOARDS.values(), ids=BOARDS)
async def test_a_boards_names_are_read_by_whole_words(order: list[str], at: str, known: Any, to: str) -> None:
    keys = [{"key": fact["key"], "description": "Whether it was booked"} for fact in known]
    ctx = context(
        TaskKind.ASSESS_STAGE,
        record(stage=at),
        BOARD.model_copy(update={"data": {"order": order}}),
        asked=crm(inputs={"lead_id": "L-1", "fact_schema": keys}),
        extract_facts={"outputs": {"facts": known}},
        assess_engagement={"outputs": {"engagement": "medium"}},
    )
    assert (await assess_stage(ctx)).outputs["suggested"] == to


async def test_next_steps_follow_from_what_is_known_and_what_is_not() -> None:
    stage = {"outputs": {"current": "contacted", "suggested": "viewing", "reason": "a visit has been booked"}}
    ctx = context(
        TaskKind.RECOMMEND_NEXT_STEPS,
        extract_facts={"outputs": {"facts": [BOOKED], "unknown": ["budget", "pets"]}},
        assess_stage=stage,
        assess_engagement={"outputs": {"engagement": "medium"}},
    )
    steps = (await recommend_next_steps(ctx)).outputs["next_steps"]
    assert [s.split(" ")[0] for s in steps] == ["Confirm", "Move", "Ask"]
    assert "budget, pets" in steps[2]


async def test_a_draft_says_back_what_they_said_and_on_what_ground() -> None:
    known = {"outputs": {"facts": [AREA, BOOKED]}}
    draft = (await draft_message(context(TaskKind.DRAFT_MESSAGE, LEAD, extract_facts=known))).outputs["draft"]
    assert draft["text"].startswith("Hello Ada,")
    assert draft["claim_ids"] == ["cl_area"]


async def proposed(*evidence: ResearchArtifact, at: str = "contacted", to: str = "viewing"):
    ctx = context(TaskKind.EXTRACT_FACTS, TALK, LEAD)
    extracted = await extract_facts(ctx)
    known = extracted.outputs["facts"]
    stage = {"current": at, "suggested": to, "reason": "r", "claim_ids": [known[0]["claim_id"]]}
    work = context(
        TaskKind.PROPOSE_WRITEBACKS,
        *evidence,
        extract_facts={"claims": extracted.claims, "outputs": extracted.outputs},
        assess_stage={"outputs": stage},
        recommend_next_steps={"outputs": {"next_steps": ["Call them."]}},
    )
    return (await propose_writebacks(work)).proposals


async def test_proposals_say_exactly_what_would_change_and_on_whose_word() -> None:
    made = await proposed(TALK, LEAD)
    changes = [(p.operation, p.before, p.after) for p in made]
    assert ("patch", {"stage": "contacted"}, {"stage": "viewing"}) in changes
    assert ("patch", {"budget_max": 300_000}, {"budget_max": 350_000}) in changes
    assert ("task", {}, {"title": "Call them."}) in changes
    for p in made:
        assert p.precondition == '"1"'
        assert p.payload_sha256 == payload_sha256(p.target, p.operation, p.precondition, p.before, p.after)
        assert p.citations
    assert len({p.proposal_id for p in made}) == len(made)


HELD = {
    "yes-and-true": ("pets", "yes", "true", None),
    "a-number-in-words": ("beds", "3", "three", None),
    "a-scale": ("budget", "350,000", "350k", None),
    "a-number-and-its-unit": ("beds", 3, "three bedrooms", None),
    "another-truth": ("pets", "no", "true", "yes"),
    "another-truth-of-a-boolean": ("pets", False, "true", True),
    "another-number": ("budget", 300_000, "350k", 350_000),
    "an-address-where-a-number-is-held": ("plot", 12, "12 Oak Court", None),
    "another-address": ("home", "12 Mill Lane", "12 Oak Court", "12 Oak Court"),
}


@pytest.mark.parametrize(("key", "held", "said", "after"), HELD.values(), ids=HELD)
async def test_a_record_is_corrected_only_where_it_says_something_else(
    key: str, held: Any, said: str, after: Any
) -> None:
    lead = record(name="Ada Marsh", stage="new", **{key: held})
    ground = claim(task("extract_facts"), "L-1", key, said, (), text=f"{key}: {said}")
    known = [{"key": key, "value": said, "claim_id": ground.claim_id}]
    ctx = context(
        TaskKind.PROPOSE_WRITEBACKS,
        lead,
        extract_facts={"claims": (ground,), "outputs": {"facts": known}},
        assess_stage={"outputs": {"current": "new", "suggested": "new", "reason": "", "claim_ids": []}},
        recommend_next_steps={"outputs": {"next_steps": []}},
    )
    patches = [(p.before, p.after) for p in (await propose_writebacks(ctx)).proposals if p.operation == "patch"]
    assert patches == ([] if after is None else [({key: held}, {key: after})])


async def test_a_records_own_denial_is_claimed_held_and_contradicts_what_they_say() -> None:
    talk = chat("lead: We have two dogs.")
    lead = record(name="Ada Marsh", pets=False)
    said = Says({"facts": [fact("pets", "true", "We have two dogs.")]})
    result = await extract_facts(context(TaskKind.EXTRACT_FACTS, talk, lead, model=said))
    evidence = {str(a.artifact_id): a for a in (talk, lead)}
    assert [checked(c, evidence, {}).value_supported for c in result.claims] == [True, True]
    assert [{v.value for v in found.values} for found in contradictions(result.claims)] == [{"true", "False"}]


DOCUMENT = ResearchArtifact(
    need="documents",
    kind="document",
    source=Source(system="root", entity="document", id="D-1"),
    text="Pets are welcome. Fees are due in May.",
    trust=Trust.OPERATOR,
)
QUESTION = envelope(mission_type="oracle_advisory", inputs={"question": "Are pets welcome?"})


def cited(status: str, *quotes: str) -> dict[str, Any]:
    return {"status": status, "text": "Sure thing!", "support": [{"evidence": "E1", "quote": q} for q in quotes]}


async def test_an_answer_is_made_of_what_was_quoted_and_not_of_the_models_words() -> None:
    model = Says(cited("supported", "Pets are welcome."))
    result = await answer_question(context(TaskKind.ANSWER_QUESTION, DOCUMENT, model=model, asked=QUESTION))
    assert result.outputs["answer"]["text"] == "Pets are welcome."
    assert result.outputs["answer"]["claim_ids"] == [c.claim_id for c in result.claims]


SAYING = {"evidence": "[E3]", "quote": "We move on 3 May"}


@pytest.mark.parametrize("hosted", [None, Says(cited("supported") | {"support": [SAYING]})], ids=["built-in", "hosted"])
async def test_a_question_about_a_lead_is_answered_from_their_own_words_too(hosted: Any) -> None:
    talk = chat("lead: We move on 3 May, with our parrot Ozymandias.\nagent: Noted!")
    asked = envelope(mission_type="oracle_advisory", inputs={"question": "When do they move with their parrot?"})
    evidence = (DOCUMENT, talk, record(name="Ada Marsh"))
    result = await answer_question(context(TaskKind.ANSWER_QUESTION, *evidence, model=hosted, asked=asked))
    assert {c.citations[0].artifact_id for c in result.claims} == {talk.artifact_id}
    assert result.outputs["answer"]["text"].startswith("We move on 3 May, with our parrot Ozymandias.")


UNANSWERED = {
    "no-document": ((), cited("supported", "Pets")),
    "a-model-that-finds-nothing": ((DOCUMENT,), cited("unsupported")),
    "a-model-that-quotes-nothing": ((DOCUMENT,), cited("supported")),
    "a-model-that-makes-its-quote-up": ((DOCUMENT,), cited("supported", "Lions are welcome.")),
}


@pytest.mark.parametrize(("evidence", "said"), UNANSWERED.values(), ids=UNANSWERED)
async def test_what_the_evidence_does_not_support_is_said_to_be_unsupported(evidence: Any, said: Any) -> None:
    ctx = context(TaskKind.ANSWER_QUESTION, *evidence, model=Says(said), asked=QUESTION)
    result = await answer_question(ctx)
    assert result.outputs["answer"] == {"text": UNSUPPORTED, "status": "unsupported", "claim_ids": []}
    assert result.outputs["open_questions"] == ["Are pets welcome?"]


def test_the_schemas_that_models_fill_are_closed() -> None:
    for schema in (FactSheet, Engagement, CitedAnswer):
        described = schema.model_json_schema()
        for one in (described, *described.get("$defs", {}).values()):
            assert one["additionalProperties"] is False
