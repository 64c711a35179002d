"""Real conversations: every mission on one comes to a person or to its end, and every quote stands where it says."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from adapters.postgres.claims import LeaseTimes
from tests.acceptance.checks import rows
from tests.adapters.models.measure import same
from tests.support import Service, serving

_PICKED = 40
_MOST_WITHHELD = 0.05
_AUTHORS = {"USER": "lead", "SYSTEM": "agent"}
_BOOKED = {
    "key": "visit_booked",
    "description": "Whether a visit to a property was booked",
    "values": ["true", "false"],
}
Row = dict[str, Any]


@pytest_asyncio.fixture
async def service(database: str, tmp_path: Path) -> AsyncIterator[Service]:
    """With real leases: among forty missions at once nobody is to be taken for dead."""
    async with serving({"DATABASE_URL": database, "COLONY_HOME": str(tmp_path)}, LeaseTimes()) as opened:
        yield opened


def _picked(folder: Path) -> list[Row]:
    lines = (folder / "homes_dev.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(lines[i * len(lines) // _PICKED]) for i in range(_PICKED)]


def _fact_schema(folder: Path) -> list[dict[str, Any]]:
    slots = json.loads((folder / "homes_schema.json").read_text(encoding="utf-8"))["Homes_1"]["slots"]
    keys = [
        {"key": s["name"], "description": s["description"]}
        | ({"values": [v.lower() for v in s["possible_values"]]} if s["possible_values"] else {})
        for s in slots
    ]
    return [*keys, _BOOKED]


def _lead_id(row: Row) -> str:
    return f"SGD-{row['dialogue_id']}"


async def _import(service: Service, picked: list[Row]) -> None:
    leads = [{"lead_id": _lead_id(row), "attributes": {"stage": "contacted"}} for row in picked]
    chats = [
        {
            "lead_id": _lead_id(row),
            "conversation_id": row["dialogue_id"],
            "channel": "chat",
            "messages": [{"author": _AUTHORS[t["speaker"]], "text": t["utterance"]} for t in row["turns"]],
        }
        for row in picked
    ]
    for kind, items in (("leads", leads), ("chats", chats)):
        answer = await service.client.post(f"/root/import/{kind}", json={"items": items})
        assert answer.json()["created"] == _PICKED, answer.text


def _misquoted(claims: list[Row], texts: dict[str, str]) -> list[Row]:
    return [
        citation
        for claim in claims
        for citation in claim["citations"]
        if not citation["quote"]
        or texts.get(citation["artifact_id"], "")[citation["start"] : citation["end"]] != citation["quote"]
    ]


def _right(claim: Row, row: Row) -> bool:
    gold = {**row["gold_final_slots"], "visit_booked": [str(row["gold_visit_booked"]).lower()]}
    return claim["attribute"] in gold and same(str(claim["value"]), gold[claim["attribute"]])


@pytest.mark.long
async def test_forty_conversations_give_cited_facts(service: Service, database: str, shared_data: Path) -> None:
    folder = shared_data / "chats_sgd_homes"
    picked, schema = _picked(folder), _fact_schema(folder)
    await _import(service, picked)
    ids = await asyncio.gather(
        *(service.submit(inputs={"lead_id": _lead_id(row), "fact_schema": schema}) for row in picked)
    )

    missions = await asyncio.gather(*(service.settled(mission_id, 180) for mission_id in ids))

    assert Counter(m["status"] in {"awaiting_approval", "completed"} for m in missions) == {True: _PICKED}
    tally: Counter[tuple[str, bool]] = Counter()
    for row, mission in zip(picked, missions, strict=True):
        facts = mission["packet"]["facts"]
        claims = {c["claim_id"]: c for c in mission["packet"]["claims"]}
        assert facts or not row["gold_final_slots"], row["dialogue_id"]
        assert all(claims[fact["claim_id"]]["citations"] for fact in facts)
        evidence = await service.artifacts(mission["mission_id"], "research_artifact")
        texts = {item["artifact_id"]: item["payload"]["text"] for item in evidence}
        assert _misquoted(list(claims.values()), texts) == []
        made = await _claims_made(service, mission["mission_id"])
        withheld = set(mission["packet"]["review"]["withheld"])
        tally.update(("withheld" if c["claim_id"] in withheld else "released", _right(c, row)) for c in made)
    _report(tally, database)
    kept, lost = tally["released", True], tally["withheld", True]
    assert lost <= _MOST_WITHHELD * (kept + lost)


async def _claims_made(service: Service, mission_id: str) -> list[Row]:
    packets = await service.artifacts(mission_id, "aggregation_packet")
    return [c for c in packets[-1]["payload"]["claims"] if c["value"] is not None]


def _report(tally: Counter[tuple[str, bool]], database: str) -> None:
    revised = rows(database, "select count(*) from colony_events where event_type = 'review.revised'")[0]["count"]
    print(  # noqa: T201
        f"claims released: {tally['released', True]} right, {tally['released', False]} wrong; "
        f"withheld: {tally['withheld', True]} right, {tally['withheld', False]} wrong; "
        f"missions revised: {revised} of {_PICKED}"
    )
