"""What acceptance tests judge by: the root's own counts, the event chain, and Postgres as its administrator sees it."""

import hashlib
import json
from collections import Counter
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tests.support import Service, pretty

NOTHING_WRITTEN = {"version": 1, "notes": 0, "tasks": 0, "messages": 0}
Answer = dict[str, Any]


def rows(database: str, statement: str, *params: Any) -> list[dict[str, Any]]:
    """Ask Postgres as its administrator, whom row-level security does not bind."""
    with psycopg.connect(database, autocommit=True, row_factory=dict_row) as admin:
        return admin.execute(statement, params or None).fetchall()


def proposals_of(waiting: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the pending proposals by operation; a patch by the field that it sets."""
    return {
        next(iter(p["after"])) if p["operation"] == "patch" else p["operation"]: p
        for p in waiting["pending_approval"]["proposals"]
    }


def answer(proposal: dict[str, Any], verdict: str, **more: Any) -> Answer:
    """Return a person's answer to one proposal, bound to what they saw."""
    return {
        "proposal_id": proposal["proposal_id"],
        "payload_sha256": proposal["payload_sha256"],
        "verdict": verdict,
        **more,
    }


def answers(waiting: dict[str, Any], *given: Answer) -> dict[str, Any]:
    """Return the body of an approval."""
    return {"interrupt_id": waiting["pending_approval"]["interrupt_id"], "decisions": list(given)}


def outcomes(mission: dict[str, Any]) -> Counter[str]:
    """Count how the mission's proposals ended."""
    return Counter(w["status"] for w in mission["packet"]["writebacks"])


async def waiting_mission(service: Service, lead_id: str = "L-1", **fields: Any) -> dict[str, Any]:
    """Seed a lead and run a mission on it until it waits for a person."""
    await service.seed_lead(lead_id, **fields)
    mission_id = await service.submit(inputs={"lead_id": lead_id})
    waiting = await service.settled(mission_id)
    assert waiting["status"] == "awaiting_approval", pretty(waiting["failure"])
    assert await service.writes(lead_id) == NOTHING_WRITTEN
    return waiting


def assert_whole(events: list[dict[str, Any]]) -> None:
    """Check that events are gapless and that every hash follows from the one before, by the definition alone."""
    assert [e["seq"] for e in events] == list(range(1, len(events) + 1))
    head = "0" * 64
    for event in events:
        body = {k: v for k, v in event.items() if k not in {"seq", "prev_hash", "hash"}}
        plain = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        head = hashlib.sha256(f"{event['prev_hash']}\n{event['seq']}\n{plain}".encode()).hexdigest()
        assert event["hash"] == head, f"event {event['seq']} is not what it was"
    assert [e["prev_hash"] for e in events] == ["0" * 64, *(e["hash"] for e in events[:-1])]


def counted(events: list[dict[str, Any]], event_type: str, *names: str) -> Counter[Any]:
    """Count the events of a type by values of their payload."""
    return Counter(tuple(e["payload"].get(n) for n in names) for e in events if e["event_type"] == event_type)


async def assert_one_effect_each(service: Service, database: str, mission_id: str) -> None:
    """Check that every approved proposal was written once: by our record, by our events and by the root's own count."""
    applied = rows(database, "select payload from colony_writebacks where mission_id = %s", mission_id)
    operations = Counter(row["payload"]["operation"] for row in applied)
    target = applied[0]["payload"]["target"]["id"]
    events = await service.events(mission_id)
    assert set(counted(events, "writeback.applied", "proposal_id").values()) == {1}
    assert await service.writes(target) == {
        "version": 1 + operations["patch"],
        "notes": operations["note"],
        "tasks": operations["task"],
        "messages": operations["message"],
    }
    assert_whole(events)
