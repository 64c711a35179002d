"""LangGraph's JavaScript clients against a running service: the suite in tests/clients/js, on node."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from tests.support import Service

SUITE = Path(__file__).parents[1] / "clients" / "js"
FILES = sorted(path.name for path in SUITE.glob("*.test.mjs"))
SDKS = ("@langchain/langgraph-sdk", "langgraph-sdk-v1")


@pytest.mark.parametrize("sdk", SDKS)
@pytest.mark.parametrize("file", FILES)
async def test_the_javascript_suite_holds(service: Service, sdk: str, file: str) -> None:
    node = shutil.which("node")
    if node is None or not (SUITE / "node_modules" / sdk).is_dir():
        pytest.skip("node, or the suite's packages, are not installed: run make test-external")
    await service.seed_lead()
    env = {"PATH": os.environ["PATH"], "COLONY_URL": str(service.client.base_url), "SDK": sdk}
    process = await asyncio.create_subprocess_exec(
        node, "--test", file, cwd=SUITE, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
