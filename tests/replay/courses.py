"""Courses that missions take when something stops, cuts off or breaks them on their way, with models of their own."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from adapters.models.extractive_chat import ExtractiveChatModel
from adapters.root.client import Patience, RootClient
from tests.graph.lab import Lab, Swaps
from tests.support import until

SLOW = {"task_timeout_ms": 300}


@dataclass
class Gate:
    """Where a model waits, and how often it breaks."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    breaks: int = 0


class Reading(ExtractiveChatModel):
    """Reads the lead by a tool before it fills a fact sheet; then it waits (``held``), or breaks (``breaks`` times)."""

    gate: Any = None
    held: str = ""

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        named = [tool["function"]["name"] for tool in kwargs.get("tools") or []]
        has_read = any(isinstance(m, ToolMessage) for m in messages)
        if named[:1] == ["FactSheet"] and len(named) > 1 and not has_read:
            call = {"name": "root__get_lead", "args": {"lead_id": "L-1"}, "id": "c1", "type": "tool_call"}
            used = UsageMetadata(input_tokens=10, output_tokens=5, total_tokens=15)
            asked = AIMessage(content="", tool_calls=[call], usage_metadata=used)
            return ChatResult(generations=[ChatGeneration(message=asked)])
        if has_read and self.gate and self.gate.breaks:
            self.gate.breaks -= 1
            raise ValueError("broken")
        told = [m for m in messages if not isinstance(m, ToolMessage | AIMessage)]
        return super()._generate(told, stop, run_manager, **kwargs)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> Any:
        named = [tool["function"]["name"] for tool in kwargs.get("tools") or []]
        if self.held in named[:1] and (self.held != "FactSheet" or any(isinstance(m, ToolMessage) for m in messages)):
            self.gate.reached.set()
            await self.gate.opened.wait()
        for chunk in self._stream(messages, stop, None, **kwargs):
            found: ChatGenerationChunk = chunk
            yield found


async def taken_over_midway(lab: Lab) -> dict[str, Any]:
    """A process that is gone when a task has called a tool; another one begins the task anew."""
    await lab.service.seed_lead()
    gate, mission_id = Gate(), await lab.service.submit()
    dead = asyncio.create_task(lab.runner(Swaps(model=Reading(gate=gate, held="FactSheet"))).run(mission_id, "demo"))
    await asyncio.wait_for(gate.reached.wait(), 60)
    lab.forget_leases()
    await lab.run(mission_id, Swaps(model=Reading()))
    gate.opened.set()
    await dead
    return await lab.approved(mission_id)


async def retried_midway(lab: Lab) -> dict[str, Any]:
    """A task that breaks after it has called a tool, and is retried."""
    await lab.service.seed_lead()
    swaps = Swaps(model=Reading(gate=Gate(breaks=1)))
    mission = await lab.mission(swaps)
    assert mission["failure"]["code"] == "internal_error"
    await lab.service.post(mission["mission_id"], "retry")
    await lab.run(mission["mission_id"], swaps)
    return await lab.approved(mission["mission_id"])


async def broke(lab: Lab) -> dict[str, Any]:
    """A defect that ends the mission."""
    await lab.service.seed_lead()
    return await lab.mission(Swaps(model=Reading(gate=Gate(breaks=9))))


async def broke_beside(lab: Lab) -> dict[str, Any]:
    """A defect in one task, while another waits for its model: that one is put aside."""
    await lab.service.seed_lead()
    mission = await lab.mission(Swaps(model=Reading(gate=Gate(breaks=9), held="Engagement")))
    assert mission["failure"]["code"] == "internal_error"
    assert lab.db.rows("select from colony_recorded where content = 'put aside'")
    return mission


async def cancelled_midway(lab: Lab) -> dict[str, Any]:
    """Cancelled while one task waits for its model, and another has ended."""
    await lab.service.seed_lead()
    gate, mission_id = Gate(), await lab.service.submit()
    run = asyncio.create_task(lab.run(mission_id, Swaps(model=Reading(gate=gate, held="Engagement"))))
    await asyncio.wait_for(gate.reached.wait(), 60)

    async def a_result() -> Any:
        return lab.db.rows("select from colony_worker_results where mission_id = %s", mission_id)

    await until(a_result, "a task's end")
    assert (await lab.service.post(mission_id, "cancel", reason="no longer wanted")).status_code == 202
    gate.opened.set()
    await run
    return await lab.service.mission(mission_id)


async def task_too_slow(lab: Lab) -> dict[str, Any]:
    """One task's time is up, and another has ended before."""
    await lab.service.seed_lead()
    mission = await lab.mission(Swaps(model=Reading(gate=Gate(), held="Engagement"), environment=SLOW))
    assert mission["failure"]["code"] == "task_timeout"
    return mission


async def out_of_time(lab: Lab) -> dict[str, Any]:
    """The mission's time is up while a model is asked."""
    await lab.service.seed_lead()
    model = Reading(gate=Gate(), held="Engagement")
    mission = await lab.mission(Swaps(model=model), time_budget_ms=2_000)
    assert mission["failure"]["code"] == "time_budget_exceeded"
    return mission


async def not_written(lab: Lab) -> dict[str, Any]:
    """A root that is away when something is to be written."""
    await lab.service.seed_lead()
    mission = await lab.mission()
    real, lab.root = lab.root, RootClient("http://127.0.0.1:9", None, Patience(total_s=0.1, backoff_s=0.001))
    mission = await lab.approved(mission["mission_id"])
    await lab.root.aclose()
    lab.root = real
    assert mission["failure"]["code"] == "root_unavailable"
    return mission
