"""The example of docs/embedding.md, as it is written there, in a process of its own."""

import asyncio
import os
import re
import sys
from pathlib import Path

import httpx

from contracts.evidence import Target, payload_sha256
from server.serve import bind
from tests.support import Service, until

ROOT = Path(__file__).parents[2]
FOUND = re.search(r"<!-- example -->\n```python\n(.*?)```", (ROOT / "docs/embedding.md").read_text("utf-8"), re.DOTALL)
ADA, COLONY = ({"Authorization": f"Bearer {key}"} for key in ("ada", "root-key"))


def check(lead_id: str, **after: str) -> dict[str, object]:
    target = Target(system="crm", entity="lead", id=lead_id)
    proposal = {
        "proposal_id": "wp_1",
        "target": target.model_dump(),
        "operation": "patch",
        "precondition": '"1"',
        "before": {"stage": "new"},
        "after": after,
        "payload_sha256": payload_sha256(target, "patch", '"1"', {"stage": "new"}, dict(after)),
    }
    asked = {"mission_id": "m", "tenant_id": "demo", "proposal": proposal, "if_match": '"1"', "approval": None}
    return {"phase": "before_approval", **asked}


async def test_the_example_runs_as_written(service: Service, tmp_path: Path) -> None:
    assert FOUND
    (tmp_path / "product.py").write_text(FOUND.group(1), encoding="utf-8")
    sock = bind("127.0.0.1", 0)
    port = sock.getsockname()[1]
    sock.close()
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "COLONY_SERVICE_BASE_URL": str(service.client.base_url).rstrip("/"),
    }
    command = [sys.executable, "-m", "uvicorn", "product:app", "--port", str(port), "--log-level", "warning"]
    process = await asyncio.create_subprocess_exec(*command, cwd=tmp_path, env=env)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            await until(lambda: up(client), "the example to listen")
            assert (await client.get("/api/colony/missions")).status_code == 401
            assert (await client.get("/api/colony/missions", headers=ADA)).json() == {"items": [], "next_cursor": None}
            hook = "/api/colony/writebacks/validate"
            assert (await client.post(hook, json=check("L-1", stage="won"))).status_code == 401
            for asked, verdict in ((("L-1", "won"), "accept"), (("L-1", "lost"), "refuse"), (("L-2", "won"), "refuse")):
                answer = await client.post(hook, json=check(asked[0], stage=asked[1]), headers=COLONY)
                assert answer.json()["verdict"] == verdict
            forged = check("L-1", stage="won") | {"phase": "before_write"}
            assert (await client.post(hook, json=forged, headers=COLONY)).json()["reasons"][0]["code"] == "not_approved"
            answer = await client.patch("/api/crm/leads/L-1", json={"stage": "won"}, headers=COLONY)
            assert (answer.status_code, answer.json()["detail"]["code"]) == (409, "not_approved")
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 10)


async def up(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/openapi.json")).status_code == 200
    except httpx.TransportError:
        return False
