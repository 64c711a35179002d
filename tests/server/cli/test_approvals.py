"""`colony approvals`: the queue, and delegations from making to their end."""

import pytest

from contracts.errors import BadInput
from server.cli.approvals import duration_ms
from tests.server.cli.conftest import Run
from tests.support import Service


async def test_the_queue_says_who_asked_for_what_and_until_when(colony: Run, service: Service) -> None:
    assert (await colony("approvals", "list")).out == "Nothing waits for a person.\n"
    mission_id = await service.submit()
    assert (await service.settled(mission_id))["status"] == "awaiting_approval"
    listed = await colony("approvals", "list")
    assert listed.code == 0, listed.err
    (line,) = [line for line in listed.out.splitlines() if mission_id in line]
    assert "developer" in line
    (item,) = (await colony("approvals", "list", "--json")).document["items"]
    assert item["mission_id"] == mission_id


async def test_a_delegation_is_made_listed_and_taken_back(colony: Run) -> None:
    made = (await colony("approvals", "delegate", "--to", "ann", "--for", "12h", "--reason", "away", "--json")).document
    assert (made["to_actor"], made["to_role"]) == ("ann", None)
    assert made["delegation_id"] in (await colony("approvals", "delegations")).out
    ended = await colony("approvals", "take-back", made["delegation_id"])
    assert ended.code == 0, ended.err
    assert (await colony("approvals", "delegations")).out == "Nobody answers in anybody's place.\n"
    (kept,) = (await colony("approvals", "delegations", "--all", "--json")).document["items"]
    assert kept["revoked_at"]
    (await colony("approvals", "take-back", "dlg_none")).error("delegation_not_found")


async def test_a_delegation_is_to_one(colony: Run) -> None:
    (await colony("approvals", "delegate")).error("invalid_input")
    (await colony("approvals", "delegate", "--to", "ann", "--to-role", "lead")).error("invalid_input")
    (await colony("approvals", "delegate", "--to", "ann", "--for", "a while")).error("invalid_input")


@pytest.mark.parametrize(("text", "ms"), [("90m", 5_400_000), ("12h", 43_200_000), ("7d", 604_800_000)])
def test_a_duration_is_what_it_says(text: str, ms: int) -> None:
    assert duration_ms(text) == ms


@pytest.mark.parametrize("text", ["", "7", "d", "1.5h", "-1h", "7d\n", "\u0661h"])
def test_a_duration_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        duration_ms(text)
