"""A service with tables imported the way an operator imports them, and missions on them."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.root.client import RootClient
from server.root_import import ImportSources, import_files
from tests.support import Service, pretty

GOAL = "What do the numbers say, and what should we change?"
Brief = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
def imported(service: Service) -> Callable[..., Awaitable[None]]:
    """Import files through the running root: ``await imported(documents=DIR, campaigns=F)``."""

    async def put(**files: Path) -> None:
        root = RootClient(f"{service.client.base_url}/root")
        try:
            report = await import_files(root, "demo", ImportSources(**files))
        finally:
            await root.aclose()
        assert not report.errors, report.errors

    return put


@pytest.fixture
def brief(service: Service) -> Brief:
    """Run one brief to its end and return the mission."""

    async def run(**inputs: str) -> dict[str, Any]:
        mission_id = await service.submit("catalyst_strategy_brief", user_goal=GOAL, inputs=inputs)
        mission = await service.settled(mission_id)
        assert mission["status"] == "completed", pretty(mission)
        return mission

    return run
