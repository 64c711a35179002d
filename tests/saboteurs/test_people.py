"""People: what needs two is not granted by one, and nobody approves what they asked for themselves."""

import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

import graph.standing as standing
from graph import approvals
from policies.engine import PolicyEngine
from policies.rulefiles import RULES_DIRECTORY
from tests.people import Company, open_company
from tests.support import GOAL

ALONE = "one person alone got it written"
OWN = "the requester approved"


@pytest_asyncio.fixture
async def company(database: str, tmp_path: Path) -> AsyncIterator[Company]:
    async with open_company(database, tmp_path) as opened:
        yield opened


def without(rule: str, folder: Path) -> PolicyEngine:
    """Load the shipped rules without one of them."""
    copy = folder / "rules"
    shutil.copytree(RULES_DIRECTORY, copy)
    file = copy / "release.cedar"
    parts = file.read_text().split("@id(")
    left = [part for part in parts if not part.startswith(f'"{rule}"')]
    assert len(left) == len(parts) - 1
    file.write_text("@id(".join(left))
    return PolicyEngine.load(copy)


def govern(company: Company, engine: PolicyEngine) -> None:
    service = company.lab.colony.service
    object.__setattr__(service, "governance", replace(service.governance, engine=engine))


async def nobody_is_two_people(company: Company) -> None:
    """The check: whoever has approved can't be the second person, too."""
    mission_id = await company.asks()
    assert (await company.answers(mission_id, "bob")).status_code == 202
    again = await company.answers(mission_id, "bob")
    if again.status_code == 202:
        await company.runs(mission_id)
    assert await company.notes() == [], ALONE
    assert again.status_code == 403, f"the second answer was taken: {again.status_code}"


async def test_without_the_rule_a_second_answer_is_taken_but_does_not_count(company: Company, tmp_path: Path) -> None:
    govern(company, without("release.second-person", tmp_path))
    with pytest.raises(AssertionError, match="the second answer was taken"):
        await nobody_is_two_people(company)


async def test_without_rule_and_count_one_person_is_enough(
    company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    govern(company, without("release.second-person", tmp_path))
    monkeypatch.setattr(standing, "has_agreed", lambda people, agreed: False)
    with pytest.raises(AssertionError, match=ALONE):
        await nobody_is_two_people(company)


async def the_requester_is_refused(company: Company) -> None:
    """The check: who asked for the mission can't approve what it wants to write."""
    mission_id = await company.asks()
    assert (await company.answers(mission_id, "ada")).status_code == 403, OWN


async def test_without_its_rule_the_requester_approves(company: Company, tmp_path: Path) -> None:
    govern(company, without("release.own-request", tmp_path))
    with pytest.raises(AssertionError, match=OWN):
        await the_requester_is_refused(company)


async def later_rules_hold(company: Company) -> None:
    """The check: rules that forbid a change hold for a question that was asked before them."""
    mission_id = await company.asks(GOAL)
    rule = '@id("release.our-x") @reason("since then") forbid (principal, action == Action::"release", resource);'
    made = await company.post("/policies", "ada", {"files": {"release.x.cedar": rule}})
    await company.post(f"/policies/{made.json()['version']}/activate", "ada", {})
    assert (await company.answers(mission_id, "bob")).status_code == 403, "approved under rules that forbid it"


async def test_later_rules_hold(company: Company) -> None:
    await later_rules_hold(company)


async def test_without_asking_again_what_is_forbidden_by_now_is_approved(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approvals._Court, "still", lambda court, standing: None)
    with pytest.raises(AssertionError, match="under rules that forbid it"):
        await later_rules_hold(company)
