"""The demo, as a stranger runs it: a home of its own, no service, no database, no question."""

import json
import os
from pathlib import Path

import pytest

from server.cli.stops import LEAD, SAMPLES
from tests.server.cli.conftest import Run


def said_by_the_lead() -> list[str]:
    lines = (SAMPLES / "chats.jsonl").read_text(encoding="utf-8").splitlines()
    chats = [chat for chat in map(json.loads, lines) if chat["lead_id"] == LEAD]
    return [message["text"] for chat in chats for message in chat["messages"]]


def quotes_in(out: str) -> set[str]:
    texts = said_by_the_lead()
    quoted = {part for line in out.splitlines() for part in line.split('"')[1:-1:2]}
    return {quote for quote in quoted if len(quote) > 20 and any(quote in text for text in texts)}


async def test_the_demo_shows_plan_proof_approval_and_change_twice_over(alone: Run, home: Path):
    environment = {"COLONY_HOME": str(home), "LC_ALL": "C.UTF-8"}
    first = await alone("demo", **environment)
    assert first.code == 0, first.err
    assert first.err == ""
    assert "extract_facts, assess_engagement" in first.out  # a task's dependencies
    assert len(quotes_in(first.out)) >= 2
    assert "from customer text" in first.out
    assert "approved 3 of 3 proposals" in first.out
    bundles = os.listdir(home / "demo")
    assert len(bundles) == 2
    for bundle in bundles:
        assert (await alone("verify", str(home / "demo" / bundle))).code == 0
    assert first.out.count("  verified, ") == 2

    second = await alone("demo", "--json", **environment)
    assert second.code == 0, second.err
    crm, oracle = second.document["missions"]
    assert crm["before"] == {"stage": "contacted"}
    assert crm["after"]["stage"] not in {"contacted", None}
    assert f"stage: contacted \N{RIGHTWARDS ARROW} {crm['after']['stage']}" in first.out
    assert oracle["before"] == {"advisory": None}
    assert oracle["after"]["advisory"]["answer"] == oracle["mission"]["packet"]["answer"]["text"]
    assert [m["bundle"]["ok"] for m in (crm, oracle)] == [True, True]


@pytest.mark.long
async def test_the_demo_keeps_its_hands_off_a_lead_that_is_not_the_samples(alone: Run, database: str, serve):
    service = await serve()
    await service.seed_lead(LEAD)
    ran = await alone("demo", DATABASE_URL=database)
    assert ran.code == 1
    assert "COLONY_HOME=" in ran.error("not_the_sample")
    assert (await service.lead(LEAD))["name"] == "Ada Marsh"


async def test_the_demo_is_not_for_production(alone: Run, home: Path):
    ran = await alone("demo", COLONY_DEPLOYMENT_MODE="production", COLONY_HOME=str(home))
    assert ran.code == 2
    ran.error("setting_invalid")
    assert os.listdir(home) == []
