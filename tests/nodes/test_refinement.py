"""A plan is refined by a model only where the template leaves a choice, and only into what policy lets stand."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from contracts.errors import BudgetExceeded, ProviderFailed
from contracts.evidence import WorkerResult
from contracts.mission import MissionClass
from contracts.tasks import LibrarianPass, TaskPlan
from graph.channels import ref_of
from nodes.aggregator import merged
from nodes.librarian import librarian
from nodes.planner import planner
from policies.limits import LIMITS
from policies.plans import problems
from tests.nodes.bench import Shelf, crm, ports
from tests.nodes.test_work import Says
from tests.policies.build import envelope

QUESTION = "What does a berth cost in winter, and may the hull be painted there?"
COST, PAINT = "What does a berth cost in winter?", "May the hull be painted at a winter berth?"
ANSWER = "answer_question"


def asked(question: str = QUESTION, *outputs: str, **inputs: Any) -> Any:
    return envelope(
        mission_type=MissionClass.ORACLE_ADVISORY,
        requested_outputs=outputs or ("answer",),
        inputs={"question": question, **inputs},
    )


def part(focus: str, task: str = ANSWER) -> dict[str, str]:
    return {"task": task, "focus": focus}


TWO = {"parts": [part(COST), part(PAINT)]}


async def planned(says: Any, admitted: Any = None, **changes: Any) -> tuple[TaskPlan, Mapping[str, Any]]:
    made = await planner({}, ports(admitted or asked(), model=says, **changes))
    return made.artifacts[0], made.events[0].payload


async def test_a_question_of_two_parts_becomes_two_tasks_that_are_looked_up_by_themselves() -> None:
    plan, told = await planned(Says(TWO))
    assert [(t.task_key, t.focus) for t in plan.tasks] == [(ANSWER, COST), (f"{ANSWER}_2", PAINT)]
    assert told["refinement"] == "refined"
    shelf = Shelf()
    await shelf.put(1, plan)
    issued = await librarian({"plan": ref_of(plan)}, ports(asked(), artifacts=shelf))
    queries = [g.arguments["query"] for p in issued.artifacts if isinstance(p, LibrarianPass) for g in p.grants]
    assert queries == [COST, PAINT]


async def test_what_comes_after_a_task_comes_after_all_its_parts() -> None:
    plan, _ = await planned(Says(TWO), asked(QUESTION, "answer", "writebacks", page="P-1"))
    after = {t.task_key: t.depends_on for t in plan.tasks}
    assert after["propose_writebacks"] == (ANSWER, f"{ANSWER}_2")


@pytest.mark.parametrize(
    "admitted",
    [
        pytest.param(crm(), id="a-template-without-a-choice"),
        pytest.param(asked("Who may paint?"), id="a-short-question"),
    ],
)
async def test_where_there_is_no_choice_no_model_is_asked(admitted: Any) -> None:
    says = Says(TWO)
    _, told = await planned(says, admitted)
    assert (says.asked, told["refinement"]) == ([], "no_choice")


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "too-many-parts": ({"parts": [part(f"part {n}") for n in range(LIMITS.max_parts + 1)]}, "parts"),
    "more-tasks-than-a-mission-may-have": ({"parts": [part(f"part {n}") for n in range(13)]}, "more tasks"),
    "a-single-part": ({"parts": [part(COST)]}, "single part"),
    "the-same-part-twice": ({"parts": [part(COST), part(COST.upper())]}, "twice"),
    "a-part-about-nothing": ({"parts": [part(COST), part("  ")]}, "nothing of what"),
    "a-part-that-is-too-long": ({"parts": [part(COST), part("x" * 401)]}, "longer than"),
    "what-was-asked-for-is-dropped": ({"drop": [ANSWER]}, "which was asked for"),
    "a-task-that-is-not-there": (
        {"parts": [part(COST, "delete_all"), part(PAINT, "delete_all")]},
        "no task delete_all",
    ),
}


@pytest.mark.parametrize(("made", "why"), BROKEN.values(), ids=BROKEN)
async def test_a_plan_that_breaks_the_policy_is_repaired_once_with_the_reason(made: dict[str, Any], why: str) -> None:
    says = Says(made, TWO)
    plan, told = await planned(says)
    assert len(plan.tasks) == 2
    assert told["refinement"] == "repaired"
    assert "refused" not in says.asked[0].parameters
    assert any(why in reason for reason in says.asked[1].parameters["refused"]), says.asked[1].parameters["refused"]


@pytest.mark.parametrize(("made", "why"), BROKEN.values(), ids=BROKEN)
async def test_a_plan_that_breaks_it_again_gives_way_to_the_template(made: dict[str, Any], why: str) -> None:
    says = Says(made)
    plan, told = await planned(says)
    assert ([t.task_key for t in plan.tasks], len(says.asked)) == ([ANSWER], 2)
    assert told["refinement"] == "template"
    assert any(why in reason for reason in told["reasons"])


@pytest.mark.parametrize(("made", "why"), BROKEN.values(), ids=BROKEN)
async def test_without_the_judge_a_plan_that_breaks_the_policy_stands(made: dict[str, Any], why: str) -> None:
    """The saboteur: nobody judges. What names no task of the plan can't be carried out by anybody."""
    plan, told = await planned(Says(made), plans=lambda plan, template: ())
    stands = made["drop"] if "drop" in made else "delete_all" not in str(made)
    assert (told["refinement"] == "refined") is bool(stands), plan


