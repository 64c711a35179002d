"""What differs on a terminal: a question before an approval, and a live view."""

import asyncio
import os
from io import StringIO

import pytest
from rich.console import Console

from server.cli.progress import Progress
from tests.server.cli.conftest import COMMAND
from tests.support import Service


async def approve_on_a_terminal(service: Service, mission_id: str, typed: bytes, *more: str) -> tuple[int, str]:
    """Approve with a terminal as stdin, on which a person types."""
    person, terminal = os.openpty()
    os.write(person, typed)
    env = {"PATH": os.environ["PATH"], "COLONY_SERVICE_BASE_URL": str(service.client.base_url)}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        str(COMMAND), "missions", "approve", mission_id, *more, env=env, stdin=terminal, stdout=pipe, stderr=pipe
    )
    _, err = await asyncio.wait_for(process.communicate(), 60)
    os.close(person)
    os.close(terminal)
    assert process.returncode is not None
    return process.returncode, err.decode()


@pytest.mark.parametrize(
    ("typed", "more", "code", "asked", "status"),
    [
        pytest.param(b"n\n", (), 1, True, "awaiting_approval", id="no"),
        pytest.param(b"y\n", (), 0, True, "completed", id="yes"),
        pytest.param(b"", ("--yes",), 0, False, "completed", id="not-asked"),
    ],
)
async def test_on_a_terminal_an_approval_is_asked_for_once_more(service, typed, more, code, asked, status):
    await service.seed_lead()
    mission = await service.settled(await service.submit())
    assert mission["status"] == "awaiting_approval"
    returned, err = await approve_on_a_terminal(service, mission["mission_id"], typed, *more)
    assert returned == code, err
    assert ("Approve?" in err) is asked
    assert (await service.settled(mission["mission_id"]))["status"] == status


async def test_the_live_view_shows_every_stage_and_a_row_for_every_task(service: Service):
    await service.seed_lead()
    mission_id = await service.submit()
    await service.settled(mission_id)
    progress, frames = Progress(), []
    for event in await service.events(mission_id):
        progress.take(event)
        out = StringIO()
        Console(file=out, width=100, force_terminal=True).print(progress.rendered())
        frames.append(out.getvalue())
    planned = next(frame for frame in frames if "extract_facts" in frame)
    assert "· extract_facts" in planned
    assert any("▸ extract_facts" in frame for frame in frames)
    assert "✔ extract_facts" in frames[-1]
    assert "? release_gate" in frames[-1]
    assert "! gate.release escalated: a person must approve this change" in frames[-1]
