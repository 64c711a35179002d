"""Colony away, slow, switched off, or refusing the key: one structured answer, and the product goes on."""

import asyncio
import logging
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from colony_gateway import (
    Caller,
    ColonyGateway,
    Degraded,
    DegradedCode,
    GatewayMisconfigured,
    GatewaySettings,
    MissionRequest,
)
from tests.gateway.conftest import KEY, says, settings

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
BODY = {"mission_type": "crm_lead_intelligence", "user_goal": "What next?", "inputs": {"lead_id": "L-1"}}
JSON = "Content-Type: application/json"


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A body that never ends, a byte at a time: each byte comes soon, the whole never."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{")
    await writer.drain()


PROBLEM = "Content-Type: application/problem+json"
AWAY = says("503 Service Unavailable", '{"code": "store_unavailable"}', PROBLEM, "Retry-After: 7")
NAMED = says("401 Unauthorized", f'{{"code": "unauthenticated", "detail": "{KEY}"}}', PROBLEM)
REDIRECT = says("302 Found", "{}", JSON, "Location: http://127.0.0.1:9/")
PORTAL = says("200 OK", "<html>Log in</html>", "Content-Type: text/html")
CRASH = says("500 Internal Server Error", "Traceback", "Content-Type: text/plain")
CASES = [
    pytest.param(silence, "colony_timeout", id="it-never-answers"),
    pytest.param(trickle, "colony_timeout", id="it-answers-byte-by-byte"),
    pytest.param(cut, "colony_unreachable", id="it-dies-in-the-answer"),
    pytest.param(NAMED, "colony_refused_key", id="401"),
    pytest.param(says("503 Off", '{"code": "disabled"}', JSON), "colony_disabled", id="its-own-switch"),
    pytest.param(AWAY, "colony_failing", id="503"),
    pytest.param(CRASH, "colony_failing", id="500"),
    pytest.param(PORTAL, "colony_answer_unusable", id="a-portal"),
    pytest.param(REDIRECT, "colony_answer_unusable", id="a-redirect"),
    pytest.param(says("200 OK", "[1, 2", JSON), "colony_answer_unusable", id="broken-json"),
    pytest.param(says("200 OK", f'{{"echo": "{KEY}"}}', JSON), "colony_answer_unusable", id="an-echo-of-the-key"),
]


def is_degraded(answer: httpx.Response, code: str) -> dict[str, Any]:
    body = answer.json()
    assert answer.status_code == 503
    assert body["status"] == "degraded"
    assert body["code"] == code
    assert body["reason"]
    assert body["still_works"]
    assert body["retry_after_ms"] > 0
    assert int(answer.headers["Retry-After"]) * 1_000 >= body["retry_after_ms"]
    assert body["trace_id"] == answer.headers["X-Trace-Id"]
    assert KEY not in answer.text + str(answer.headers)
    return dict(body)


@pytest.mark.parametrize(("stands_in", "code"), CASES)
async def test_whatever_is_wrong_has_one_shape_and_no_key_in_it(
    stands_in: Any, code: str, stand_in: Any, open_product: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    # Whatever does answer has the time that a busy machine takes for it.
    soon = {"timeout_ms": 300} if code == "colony_timeout" else {}
    client = await open_product(settings(await stand_in(stands_in), **soon))
    headers = {"traceparent": TRACEPARENT, "Idempotency-Key": "mine"}
    answer = await client.post("/api/colony/missions", json=BODY, headers=headers)
    body = is_degraded(answer, code)
    assert body["trace_id"] == TRACE
    assert body["idempotency_key"] == "mine"
    is_degraded(await client.get("/api/colony/missions/m-1"), code)
    is_degraded(await client.get("/api/colony/missions/m-1/events", headers={"Accept": "text/event-stream"}), code)
    assert (await client.get("/own")).json() == {"own": "works"}
    assert KEY not in caplog.text


async def test_nobody_listens(open_product: Any) -> None:
    client = await open_product(settings("http://127.0.0.1:9"))
    body = is_degraded(await client.get("/api/colony/missions"), "colony_unreachable")
    assert "127.0.0.1" not in str(body)


async def test_switched_off_here_nothing_is_sent(open_product: Any, stand_in: Any) -> None:
    calls = []

    async def noted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.append(1)

    client = await open_product(settings(await stand_in(noted), enabled=False))
    is_degraded(await client.post("/api/colony/missions", json=BODY), "colony_disabled")
    assert not calls


async def test_colonys_own_time_to_come_back_is_passed_on(open_product: Any, stand_in: Any) -> None:
    client = await open_product(settings(await stand_in(AWAY)))
    got = await client.get("/api/colony/missions")
    assert got.headers["Retry-After"] == "7"
    assert "store_unavailable" in got.json()["reason"]


async def test_the_typed_client_raises_nothing_and_gives_the_key_to_repeat_with() -> None:
    async with ColonyGateway(settings("http://127.0.0.1:9")) as gateway:
        request = MissionRequest(mission_type="oracle_advisory", user_goal="Why?", inputs={"question": "Why?"})
        submitted = await gateway.submit(request, Caller(bearer=SecretStr("x\r\ny")))
        assert isinstance(submitted, Degraded)
        assert submitted.code is DegradedCode.UNREACHABLE
        assert submitted.idempotency_key
        for answer in (
            await gateway.mission("../../admin"),
            await gateway.missions(status="running"),
            await gateway.approve("m", {}),
            await gateway.reject("m", "no"),
            await gateway.cancel("m", "no"),
            await gateway.events("m", after=3),
            await gateway.ready(),
        ):
            assert isinstance(answer, Degraded)
        assert KEY not in repr(gateway.settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("COLONY_SERVICE_BASE_URL", "colony.example.com"),
        ("COLONY_TIMEOUT_MS", "0"),
        ("COLONY_ENABLED", "perhaps"),
        ("COLONY_SERVICE_API_KEY", "two\nlines"),
    ],
)
def test_a_wrong_setting_is_named_and_not_repeated(name: str, value: str) -> None:
    with pytest.raises(GatewayMisconfigured) as caught:
        GatewaySettings.from_environment({name: value})
    assert name in str(caught.value)
    assert value not in str(caught.value) or value == "0"


def test_an_empty_setting_is_not_set() -> None:
    given = GatewaySettings.from_environment({"COLONY_SERVICE_BASE_URL": " ", "COLONY_ENABLED": "false"})
    assert given == GatewaySettings(enabled=False)
