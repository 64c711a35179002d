"""Both providers' real client libraries against recorded answers over real HTTP."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk

from adapters.models.calling import Calls, calls_of, turn
from adapters.models.messages import request_bytes
from contracts.errors import ModelFailed, ProviderFailed
from contracts.outputs import FactSheet
from contracts.ports import ToolAnswer, ToolOffer
from tests.adapters.models.conftest import Asker
from tests.adapters.models.wire import Reply, Wire

GOOD = Reply("facts")


class _Closed:
    """A toolbox that grants nothing."""

    rounds = 1

    def offers(self) -> tuple[ToolOffer, ...]:
        return ()

    async def use(self, tool: str, arguments: Mapping[str, Any]) -> ToolAnswer:
        return ToolAnswer(note=f"{tool} is not granted", refused=True)


async def test_a_schema_is_filled_by_a_tool_call_that_is_streamed_and_paid_for(asker: Asker, wire: Wire) -> None:
    heard: list[str] = []
    sheet = await asker.ask(lambda *said: heard.append(said[-1]))
    assert [(f.key, f.value) for f in sheet.facts] == [
        ("area", "Northgate"),
        ("budget", "350k"),
        ("visit_booked", "true"),
    ]
    assert json.loads("".join(heard)) == sheet.model_dump(mode="json")
    assert len(heard) > 3
    [call] = asker.calls
    assert (call.status, call.usage_source, call.tokens_in, call.tokens_out) == ("ok", "provider", 321, 87)
    assert call.cost_usd == pytest.approx((321 * 3 + 87 * 15) / 1_000_000)
    assert json.loads(call.response) == sheet.model_dump(mode="json")
    [asked] = wire.journal
    assert asked["body"]["stream"] is True
    assert asked["body"]["max_tokens"] == 1_000
    assert "FactSheet" in json.dumps(asked["body"]["tool_choice"])
    if wire.provider == "openai":
        assert asked["body"]["stream_options"] == {"include_usage": True}


async def test_json_in_the_text_does_where_a_provider_ignores_tools(asker: Asker, wire: Wire) -> None:
    wire.script("FactSheet", Reply("text"))
    assert len((await asker.ask()).facts) == 3
    assert [c.status for c in asker.calls] == ["ok"]


async def test_a_rate_limit_is_waited_out(asker: Asker, wire: Wire) -> None:
    wire.script("FactSheet", Reply("limited", {"retry-after": "0.2"}), GOOD)
    began = asyncio.get_running_loop().time()
    assert (await asker.ask()).facts
    assert asyncio.get_running_loop().time() - began >= 0.2
    assert [(c.status, c.reason, c.tokens_in) for c in asker.calls] == [
        ("failed", "model_rate_limited", 0),
        ("ok", None, 321),
    ]


async def test_a_longer_wait_than_the_bound_is_not_waited_for(asker: Asker, wire: Wire) -> None:
    wire.script("FactSheet", Reply("limited", {"retry-after": "3600"}))
    with pytest.raises(ProviderFailed, match="429") as failed:
        await asker.ask()
    assert failed.value.code == "model_rate_limited"
    assert len(wire.journal) == 1


@pytest.mark.parametrize(
    ("reply", "code", "requests"),
    [
        pytest.param(Reply("unavailable"), "model_unavailable", 3, id="no-fixture-503"),
        pytest.param(Reply("unavailable", status=401), "model_key_refused", 1, id="wrong-key"),
        pytest.param(Reply("unavailable", status=400), "model_request_refused", 1, id="bad-request"),
        pytest.param(
            Reply("unavailable", {"location": "http://127.0.0.1:9/"}, 307), "model_request_refused", 1, id="redirect"
        ),
        pytest.param(Reply("facts", cut="abrupt"), "model_stream_truncated", 3, id="connection-lost"),
        pytest.param(Reply("facts", cut="clean"), "model_stream_truncated", 3, id="end-without-a-reason"),
        pytest.param(Reply("text", cut="clean"), "model_stream_truncated", 3, id="text-without-an-end"),
    ],
)
async def test_a_provider_that_fails_for_good(asker: Asker, wire: Wire, reply: Reply, code: str, requests: int) -> None:
    wire.script("FactSheet", reply)
    with pytest.raises(ProviderFailed) as failed:
        await asker.ask()
    assert failed.value.code == code
    assert "key-of-the-test" not in str(failed.value)
    assert len(wire.journal) == requests
    assert {c.status for c in asker.calls} == {"failed"}
    assert asker.record.reserved == 0


async def test_an_answer_that_broke_off_is_asked_for_again(asker: Asker, wire: Wire) -> None:
    wire.script("FactSheet", Reply("facts", cut="abrupt"), GOOD)
    assert (await asker.ask()).facts
    first, second = asker.calls
    assert (first.status, first.reason, first.usage_source) == ("failed", "model_stream_truncated", "counted")
    assert first.tokens_in > 0
    assert second.status == "ok"


@pytest.mark.parametrize("reply", [Reply("garbled"), Reply("misfit")], ids=["no-json", "another-shape"])
async def test_an_answer_that_does_not_fit_is_repaired_once(asker: Asker, wire: Wire, reply: Reply) -> None:
    wire.script("FactSheet", reply, GOOD)
    assert (await asker.ask()).facts
    assert [c.status for c in asker.calls] == ["invalid", "ok"]
    again = json.dumps(wire.journal[1]["body"]["messages"])
    assert "That answer can't be used" in again
    assert ("not JSON" if reply.recording == "garbled" else "Field required") in again


async def test_an_answer_that_does_not_fit_twice_fails_with_the_reason(asker: Asker, wire: Wire) -> None:
    wire.script("FactSheet", Reply("misfit"))
    with pytest.raises(ModelFailed, match=r"facts\.0\.value: Field required") as failed:
        await asker.ask()
    assert failed.value.code == "model_answer_invalid"
    assert not isinstance(failed.value, ProviderFailed)
    assert [c.status for c in asker.calls] == ["invalid", "invalid"]


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param('{"facts": "\ud83d"}', id="half-a-surrogate-pair"),
        pytest.param('{"facts": "\ud83d', id="half-a-pair-and-half-an-object"),
        pytest.param('{"facts": 1e999}', id="infinite"),
        pytest.param(f'{{"facts": {"7" * 5_000}}}', id="endless-number"),
    ],
)
async def test_an_answer_of_what_is_no_text_ends_as_any_that_does_not_fit(
    asker: Asker, wire: Wire, arguments: str
) -> None:
    wire.script("FactSheet", Reply(calls=(("FactSheet", arguments),)))
    with pytest.raises(ModelFailed) as failed:
        await asker.ask()
    assert failed.value.code == "model_answer_invalid"
    assert [c.status for c in asker.calls] == ["invalid", "invalid"]
    assert asker.record.reserved == 0


async def test_a_tool_call_of_what_is_no_text_can_be_answered_and_recorded() -> None:
    call = tool_call_chunk(name="root__read\ud83d", args='{"id": 1e999}', id="\ud83d", index=0)
    asked = calls_of("FactSheet", AIMessageChunk("", tool_call_chunks=[call]))
    [made, answered] = await turn(Calls("", asked, _Closed()))
    assert b"root__read" in request_bytes(FactSheet, [made, answered])


async def test_tokens_are_counted_here_when_the_provider_does_not_say(asker: Asker, wire: Wire) -> None:
    wire.script("FactSheet", Reply("facts", usage=False))
    assert (await asker.ask()).facts
    [call] = asker.calls
    assert call.usage_source == "counted"
    assert call.tokens_in > 50
    assert call.tokens_out > 30


async def test_a_provider_that_does_not_answer_in_time_fails(wire: Wire) -> None:
    wire.script("FactSheet", Reply("facts", held=True))
    asker = Asker(wire, changes={"timeout_ms": 150})
    with pytest.raises(ProviderFailed, match="150 ms") as failed:
        await asker.ask()
    assert failed.value.code == "model_timeout"


async def test_a_call_that_is_cancelled_is_settled(asker: Asker, wire: Wire) -> None:
    wire.script("FactSheet", Reply("facts", held=True))
    asking = asyncio.create_task(asker.ask())
    await wire.asked.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    [call] = asker.calls
    assert (call.status, call.usage_source) == ("cancelled", "counted")
    assert asker.record.reserved == 0


async def test_a_provider_that_is_not_there_can_not_be_reached(wire: Wire) -> None:
    asker = Asker(wire, changes={"base_url": "http://127.0.0.1:9"})
    with pytest.raises(ProviderFailed) as failed:
        await asker.ask()
    assert failed.value.code == "model_unreachable"
    assert [(c.tokens_in, c.usage_source) for c in asker.calls] == [(0, "none")] * 3


async def test_the_answer_is_capped_to_what_is_left(asker: Asker, wire: Wire) -> None:
    await asker.ask(token_budget=900)
    assert 256 <= wire.journal[0]["body"]["max_tokens"] < 900


async def test_nothing_of_the_environment_leads_a_prompt_elsewhere(
    asker: Asker, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = "http://127.0.0.1:9"
    for name in ("OPENAI_BASE_URL", "OPENAI_API_BASE", "OPENAI_PROXY", "ANTHROPIC_BASE_URL", "ANTHROPIC_API_URL"):
        monkeypatch.setenv(name, elsewhere)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "LANGSMITH_GATEWAY", "LANGSMITH_ENDPOINT"):
        monkeypatch.setenv(name, elsewhere)
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "LANGSMITH_API_KEY"):
        monkeypatch.setenv(name, "stray")
    for name in ("OPENAI_ORG_ID", "OPENAI_ORGANIZATION", "OPENAI_PROJECT_ID", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.setenv(name, "stray")
    for name in ("OPENAI_CUSTOM_HEADERS", "ANTHROPIC_CUSTOM_HEADERS"):
        monkeypatch.setenv(name, "X-Team: stray\nAuthorization: Bearer stray\nUser-Agent: stray\nX-Api-Key: stray")
    monkeypatch.setenv("ANTHROPIC_OPEN_TELEMETRY_TRACES_CONTENT_MODE", "content")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    assert (await asker.ask()).facts
    [asked] = wire.journal
    assert "key-of-the-test" in (asked["headers"].get("x-api-key", "") + asked["headers"].get("authorization", ""))
    assert "stray" not in json.dumps(asked)
