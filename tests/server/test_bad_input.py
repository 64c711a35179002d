"""What can be sent that should not be: every refusal is a problem with a stable code, and none shows the inside."""

import asyncio
import json
from http import HTTPStatus
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import APIRouter, FastAPI

from server import body as reading
from server import errors
from server.body import MAX_BODY
from server.routes.parts import BoundedRoute
from tests.support import GOAL, Service

API = "/api/colony"
BODY: dict[str, Any] = {"mission_type": "crm_lead_intelligence", "user_goal": GOAL, "inputs": {"lead_id": "L-1"}}
BRIEF: dict[str, Any] = {"mission_type": "catalyst_strategy_brief", "user_goal": GOAL}
FIELDS = {"type", "title", "status", "code", "detail", "trace_id"}
INSIDE = ("Traceback", "psycopg", "pydantic", "/work/", "site-packages", "select ", "colony_missions", 'File "')


def check(answer: httpx.Response, status: int, code: str, *named: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert FIELDS <= set(problem) <= FIELDS | {"hint"}
    assert (problem["status"], problem["code"], problem["type"]) == (status, code, "about:blank")
    assert problem["title"] == HTTPStatus(status).phrase
    assert len(problem["trace_id"]) == 32
    assert problem["trace_id"] == answer.headers["X-Trace-Id"]
    assert not [word for word in INSIDE if word in answer.text], answer.text
    for word in named:
        assert word in problem["detail"] + problem.get("hint", ""), answer.text


def with_inputs(**inputs: Any) -> dict[str, Any]:
    return {**BODY, "inputs": inputs}


BODIES = {
    "broken": (b'{"mission_type": ', 400, "malformed", ""),
    "not-utf-8": (b'{"mission_type": "\xff"}', 400, "malformed", ""),
    "no-object": (b"[1, 2]", 400, "malformed", "object"),
    "a-text": (b'"hello"', 400, "malformed", "object"),
    "deep": (b"[" * 100_000, 400, "malformed", ""),
    "deep-and-closed": (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, 400, "malformed", ""),
    "a-little-too-deep": (b'{"metadata":' + b'{"a":' * 33 + b"1" + b"}" * 34, 400, "malformed", "32"),
    "nan": (b'{"metadata": {"a": NaN}}', 400, "malformed", ""),
    "infinity": (b'{"metadata": {"a": -Infinity}}', 400, "malformed", ""),
    "endless-integer": (b'{"token_budget": ' + b"9" * 5_000 + b"}", 400, "malformed", ""),
    "large": (b'{"user_goal": "' + b"a" * 10_000_000 + b'"}', 413, "too_large", str(MAX_BODY)),
}
FIELD_CASES: dict[str, tuple[dict[str, Any], str, str]] = {
    "nothing": ({}, "invalid_input", "mission_type"),
    "no-goal": ({"mission_type": "oracle_advisory"}, "invalid_input", "user_goal"),
    "type-unknown": ({**BODY, "mission_type": "free_form"}, "invalid_input", "mission_type"),
    "type-no-text": ({**BODY, "mission_type": ["crm_lead_intelligence"]}, "invalid_input", "mission_type"),
    "brief-of-nothing": ({**BRIEF, "inputs": {}}, "missing_input", "exactly one of campaign_id and dataset"),
    "brief-of-two": ({**BRIEF, "inputs": {"campaign_id": "a", "dataset": "b"}}, "missing_input", "exactly one"),
    "brief-period": ({**BRIEF, "inputs": {"dataset": "b", "period": "soon"}}, "wrong_input", "inputs.period"),
    "goal-blank": ({**BODY, "user_goal": " \n "}, "invalid_input", "user_goal"),
    "goal-long": ({**BODY, "user_goal": "x" * 4_001}, "invalid_input", "user_goal"),
    "goal-number": ({**BODY, "user_goal": 5}, "invalid_input", "user_goal"),
    "goal-nul": ({**BODY, "user_goal": "a\x00b"}, "text_unstorable", "user_goal"),
    "goal-half-a-pair": ({**BODY, "user_goal": "a\ud83db"}, "text_unstorable", "user_goal"),
    "metadata-key-nul": ({**BODY, "metadata": {"a\x00": 1}}, "text_unstorable", "metadata"),
    "metadata-deep-nul": ({**BODY, "metadata": {"a": [{"b": "\x00"}]}}, "text_unstorable", "metadata.a.0.b"),
    "metadata-list": ({**BODY, "metadata": []}, "invalid_input", "metadata"),
    "metadata-huge": ({**BODY, "metadata": {"n": 2**63}}, "number_unstorable", "metadata.n"),
    "unknown-field": ({**BODY, "tenant_id": "other"}, "invalid_input", "tenant_id"),
    "surface": ({**BODY, "origin_surface": "A B"}, "invalid_input", "origin_surface"),
    "budget-zero": ({**BODY, "token_budget": 0}, "invalid_input", "token_budget"),
    "budget-huge": ({**BODY, "token_budget": 10**30}, "number_unstorable", "token_budget"),
    "budget-text": ({**BODY, "token_budget": "100"}, "invalid_input", "token_budget"),
    "budget-boolean": ({**BODY, "token_budget": True}, "invalid_input", "token_budget"),
    "budget-part": ({**BODY, "time_budget_ms": 1.5}, "invalid_input", "time_budget_ms"),
    "outputs-text": ({**BODY, "requested_outputs": "facts"}, "invalid_input", "requested_outputs"),
    "outputs-unknown": ({**BODY, "requested_outputs": ["poem"]}, "unknown_output", "poem"),
    "outputs-many": ({**BODY, "requested_outputs": ["facts"] * 21}, "invalid_input", "requested_outputs"),
    "inputs-none": ({**BODY, "inputs": {}}, "missing_input", "inputs.lead_id"),
    "inputs-null": ({**BODY, "inputs": None}, "invalid_input", "inputs"),
    "inputs-unknown": (with_inputs(lead_id="L-1", prompt="x"), "unknown_input", "inputs.prompt"),
    "inputs-of-another-class": (with_inputs(lead_id="L-1", document_ids=[]), "unknown_input", "inputs.document_ids"),
    "a-branch": (
        {**BODY, "mission_type": "oracle_advisory", "inputs": {"question": "?", "page": "P", "branch": "draft"}},
        "unknown_input",
        "inputs.branch",
    ),
    "lead-number": (with_inputs(lead_id=5), "wrong_input", "inputs.lead_id"),
    "lead-blank": (with_inputs(lead_id="  "), "wrong_input", "inputs.lead_id"),
    "lead-object": (with_inputs(lead_id={"$ne": ""}), "wrong_input", "inputs.lead_id"),
    "schema-text": (with_inputs(lead_id="L-1", fact_schema="area"), "wrong_input", "inputs.fact_schema"),
    "schema-keyless": (with_inputs(lead_id="L-1", fact_schema=[{"values": []}]), "missing_input", "fact_schema.0.key"),
}  # fmt: skip


@pytest.fixture
async def client(service: Service) -> httpx.AsyncClient:
    return service.client


async def test_a_body_that_comes_too_slowly_is_refused_as_such(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_LONGEST_S", 0.2)
    url = service.client.base_url
    receiving, sending = await asyncio.open_connection(url.host, url.port)
    head = f"POST {API}/missions HTTP/1.1\r\nHost: {url.host}\r\nContent-Length: 1000\r\n\r\n"
    sending.write(head.encode() + b'{"mission_type": ')
    try:
        # To its end: who sends slowly doesn't keep the connection either.
        answer = await asyncio.wait_for(receiving.read(), 10)
    finally:
        sending.close()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"body_too_slow" in answer


async def test_a_body_that_cant_be_read_is_refused(client: httpx.AsyncClient) -> None:
    for name, (body, status, code, named) in BODIES.items():
        answer = await client.post(f"{API}/missions", content=body, headers={"Content-Type": "application/json"})
        check(answer, status, code, named)
        assert (await client.get(f"{API}/health")).status_code == 200, name


async def test_a_body_of_unknown_length_is_refused_before_its_end(service: Service) -> None:
    head = f"POST {API}/missions HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"%x\r\n" % 10_000 + b"a" * 10_000 + b"\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", service.client.base_url.port)
    writer.write(head.encode() + chunk * 110)
    status = await asyncio.wait_for(reader.readline(), 10)
    writer.close()
    assert status.startswith(b"HTTP/1.1 413 ")


async def test_the_first_wrong_field_is_named(client: httpx.AsyncClient) -> None:
    for name, (body, code, named) in FIELD_CASES.items():
        answer = await client.post(
            f"{API}/missions", content=json.dumps(body), headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 422, (name, answer.text)
        check(answer, 422, code, named)
    assert (await client.get(f"{API}/missions")).json()["items"] == []


async def test_only_json_is_taken_for_json(client: httpx.AsyncClient) -> None:
    for kind in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
    ):
        answer = await client.post(f"{API}/missions", content=json.dumps(BODY), headers={"Content-Type": kind})
        check(answer, 415, "unsupported_media_type", "application/json")
    for kind in ("application/json", "application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.x+json"):
        answer = await client.post(f"{API}/missions", content=json.dumps(BODY), headers={"Content-Type": kind})
        assert answer.status_code == 202, kind
    bare = await client.post(f"{API}/missions", content=json.dumps(BODY).encode())
    assert bare.status_code == 202


async def test_an_accept_header_does_not_change_what_an_error_is(client: httpx.AsyncClient) -> None:
    for accept in ("application/xml", "text/html", "*/*;q=0", "nonsense", "text/event-stream"):
        answer = await client.get(f"{API}/missions/msn_1/events", headers={"Accept": accept})
        check(answer, 404, "mission_not_found")


async def test_numbers_are_read_as_json_has_them(service: Service) -> None:
    body = json.dumps(BODY)[:-1] + ', "token_budget": 5e4, "metadata": {"a": 1.0, "b": 1.5}}'
    answer = await service.client.post(f"{API}/missions", content=body.encode())
    envelope = (await service.mission(answer.json()["mission_id"]))["envelope"]
    assert (envelope["token_budget"], envelope["metadata"]) == (50_000, {"a": 1, "b": 1.5})


async def test_a_text_in_any_language_comes_back_as_it_was_sent(service: Service) -> None:
    goal = "Quelles sont ses envies ? 需要三居室 👩‍👧 \u2028 עברית"
    mission = await service.mission(await service.submit(user_goal=goal))
    assert mission["envelope"]["user_goal"] == goal


COMMANDS = {
    "interrupt-number": ("approve", {"interrupt_id": 5}, "interrupt_id"),
    "decisions-object": ("approve", {"decisions": {}}, "decisions"),
    "verdict-unknown": (
        "approve",
        {"decisions": [{"proposal_id": "p", "payload_sha256": "0", "verdict": "maybe"}]},
        "decisions.0.verdict",
    ),
    "hash-missing": ("approve", {"decisions": [{"proposal_id": "p", "verdict": "approve"}]}, "payload_sha256"),
    "reason-number": ("reject", {"reason": 5}, "reason"),
    "reason-long": ("cancel", {"reason": "x" * 2_001}, "reason"),
    "field-unknown": ("fail", {"because": "x"}, "because"),
}


async def test_a_wrong_command_is_refused_by_the_name_of_its_field(service: Service) -> None:
    mission_id = await service.submit()
    for command, body, named in COMMANDS.values():
        check(await service.post(mission_id, command, **body), 422, "invalid_input", named)


async def test_a_wrong_place_in_the_events_is_refused(service: Service) -> None:
    mission_id = await service.submit()
    url = f"{API}/missions/{mission_id}/events"
    for after in ("-1", "many", str(2**63), "9" * 5_000):
        check(await service.client.get(url, params={"after": after}), 422, "invalid_input", "after")
    for last in ("-1", "abc", str(2**63)):
        headers = {"Last-Event-ID": last, "Accept": "text/event-stream"}
        check(await service.client.get(url, headers=headers), 422, "invalid_input", "last-event-id")


async def test_a_path_that_is_none_is_not_found(client: httpx.AsyncClient) -> None:
    for path in (
        "/",
        "/api",
        f"{API}/",
        f"{API}/missions/",
        f"{API}/mission",
        f"{API}/missions/a/b/c/d",
        "/%00",
        "/..%2f",
    ):
        check(await client.get(path), 404, "not_found")


async def test_a_method_that_a_path_does_not_have_is_told_which_it_has(client: httpx.AsyncClient) -> None:
    for method, path, allowed in (
        ("DELETE", "/missions", {"GET", "POST"}),
        ("PUT", "/missions/msn_1", {"GET"}),
        ("GET", "/missions/msn_1/approve", {"POST"}),
        ("POST", "/health", {"GET"}),
    ):
        answer = await client.request(method, API + path)
        check(answer, 405, "method_not_allowed")
        assert set(answer.headers["Allow"].split(", ")) == allowed


async def test_a_problem_carries_the_callers_trace(client: httpx.AsyncClient) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    assert (await client.get(f"{API}/missions/x", headers=headers)).json()["trace_id"] == trace


async def test_a_fault_inside_shows_nothing_of_the_inside(service: Service, database: str) -> None:
    mission_id = await service.submit()
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute("alter table colony_events rename to secret_table_name")

    answer = await service.client.get(f"{API}/missions/{mission_id}/events")

    check(answer, 500, "internal_error", "trace")
    assert "secret" not in answer.text


async def test_a_route_that_finds_no_end_is_answered_all_the_same() -> None:
    class Hasty(BoundedRoute):
        deadline_s = 0.05

    router = APIRouter(route_class=Hasty)

    @router.get("/endless")
    async def endless() -> None:
        await asyncio.Event().wait()

    app = FastAPI()
    app.include_router(router)
    errors.install(app)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://colony") as client:
        answer = await client.get("/endless")
    check(answer, 503, "timed_out")
    assert answer.headers["Retry-After"] == "1"
