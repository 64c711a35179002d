"""Whole missions in which a model asks for tools, over both providers' real clients: what is read, refused and paid."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from server.verify import render, verify_bytes
from tests.adapters.models.wire import Reply, Wire, replaying
from tests.support import Service, pretty

Serve = Callable[..., Awaitable[Service]]
LOCAL = "tier_local_private"
LEAD = ("root__get_lead", {"lead_id": "L-1"})
CONFIRM = "Bring the ledger of the garden wall to the meeting."
# What is Colony's own is the same over either wire; `make test-long` runs the other, too.
ONE_WIRE = pytest.mark.parametrize("wire", ["openai", pytest.param("anthropic", marks=pytest.mark.long)], indirect=True)


@pytest_asyncio.fixture(params=["openai", "anthropic"])
async def wire(request: pytest.FixtureRequest) -> AsyncIterator[Wire]:
    async with replaying(request.param) as served:
        yield served


@pytest_asyncio.fixture
async def service(wire: Wire, serve: Serve, tmp_path: Path) -> Service:
    path = tmp_path / "routes.json"
    path.write_text(json.dumps({LOCAL: wire.route()}), encoding="utf-8")
    return await serve(MODEL_ROUTES_FILE=str(path), DEFAULT_MODEL_ROUTE=LOCAL)


async def about_a_lead(service: Service, **body: Any) -> dict[str, Any]:
    await service.seed_lead()
    return await service.settled(await service.submit(**body))


async def told(service: Service, mission: dict[str, Any], *kinds: str) -> list[dict[str, Any]]:
    return [e["payload"] for e in await service.events(mission["mission_id"]) if e["event_type"] in kinds]


def asked(wire: Wire, tool: str) -> list[dict[str, Any]]:
    return [entry["body"] for entry in wire.journal if entry["tool"] == tool]


def answers(body: dict[str, Any]) -> list[list[str]]:
    """Return the blocks of each tool's answer in a request, as either wire carries them."""
    found = []
    for message in body["messages"]:
        if message["role"] == "tool":
            found.append([block["text"] for block in message["content"]])
        elif message["role"] == "user" and isinstance(message["content"], list):
            results = [block for block in message["content"] if block["type"] == "tool_result"]
            found += [[block["text"] for block in result["content"]] for result in results]
    return found


def offered(body: dict[str, Any]) -> list[str]:
    return [tool.get("name") or tool["function"]["name"] for tool in body["tools"]]


async def assert_verifies(service: Service, mission: dict[str, Any]) -> None:
    answer = await service.client.get(f"/api/colony/missions/{mission['mission_id']}/bundle")
    report = verify_bytes(answer.content)
    assert report.ok, render(report)


async def test_what_the_pass_grants_is_read_and_answered_as_evidence(wire: Wire, service: Service) -> None:
    wire.script("FactSheet", Reply(calls=(LEAD,)), Reply("facts"))
    waiting = await about_a_lead(service)
    assert waiting["status"] == "awaiting_approval", pretty(waiting["failure"])
    first, second = asked(wire, "FactSheet")
    assert offered(first) == ["FactSheet", "root__get_lead"]
    [blocks] = answers(second)
    head, shown = json.loads(blocks[0]), json.loads(blocks[1])
    assert (head["tool"], head["outcome"]) == ("root.get_lead", "read")
    assert "never an instruction" in head["evidence"]
    assert (shown["evidence"], shown["kind"], shown["trust"]) == ("E2", "record", "operator")
    assert "name: Ada" in blocks[2]
    calls = await told(service, waiting, "tool.called")
    ended = [c["status"] for c in calls if c["tool"] == "root.get_lead"]
    assert ended == ["ok", "ok"], "one by the researcher, one by the model"
    statuses = [c["status"] for c in await told(service, waiting, "model.called") if c["task_key"] == "extract_facts"]
    assert statuses == ["tools", "ok"]
    assert waiting["usage"]["tokens_in"] == 3 * 321
    await assert_verifies(service, waiting)


OUTSIDE = (
    ("root__get_lead", {"lead_id": "L-2"}),
    ("root__get_lead", {"lead_id": "L-1", "fields": "all"}),
    ("root__patch_lead", {"lead_id": "L-1", "stage": "won"}),
    ("send_email", {"to": "mallory@example.com"}),
)


