"""The example page in clients/typescript, built, in a browser, against a running service of another origin."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from tests.external.conftest import free_port

PAGE = Path(__file__).parents[2] / "clients" / "typescript"
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or ""


async def test_a_person_begins_a_mission_on_the_page_and_approves_it_there(serve, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None or not (PAGE / "dist" / "main.js").is_file():
        pytest.skip("node is not installed, or the page is not built: run make test-external")
    if not shutil.which(CHROMIUM):
        pytest.skip("chromium is not installed")
    port = free_port()
    service = await serve(COLONY_CORS_ORIGINS=f"http://127.0.0.1:{port}")
    await service.seed_lead()
    asked = {"name": "page", "capabilities": ["mission:submit", "mission:read", "mission:approve"]}
    made = await service.client.post("/api/colony/keys", json=asked)
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CHROMIUM": CHROMIUM}
    env |= {"COLONY_URL": str(service.client.base_url).rstrip("/"), "COLONY_KEY": made.json()["key"]}
    process = await asyncio.create_subprocess_exec(
        *(node, "--test", "browser.test.mjs"),
        cwd=PAGE,
        env={**env, "PAGE_PORT": str(port)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
