"""The LangGraph SDK's own clients against a running service."""

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

from tests.support import GOAL, Service

CRM = "crm_lead_intelligence"
INPUT: dict[str, Any] = {"user_goal": GOAL, "inputs": {"lead_id": "L-1"}}
APPROVE = {"resume": {"decision": "approve"}}


@pytest_asyncio.fixture
async def client(service: Service) -> AsyncIterator[LangGraphClient]:
    await service.seed_lead()
    async with get_client(url=str(service.client.base_url)) as made:
        yield made