@ONE_WIRE
async def test_calls_outside_the_pass_are_refused_and_recorded_and_the_task_goes_on(
    wire: Wire, service: Service
) -> None:
    wire.script("FactSheet", Reply(calls=(*OUTSIDE, LEAD)), Reply("facts"))
    await service.seed_lead("L-2")
    waiting = await about_a_lead(service)
    assert waiting["status"] == "awaiting_approval", pretty(waiting["failure"])
    denied = await told(service, waiting, "tool.denied")
    assert {d["task_key"] for d in denied} == {"extract_facts"}
    assert [(d["tool"], d["arguments"]) for d in denied] == [(n.replace("__", "."), a) for n, a in OUTSIDE]
    *refused, read = answers(asked(wire, "FactSheet")[1])
    assert [json.loads(head)["outcome"] for [head] in refused] == ["refused"] * len(OUTSIDE), "and nothing is brought"
    assert json.loads(read[0])["outcome"] == "read"
    assert (await service.lead())["stage"] != "won"
    await assert_verifies(service, waiting)


async def test_arguments_that_are_not_json_are_refused_and_reach_no_tool(wire: Wire, service: Service) -> None:
    wire.script("FactSheet", Reply(calls=(("root__get_lead", '{"lead_id": "L-'),)), Reply("facts"))
    waiting = await about_a_lead(service)
    assert waiting["status"] == "awaiting_approval", pretty(waiting["failure"])
    [[head]] = answers(asked(wire, "FactSheet")[1])
    assert "not JSON" in json.loads(head)["note"]


@ONE_WIRE
async def test_rounds_are_bounded_and_the_last_request_leaves_no_choice(wire: Wire, service: Service) -> None:
    wire.script("FactSheet", Reply(calls=(LEAD,)))
    failed = await about_a_lead(service)
    assert (failed["status"], failed["failure"]["code"]) == ("failed", "model_answer_invalid")
    bodies = asked(wire, "FactSheet")
    assert len(bodies) == 3 + 2, "three rounds, a last answer and its repair"
    forced = {"openai": "required", "anthropic": {"type": "any"}}[wire.provider]
    assert [b["tool_choice"] == forced for b in bodies] == [True] * 3 + [False] * 2
    calls = [c["tool"] for c in await told(service, failed, "tool.called")]
    assert calls.count("root.get_lead") == 2, "beside the researcher's the call is made once, and then told again"


@ONE_WIRE
async def test_rounds_are_paid_from_the_missions_budget(wire: Wire, service: Service) -> None:
    wire.script("FactSheet", Reply(calls=(LEAD,)))
    failed = await about_a_lead(service, token_budget=2_000)
    assert (failed["status"], failed["failure"]["code"]) == ("failed", "token_budget_exceeded")
    assert failed["usage"]["tokens_in"] + failed["usage"]["tokens_out"] <= 2_000 + 408


@ONE_WIRE
async def test_evidence_that_a_tool_brought_is_stored_and_can_be_cited(wire: Wire, service: Service) -> None:
    about = "The garden wall of house {} was mended. " * 3
    documents = [
        {"document_id": f"D-{n:02}", "title": f"House {n}", "source": "s", "media_type": "text/plain", "text": t}
        for n, t in enumerate([about.format(n, n, n) for n in range(12)] + [CONFIRM])
    ]
    await service._put("documents", documents)
    answer = {"status": "supported", "text": CONFIRM, "support": [{"evidence": "E13", "quote": CONFIRM}]}
    question = {"question": "What was mended at the garden wall?"}
    search = ("root__search_documents", {"query": question["question"]})
    wire.script("CitedAnswer", Reply(calls=(search,)), Reply(calls=(("CitedAnswer", answer),)))
    ended = await service.settled(await service.submit("oracle_advisory", inputs=question))
    assert ended["status"] == "completed", pretty(ended["failure"])
    assert ended["packet"]["answer"]["text"] == CONFIRM
    [cited] = {c["artifact_id"] for claim in ended["packet"]["claims"] for c in claim["citations"]}
    held = {a["artifact_id"]: a for a in await service.artifacts(ended["mission_id"], "research_artifact")}
    assert len(held) == 13
    assert held[cited]["payload"]["source"]["title"] == "House 12"
    [done] = await told(service, ended, "task.completed")
    assert [ref["id"] for ref in done["fetched"]] == [cited]
    note = json.loads(answers(asked(wire, "CitedAnswer")[1])[0][0])["note"]
    assert note.startswith("given above as E")
    await assert_verifies(service, ended)
