"""docs/audit-walkthrough.md, its commands run as they stand there: from a mission to a claim and whoever agreed."""

import asyncio
import os
import re
import sys
from pathlib import Path

from tests.support import Service

ROOT = Path(__file__).parents[2]
COMMANDS = re.findall(r"^(colony [^#\n]*?)(?: +#.*)?$", (ROOT / "docs/audit-walkthrough.md").read_text(), re.MULTILINE)
MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z"


async def said(command: str, folder: Path, **environment: str) -> str:
    """Run a command in a shell and return what it prints."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {"PATH": path, "PYTHONPATH": str(ROOT), "HOME": str(folder), **environment}
    process = await asyncio.create_subprocess_shell(
        command, cwd=folder, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    printed = (await process.communicate())[0].decode()
    assert process.returncode == 0, f"{command}: {printed}"
    return printed


async def test_the_walkthrough_leads_from_a_mission_to_whoever_agreed(service: Service, tmp_path: Path) -> None:
    assert 1 <= len(COMMANDS) <= 5
    await service.seed_lead()
    mission_id = await service.submit()
    await service.settled(mission_id)
    assert (await service.post(mission_id, "approve")).status_code == 202
    ended = await service.settled(mission_id)
    known = {"MISSION": mission_id, "COLONY_SERVICE_BASE_URL": str(service.client.base_url)}

    printed = []
    for command in COMMANDS:
        printed.append(await said(command, tmp_path, **known))
        for name, form in (("CLAIM", r"\bcl_\w+"), ("DECISION", r"\bpd_\w+")):
            if found := re.search(form, printed[-1]):
                known.setdefault(name, found.group())

    _, verified, claims, steps, explained = printed
    assert "verified" in verified.splitlines()[-1]
    claim = ended["packet"]["claims"][0]
    assert known["CLAIM"] == claim["claim_id"]
    assert claim["text"] in claims
    for what, pattern in {
        "claim": re.escape(claim["text"]),
        "quote": re.escape(claim["citations"][0]["quote"]) + rf".*{claim['citations'][0]['artifact_id']}",
        "source": r"root chat C-L-1 \(chat, customer\)",
        "task": rf"extract_facts .*{MOMENT}",
        "review": rf"stands in the quote .*{MOMENT}",
        "rule": rf"gate\.release escalated: release\.person-decides .*{MOMENT}.*pd_\w+",
        "approver": rf"developer: approve .*{MOMENT}",
        r"writeback\.applied": MOMENT,
    }.items():
        assert re.search(rf"^{what} .*{pattern}", steps, re.MULTILINE), f"{what}: {steps}"
    assert "admission" in explained
