"""Budgets: what a call may use is stored before it goes out, what it used when it ends, and nothing goes beyond."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import Field

from adapters.models.extractive_chat import ExtractiveChatModel
from contracts.ports import Allowance
from graph.context import Record
from graph.metering import Budget
from tests.adapters.models.conftest import in_memory
from tests.graph.lab import Lab, Swaps
from tests.support import pretty

CONVERSATIONS = 6
SHORT = 5_000


class Auditor(ExtractiveChatModel):
    """Notes, whenever a call goes out, what the store says by then: tokens set aside, and calls it knows of."""

    dsn: str
    seen: list[tuple[int, int]] = Field(default_factory=list)

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        with psycopg.connect(self.dsn) as conn:
            row = conn.execute(
                "select tokens_reserved, (select count(*) from colony_model_calls) from colony_budgets"
            ).fetchone()
        assert row is not None
        self.seen.append((int(row[0]), int(row[1])))
        return super()._generate(messages, *args, **kwargs)


async def seed(lab: Lab) -> None:
    await lab.service.seed_lead()
    said = [{"author": "lead", "text": f"I want a flat in Northgate, number {{n}}. {'And a garden. ' * 300}"}]
    chats = [
        {
            "conversation_id": f"C-{n}",
            "lead_id": "L-1",
            "channel": "mail",
            "messages": [{**m, "text": m["text"].format(n=n)} for m in said],
        }
        for n in range(CONVERSATIONS)
    ]
    await lab.service._put("chats", chats)


async def a_kill_would_lose_no_call(lab: Lab) -> None:
    """The check: at any moment the store knows every call that ended, and has tokens set aside for those under way."""
    await seed(lab)
    auditor = Auditor(dsn=lab.db.dsn)
    mission = await lab.mission(Swaps(model=auditor))
    assert mission["status"] == "awaiting_approval", pretty(mission["failure"])
    assert len(auditor.seen) > CONVERSATIONS
    # Two tasks ask at once: of the calls before this one, one may be under way.
    for before, (reserved, known) in enumerate(auditor.seen):
        assert reserved > 1_000, "nothing was set aside for a call that goes out"
        assert known >= before - 1, "a call that ended was not stored"


async def test_a_kill_would_lose_no_call(lab: Lab) -> None:
    await a_kill_would_lose_no_call(lab)


async def test_without_the_stored_reservation_a_kill_loses_calls(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Record, "keep", lambda self, ledger: in_memory())
    with pytest.raises(AssertionError, match=r"nothing was set aside|was not stored"):
        await a_kill_would_lose_no_call(lab)


async def the_budget_holds(lab: Lab) -> None:
    """The check: a mission whose tokens are used up ends, and has used no more than its calls under way."""
    await seed(lab)
    mission = await lab.mission(token_budget=SHORT)
    used = mission["usage"]["tokens_in"] + mission["usage"]["tokens_out"]
    assert used <= SHORT, "the mission used more than its budget"
    assert (mission["status"], mission["failure"]["code"]) == ("failed", "token_budget_exceeded")


async def test_the_token_budget_holds(lab: Lab) -> None:
    await the_budget_holds(lab)


async def test_without_the_reservation_the_budget_is_overspent(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    async def generous(self: Budget, tokens_in: int, most_out: int) -> Allowance:
        self._under_way += 1
        return Allowance(f"mc_{id(object())}_{tokens_in}_{len(self._record.models)}", tokens_in, most_out)

    monkeypatch.setattr(Budget, "reserve", generous)
    monkeypatch.setattr(Budget, "_free", lambda self, allowance: None)
    with pytest.raises(AssertionError, match="more than its budget"):
        await the_budget_holds(lab)


class Dawdler(ExtractiveChatModel):
    """Never comes to an end of judging engagement."""

    async def _astream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        if kwargs["tools"][0]["function"]["name"] == "Engagement":
            await asyncio.Event().wait()
        async for chunk in super()._astream(messages, *args, **kwargs):
            yield chunk


async def test_a_mission_whose_time_is_up_ends_and_keeps_what_it_had(lab: Lab) -> None:
    await seed(lab)
    failed = await lab.mission(Swaps(model=Dawdler()), time_budget_ms=5_000)
    assert failed["status"] == "failed"
    assert (failed["failure"]["code"], failed["failure"]["stage"]) == ("time_budget_exceeded", "workers")
    assert "time_budget_ms" in failed["failure"]["hint"]
    mission_id = failed["mission_id"]
    events = [e["event_type"] for e in await lab.service.events(mission_id)]
    assert events[-2:] == ["budget.exceeded", "mission.failed"]
    kept = {a["task_key"]: a["payload"] for a in await lab.service.artifacts(mission_id, "worker_result")}
    assert kept["extract_facts"]["claims"]
    assert "assess_engagement" not in kept
    assert failed["usage"]["model_calls"] == CONVERSATIONS + 2
    # What was spent stays spent: a retry does not get the time back.
    assert (await lab.service.post(mission_id, "retry")).status_code == 202
    again = await lab.run(mission_id)
    assert (again["status"], again["failure"]["code"]) == ("failed", "time_budget_exceeded")
    assert lab.db.rows("select time_spent_ms from colony_budgets")[0]["time_spent_ms"] >= 5_000