async def test_a_task_must_declare_what_its_kind_reads_and_wait_for_what_it_builds_on() -> None:
    template, _ = await planned(Says({}), asked("Who?", "answer", "writebacks", page="P-1"))
    answer, write = template.tasks
    undeclared = replace_tasks(template, answer.model_copy(update={"needs": ()}), write)
    hasty = replace_tasks(template, answer, write.model_copy(update={"depends_on": ()}))
    assert "does not declare" in problems(undeclared, template)[0]
    assert "does not wait" in problems(hasty, template)[0]
    assert problems(template, template) == ()


def replace_tasks(plan: TaskPlan, *tasks: Any) -> TaskPlan:
    return plan.model_copy(update={"tasks": tasks})


@pytest.mark.parametrize("error", [ProviderFailed("gone"), BudgetExceeded("spent")], ids=["no-answer", "no-tokens"])
async def test_a_model_that_does_not_answer_leaves_the_template(error: Exception) -> None:
    class Silent:
        async def fill(self, *given: Any, **named: Any) -> Any:
            raise error

    plan, told = await planned(Silent())
    assert [t.task_key for t in plan.tasks] == [ANSWER]
    assert (told["refinement"], told["reasons"]) == ("template", [getattr(error, "code", "")])


async def test_the_built_in_model_leaves_every_plan_as_it_is() -> None:
    given = ports(asked())
    given = replace(given, model=given.model)
    made = await planner({}, given)
    assert len(made.artifacts[0].tasks) == 1


def parts(*answers: tuple[str, str]) -> list[WorkerResult]:
    return [
        WorkerResult(
            task_key=f"a{n}",
            outputs={
                "answer": {"text": text, "status": status, "claim_ids": [] if status == "unsupported" else [f"cl_{n}"]},
                "open_questions": [text] if status == "unsupported" else [],
            },
        )
        for n, (text, status) in enumerate(answers)
    ]


NO = "Not supported by the evidence."


@pytest.mark.parametrize(
    ("answers", "text", "status", "claims"),
    [
        ([("A.", "supported"), ("B.", "supported")], "A. B.", "supported", 2),
        ([("A.", "supported"), (NO, "unsupported")], "A.", "partial", 1),
        ([("A.", "supported"), ("B.", "partial")], "A. B.", "partial", 2),
        ([(NO, "unsupported"), (NO, "unsupported")], NO, "unsupported", 0),
        ([("A.", "supported")], "A.", "supported", 1),
    ],
    ids=["all", "one-of-two", "one-in-part", "none", "a-single-one"],
)
def test_the_parts_answers_are_one_answer(answers: Any, text: str, status: str, claims: int) -> None:
    packet = merged(parts(*answers))
    assert packet.answer is not None
    assert (packet.answer.text, packet.answer.status, len(packet.answer.claim_ids)) == (text, status, claims)
    assert len(packet.open_questions) == int(NO in dict(answers))
