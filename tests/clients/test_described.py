"""The SDK's routes as they are described, and made-up requests to them."""

import asyncio
import sys
from itertools import product
from pathlib import Path

from jsonschema import Draft202012Validator

from server.sdk.runs import Resume
from tests.support import Service

CALLS = "^/(ok|info|assistants|threads|store)"
LONG = "/(wait|join|stream|events)$"  # they answer when a mission does


async def test_the_sdks_routes_are_described(service: Service) -> None:
    described = (await service.client.get("/openapi.json")).json()
    paths = {path for path in described["paths"] if not path.startswith("/api/colony")}
    assert {"/ok", "/info", "/assistants/search", "/threads", "/threads/{thread_id}/state", "/store/items"} <= paths
    assert {"/threads/{thread_id}/runs/stream", "/runs/wait", "/threads/{thread_id}/stream/events"} <= paths
    for path in paths - {"/ok", "/info"}:
        for operation in described["paths"][path].values():
            assert {"401", "403", "429", "503"} <= set(operation["responses"]), path


def test_an_answer_is_described_as_it_is_taken() -> None:
    described = Draft202012Validator(Resume.model_json_schema())
    verdicts = [None, *product(("approve", "edit", "reject"), repeat=2)]
    for decision, within in product(("approve", "reject"), verdicts):
        one = {"proposal_id": "x", "payload_sha256": "x"}
        decisions = within and [one | {"verdict": verdict} for verdict in within]
        answer = {"decision": decision, "decisions": decisions}
        assert described.is_valid(answer) is not Resume.model_validate(answer).contradicts, answer


async def test_made_up_requests_find_nothing(service: Service, tmp_path: Path) -> None:
    command = [str(Path(sys.executable).parent / "st"), "run", f"{service.client.base_url}/openapi.json"]
    options = ["--checks", "all", "--seed", "20261121", "--no-color", "--phases", "examples,fuzzing"]
    only = ["--max-examples", "2", "--include-path-regex", CALLS, "--exclude-path-regex", LONG]
    process = await asyncio.create_subprocess_exec(
        *command, *options, *only, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    report = output.decode()
    assert "passed" in report, report
    assert not process.returncode, report
