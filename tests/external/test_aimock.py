"""Both providers' clients against aimock, a server of the two protocols that nobody here wrote.

Run by ``make test-external``, which installs it; skipped where ``AIMOCK`` does not name its ``llmock`` command.
"""

import asyncio
from typing import Any

import pytest

from contracts.errors import ModelFailed, ProviderFailed
from tests.adapters.models.conftest import Asker
from tests.adapters.models.wire import Wire
from tests.external.conftest import answers


def asker(wire: Wire, model: str) -> Asker:
    return Asker(wire, changes={"model": model})


async def test_a_schema_is_filled_over_a_stream(wire: Wire) -> None:
    heard: list[str] = []
    one = asker(wire, "steady")
    assert len((await one.ask(lambda *said: heard.append(said[-1]))).facts) == 3
    assert len(heard) > 1
    assert [c.status for c in one.calls] == ["ok"]
    assert one.calls[0].tokens_out == 87 or one.calls[0].usage_source == "counted"


async def test_what_was_sent_is_what_the_protocol_asks_for(wire: Wire) -> None:
    await asker(wire, "steady").ask()
    async with answers(wire.port) as client:
        journal: list[dict[str, Any]] = (await client.get("/__aimock/journal")).json()
    body = journal[-1]["body"]
    assert body["model"] == "steady"
    assert body["stream"] is True
    assert [m["role"] for m in body["messages"]] == ["system", "user"]


async def test_json_in_text_fills_the_schema(wire: Wire) -> None:
    assert len((await asker(wire, "rambling").ask()).facts) == 3


async def test_broken_json_is_repaired(wire: Wire) -> None:
    one = asker(wire, "garbled")
    assert len((await one.ask()).facts) == 3
    assert [c.status for c in one.calls] == ["invalid", "ok"]


async def test_a_rate_limit_is_waited_out_as_long_as_it_says(wire: Wire) -> None:
    one = asker(wire, f"busy_{wire.provider}")
    began = asyncio.get_running_loop().time()
    assert len((await one.ask()).facts) == 3
    assert asyncio.get_running_loop().time() - began >= 1
    assert [(c.status, c.reason) for c in one.calls] == [("failed", "model_rate_limited"), ("ok", None)]


async def test_an_hour_is_not_waited_out(wire: Wire) -> None:
    one = asker(wire, "far")
    with pytest.raises(ProviderFailed, match="429"):
        await one.ask()
    assert [c.reason for c in one.calls] == ["model_rate_limited"], "it is not asked again"


async def test_tokens_are_counted_here_when_no_usage_is_said(wire: Wire) -> None:
    one = asker(wire, "mute")
    assert len((await one.ask()).facts) == 3
    [call] = one.calls
    assert call.usage_source == "counted"
    assert call.tokens_in > 50
    assert call.tokens_out > 30


@pytest.mark.parametrize(
    ("model", "code", "status"),
    [
        pytest.param("limited", "model_rate_limited", "failed", id="rate-limit"),
        pytest.param("silent", "model_unavailable", "failed", id="no-capacity"),
        pytest.param("cut", "model_stream_truncated", "failed", id="truncated"),
        pytest.param("hopeless", "model_answer_invalid", "invalid", id="never-fits"),
    ],
)
async def test_a_model_that_fails_says_how(wire: Wire, model: str, code: str, status: str) -> None:
    one = asker(wire, model)
    with pytest.raises(ModelFailed) as failed:
        await one.ask()
    assert failed.value.code == code
    assert {c.status for c in one.calls} == {status}
    assert isinstance(failed.value, ProviderFailed) is (status == "failed")
