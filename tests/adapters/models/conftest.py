"""A prompt to send, a wire to send it over, and a mission's budget to pay for it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from pydantic import SecretStr

from adapters.models.asking import Patience
from adapters.models.port import LangChainModels
from adapters.models.providers import build
from adapters.models.routefile import Endpoint, RouteEntry
from contracts.base import ActorId, MissionId, TaskKey, TenantId
from contracts.mission import MissionClass, MissionRequest, ModelTier
from contracts.outputs import FactSheet
from contracts.ports import EvidenceBlock, Mission, ModelCall, OnDelta, Prompt, Route
from contracts.stateflow import Stage, Status
from contracts.tasks import PromptPackage
from graph.context import Record
from graph.metering import Budget
from tests.adapters.models.wire import Wire, replaying

TIER = ModelTier.LOCAL_PRIVATE
QUICK = Patience(attempts=3, backoff_s=0.01, retry_after_s=1.0)


async def in_memory() -> None:
    """Keep the record where it is: there is no store."""


def mission(token_budget: int = 100_000, **changes: Any) -> Mission:
    values: dict[str, Any] = {
        "mission_id": MissionId("m-1"),
        "tenant_id": TenantId("demo"),
        "actor_id": ActorId("ann"),
        "request": MissionRequest(
            mission_type=MissionClass.ORACLE_ADVISORY, user_goal="why?", inputs={"question": "why?"}
        ),
        "status": Status.RUNNING,
        "stage": Stage.WORKERS,
        "trace_id": "0" * 32,
        "graph_version": "1",
        "epoch": 1,
        "token_budget": token_budget,
        "time_budget_ms": 60_000,
        "approval_timeout_ms": 60_000,
    }
    return Mission(**(values | changes))


def package() -> PromptPackage:
    return PromptPackage(
        task_key=TaskKey("extract_facts"),
        template_id="extract_facts",
        template_version="1",
        system="You extract facts.",
        instructions="Extract them.",
        output_schema="FactSheet",
        tier=TIER,
        token_count=10,
        max_output_tokens=1_000,
        timeout_ms=10_000,
        allowed_tools=(),
        data_scope=(),
    )


def prompt(text: str = "lead: I want a garden.") -> Prompt:
    return Prompt(package(), {"fact_schema": []}, [EvidenceBlock("E1", "chat", "internal", "Chat", text)])


@dataclass
class Asker:
    """Asks over a wire, on a mission's budget."""

    wire: Wire
    patience: Patience = QUICK
    changes: dict[str, Any] = field(default_factory=dict)
    record: Record = field(default_factory=Record)

    async def ask(self, on_delta: OnDelta | None = None, *, token_budget: int = 100_000) -> FactSheet:
        models = LangChainModels({TIER: build(self.endpoint())}, self.patience)
        try:
            budget = Budget(mission(token_budget), self.record, in_memory)
            return await models.fill(TIER, FactSheet, prompt(), budget, on_delta)
        finally:
            await models.aclose()

    def endpoint(self) -> Endpoint:
        entry = RouteEntry.model_validate(self.wire.route(**self.changes))
        route = Route(
            tier=TIER,
            provider=entry.provider,
            model=entry.model,
            private=entry.is_private,
            max_tokens=entry.max_tokens,
            timeout_ms=entry.timeout_ms,
            price_in=entry.price_in or 0,
            price_out=entry.price_out or 0,
        )
        return Endpoint(route, entry.base_url, SecretStr("key-of-the-test"))

    @property
    def calls(self) -> list[ModelCall]:
        return self.record.models


@pytest_asyncio.fixture(params=["openai", "anthropic"])
async def wire(request: pytest.FixtureRequest) -> AsyncIterator[Wire]:
    async with replaying(request.param) as served:
        yield served


@pytest.fixture
def asker(wire: Wire) -> Asker:
    return Asker(wire)
