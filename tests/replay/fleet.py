"""Missions of all classes over the sample agency: recorded here, and replayed by a process that reaches nothing."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Any

from adapters.root.client import RootClient
from contracts.registry import SPECS
from server.root_import import ImportSources, import_files
from tests.adapters.postgres.backdoor import Backdoor
from tests.support import Service

HERE = Path(__file__).parents[2]
AGENCY = HERE / "samples" / "agency"
QUESTIONS = [
    "What is the reservation fee?",
    "How long does a viewing take, and can I bring my dog to it?",
    "Which documents do I need for a mortgage, and how long does the approval take?",
    "What are the steps of a purchase from the offer to the keys?",
    "How do I complain, and who answers within which time?",
    "Are pets allowed in Harbour Quarter?",
    "What does the area of Northgate offer to families, and how long is the commute to the centre?",
    "What is the colour of the mayor's horse?",
    "Which fees does a tenant pay at the beginning of a tenancy?",
    "What did the October campaigns bring, and what did they cost?",
    "How much notice does a seller get before a viewing?",
    "What is the price of a three bedroom flat in Old Mill, and what is the service charge there?",
]
CAMPAIGNS = ["CMP-FIRSTHOME", "CMP-HARBOUR", "CMP-NORTHGATE", "CMP-PORTAL", "CMP-SALTMARSH"]
PERIODS: list[dict[str, str]] = [{}, {"period": "2026-10"}]


async def imported(service: Service) -> None:
    """Import the sample agency as an operator does."""
    client = RootClient(f"{service.client.base_url}/root")
    named = {"leads": "leads.csv", "chats": "chats.jsonl", "documents": "documents", "campaigns": "campaigns.csv"}
    report = await import_files(client, "demo", ImportSources(**{k: AGENCY / v for k, v in named.items()}))
    await client.aclose()
    assert not report.errors, report.errors


def asked(most: int) -> list[dict[str, Any]]:
    """Return requests, of every class in turn."""
    leads = ({"mission_type": "crm_lead_intelligence", "inputs": {"lead_id": f"L-{1001 + n}"}} for n in range(40))
    questions = ({"mission_type": "oracle_advisory", "inputs": {"question": q}} for q in QUESTIONS)
    briefs: Iterator[dict[str, Any]] = (
        {"mission_type": "catalyst_strategy_brief", "inputs": {"campaign_id": c, **p}}
        for p in PERIODS
        for c in CAMPAIGNS
    )
    turns = chain.from_iterable(zip_longest(leads, questions, briefs))
    return list(islice((one for one in turns if one is not None), most))


async def recorded(service: Service, requests: Sequence[Mapping[str, Any]]) -> list[str]:
    """Run missions to their ends; what asks for a person is approved, every third time rejected."""
    made = [await service.submit(**dict(one)) for one in requests]
    for n, mission_id in enumerate(made):
        mission = await service.settled(mission_id, 300)
        if mission["status"] == "awaiting_approval":
            answer = await service.post(mission_id, *(["approve"] if n % 3 else ["reject"]), **({} if n % 3 else _WHY))
            assert answer.status_code == 202, answer.text
    for mission_id in made:
        await service.settled(mission_id, 300)
    return made


_WHY = {"reason": "not now"}


def hidden(db: Backdoor, missions: Sequence[str]) -> None:
    """Make everything that these missions made, and their checkpoints, unreadable to the service's role."""
    listed = ", ".join(f"'{mission_id}'" for mission_id in missions)
    tables = {spec.table: "mission_id" for spec in SPECS.values()} | {"colony_writebacks": "mission_id"}
    tables |= {"checkpoints": "thread_id", "checkpoint_blobs": "thread_id", "checkpoint_writes": "thread_id"}
    db.run(
        *(
            f"create policy hidden on {table} as restrictive for select to colony_app using ({key} not in ({listed}))"
            for table, key in tables.items()
        )
    )


def replayed_alone(dsn: str, home: Path, missions: Sequence[str], patience_s: float = 900) -> dict[str, Any]:
    """Replay missions in a fresh process in which no socket connects, no model answers and no root is there."""
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(HERE), "DATABASE_URL": dsn, "COLONY_HOME": str(home)}
    ran = subprocess.run(
        [sys.executable, "-m", "tests.replay.alone"],
        input=json.dumps(list(missions)),
        env=env | {"ROOT_API_BASE_URL": "http://127.0.0.1:9", "LOG_LEVEL": "error", "LANGGRAPH_STRICT_MSGPACK": "true"},
        capture_output=True,
        text=True,
        timeout=patience_s,
        check=False,
        cwd=HERE,
    )
    assert ran.returncode == 0, ran.stderr[-4_000:]
    return dict(json.loads(ran.stdout.splitlines()[-1]))


def made_by(db: Backdoor, mission_id: str) -> Counter[tuple[Any, ...]]:
    """Return what a mission's runs made, as its administrator sees it: kind, revision, task, hash of the bytes."""
    found = db.rows(
        "select kind, revision, task_key, encode(sha256(content), 'hex') as sha256 from colony_artifacts "
        "where mission_id = %s and kind <> 'writeback' and not (kind = 'policy_decision' and revision = 0)",
        mission_id,
    )
    return Counter(tuple(row.values()) for row in found)
