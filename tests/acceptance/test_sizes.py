"""Missions on much text: checkpoints stay small, the process stays alive, and the mission ends."""

import random
import time
from pathlib import Path

import pytest

from adapters.postgres.claims import LeaseTimes
from tests.acceptance.checks import rows
from tests.support import CHAT, Service, pretty, serving, watched_loop

_WORDS = ("kitchen", "garden", "balcony", "street", "school", "station", "noise", "light", "floor", "lift", "cellar")
_MB = 1_000_000
_LIMIT = 100_000
_GROWTH = 1.1
_UNHURRIED_S = 90.0
_HEARTBEAT_S = LeaseTimes().heartbeat_ms / 1000


def _messages(characters: int, seed: int) -> list[dict[str, str]]:
    """Return a conversation of about that many characters, no two alike, with the facts at its end."""
    chance = random.Random(seed)  # noqa: S311
    said: list[dict[str, str]] = []
    size = 0
    while size < characters:
        text = f"About the {chance.choice(_WORDS)} and the {chance.choice(_WORDS)}: {chance.randrange(10**6)} thanks."
        said.append({"author": chance.choice(["lead", "agent"]), "text": text})
        size += len(text) + 7
    return [*said, *({"author": author, "text": text} for author, text in CHAT)]


async def _seed(service: Service, lead_id: str, conversations: int, characters: int) -> None:
    await service.seed_lead(lead_id)
    for n in range(conversations):
        name = f"{lead_id}-{n}"
        chat = {
            "lead_id": lead_id,
            "conversation_id": name,
            "channel": "mail",
            "messages": _messages(characters, n),
        }
        answer = await service.client.post("/root/import/chats", json={"items": [chat]})
        assert answer.status_code == 200, answer.text


def _checkpoint_bytes(database: str, mission_id: str) -> int:
    size = "select coalesce(sum(pg_column_size(t.*)), 0)::int as size from {} t where thread_id = %s"
    tables = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")
    return sum(rows(database, size.format(table), mission_id)[0]["size"] for table in tables)


async def _run(service: Service, database: str, lead_id: str) -> int:
    async with watched_loop() as away:
        began = time.monotonic()
        mission_id = await service.submit(inputs={"lead_id": lead_id}, token_budget=100_000_000)
        mission = await service.settled(mission_id, _UNHURRIED_S)
    took = time.monotonic() - began
    assert mission["status"] == "awaiting_approval", pretty(mission["failure"])
    assert {f["key"] for f in mission["packet"]["facts"]} >= {"area", "budget", "visit_booked"}
    events = await service.events(mission_id)
    gathered = next(e["payload"]["characters"] for e in events if e["event_type"] == "evidence.gathered")
    size = _checkpoint_bytes(database, mission_id)
    assert max(away) < _HEARTBEAT_S, "the process was away for longer than a heartbeat"
    print(f"{gathered} characters: {size} bytes of checkpoints, {took:.1f} s, loop away {max(away):.2f} s")  # noqa: T201
    assert not [e for e in events if e["event_type"] == "mission.resumed"], "the lease could not be kept"
    return size


@pytest.mark.long
async def test_checkpoints_do_not_grow_with_the_evidence(database: str, tmp_path: Path) -> None:
    async with serving({"DATABASE_URL": database, "COLONY_HOME": str(tmp_path)}, LeaseTimes()) as service:
        await _seed(service, "L-1MB", 4, _MB // 4)
        await _seed(service, "L-10MB", 5, 2 * _MB)

        small = await _run(service, database, "L-1MB")
        large = await _run(service, database, "L-10MB")

    assert small <= _LIMIT
    assert large <= _GROWTH * small
