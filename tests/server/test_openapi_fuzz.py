"""A slice of schemathesis over the described API: made-up requests of every kind find nothing that isn't as described.

The whole: ``st run URL/openapi.json --checks all --phases examples,coverage,fuzzing,stateful --max-examples 25``.
"""

import asyncio
import sys
from pathlib import Path

import pytest

from tests.server.tokens import Issuer
from tests.support import Service

SEED = "20261121"
SLICES = {
    "coverage": ["--phases", "examples,coverage", "--include-path-regex", "^/api/colony.*/(missions|events|approve)$"],
    "fuzzing-and-sequences": ["--phases", "fuzzing,stateful", "--max-examples", "4"],
}


async def findings(folder: Path, service: Service, *options: str) -> str:
    """Run schemathesis; returns its report if it found something."""
    command = [str(Path(sys.executable).parent / "st"), "run", f"{service.client.base_url}/openapi.json"]
    command += ["--include-path-regex", "^/api/colony"] if "--include-path-regex" not in options else []
    process = await asyncio.create_subprocess_exec(
        *command, "--checks", "all", "--seed", SEED, "--no-color", *options,
        cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    report = output.decode()
    assert "passed" in report, report
    return report if process.returncode else ""


@pytest.mark.long
@pytest.mark.parametrize("name", ["fuzzing-and-sequences", "coverage"])
async def test_made_up_requests_find_nothing(service: Service, tmp_path: Path, name: str) -> None:
    assert not await findings(tmp_path, service, *SLICES[name])


async def test_made_up_requests_find_nothing_in_production(serve, tmp_path: Path) -> None:
    issuer = Issuer()
    service = await serve(**issuer.settings(tmp_path))
    token = f"Authorization: Bearer {issuer.token()}"
    assert not await findings(tmp_path, service, *SLICES["fuzzing-and-sequences"], "-H", token)
