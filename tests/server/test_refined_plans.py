"""Whole missions whose plan a hosted model refines, over both providers' real clients."""

import json
from typing import Any

from tests.adapters.models.wire import Reply, Wire
from tests.server.test_tool_calls import about_a_lead, asked, assert_verifies, service, told, wire
from tests.support import Service, pretty

__all__ = ["service", "wire"]

QUESTION = "Which flats have a garden, and how much is the service charge each month?"
GARDEN, CHARGE = "Which flats have a garden?", "How much is the service charge each month?"
TEXTS = {"Flats": "Ground floor flats have a garden.", "Charges": "The service charge is 120 each month."}


def answer(quote: str) -> Reply:
    support = [{"evidence": f"E{n}", "quote": quote} for n in (1, 2)]
    return Reply(calls=(("CitedAnswer", {"status": "supported", "text": quote, "support": support}),))


async def answered(service: Service) -> dict[str, Any]:
    documents = [
        {"document_id": f"D-{title}", "title": title, "source": "s", "media_type": "text/plain", "text": text}
        for title, text in TEXTS.items()
    ]
    await service._put("documents", documents)
    mission_id = await service.submit("oracle_advisory", inputs={"question": QUESTION})
    return await service.settled(mission_id)


async def test_a_question_of_two_parts_is_worked_on_as_two_tasks(wire: Wire, service: Service) -> None:
    parts = [{"task": "answer_question", "focus": focus} for focus in (GARDEN, CHARGE)]
    wire.script("PlanRefinement", Reply(calls=(("PlanRefinement", {"parts": parts}),)))
    wire.script("CitedAnswer", answer(TEXTS["Flats"]), answer(TEXTS["Charges"]))
    ended = await answered(service)
    assert ended["status"] == "completed", pretty(ended["failure"])
    [plan] = await told(service, ended, "plan.created")
    assert ([t["task_key"] for t in plan["tasks"]], plan["refinement"]) == (
        ["answer_question", "answer_question_2"],
        "refined",
    )
    assert ended["packet"]["answer"]["status"] == "supported"
    assert sorted(ended["packet"]["answer"]["text"].split(". ")) == sorted(" ".join(TEXTS.values()).split(". "))
    questions = {q for body in asked(wire, "CitedAnswer") for q in (GARDEN, CHARGE) if q in json.dumps(body)}
    assert questions == {GARDEN, CHARGE}
    routed = [p["subject"] for p in await told(service, ended, "gate.routing")]
    assert sorted(routed) == ["answer_question", "answer_question_2", "planner"]
    await assert_verifies(service, ended)


async def test_the_plan_is_asked_for_before_anything_untrusted_is_read(wire: Wire, service: Service) -> None:
    ended = await answered(service)
    kinds = [e["event_type"] for e in await service.events(ended["mission_id"])]
    assert kinds.index("model.called") < kinds.index("plan.created") < kinds.index("tool.called")
    [body] = asked(wire, "PlanRefinement")
    assert not [text for text in TEXTS.values() if text in json.dumps(body)]
    await assert_verifies(service, ended)


async def test_a_plan_without_a_choice_costs_no_call(wire: Wire, service: Service) -> None:
    waiting = await about_a_lead(service)
    assert waiting["usage"]["model_calls"] == 2
    assert asked(wire, "PlanRefinement") == []
