"""A bundle of a mission that two people approved: nobody's answer can be left out, moved, or made another's."""

from collections.abc import AsyncIterator, Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest_asyncio

from adapters.postgres.reader import MissionRecord
from contracts.canonical import sha256_hex
from contracts.events import chain_hash
from server.bundle import packed
from server.verify import verify_bytes
from tests.people import open_company


@pytest_asyncio.fixture
async def record(database: str, tmp_path: Path) -> AsyncIterator[MissionRecord]:
    """A mission on which bob edited the note and cyd agreed to it."""
    async with open_company(database, tmp_path) as company:
        mission_id = await company.asks()
        mine = {"note": {"verdict": "edit", "after": {"text": "Wants a viewing on Friday."}}}
        assert (await company.answers(mission_id, "bob", changes=mine)).status_code == 202
        assert (await company.answers(mission_id, "cyd")).status_code == 202
        await company.runs(mission_id)
        yield await company.lab.colony.reader.record("acme", mission_id)


def remade(record: MissionRecord, was: str, now: str) -> None:
    """Put one text in the place of another in what people said and in every event, and make the chain fit."""
    approval = record.approvals[0]
    head = "0" * 64
    for event in record.events:
        event["content"] = bytes(event["content"]).replace(was.encode(), now.encode())
        event["prev_hash"], event["hash"] = head, (head := chain_hash(head, event["seq"], event["content"]))
    record.mission["head"] = head
    approval["decision_content"] = bytes(approval["decision_content"]).replace(was.encode(), now.encode())


def decision_follows(record: MissionRecord, was: str) -> None:
    now = sha256_hex(record.approvals[0]["decision_content"])
    remade(record, was, now)


def one_person_for_both(record: MissionRecord) -> None:
    """Make the first answer cyd's, in the answer, the decision and the chain, each hash made anew."""
    approval = record.approvals[0]
    first = bytes(approval["answers"][0])
    forged = first.replace(b'"actor_id":"bob"', b'"actor_id":"cyd"')
    approval["answers"][0] = forged
    decided = sha256_hex(bytes(approval["decision_content"]))
    for was, now in (
        (f'"actor_id":"bob","on_behalf_of":null,"sha256":"{sha256_hex(first)}"', None),
        ('"actor":"bob"', '"actor":"cyd"'),
    ):
        remade(record, was, now or was.replace("bob", "cyd"))
    remade(record, sha256_hex(first), sha256_hex(forged))
    decision_follows(record, decided)


def fewer_people_needed(record: MissionRecord) -> None:
    """Say in the request that one person was enough, each hash made anew, and leave the first answer out."""
    approval = record.approvals[0]
    asked = sha256_hex(bytes(approval["content"]))
    approval["content"] = bytes(approval["content"]).replace(b'"people":2', b'"people":1')
    approval["sha256"] = sha256_hex(approval["content"])
    remade(record, asked, approval["sha256"])


def answers(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[MissionRecord], None]:
    def changed(record: MissionRecord) -> None:
        record.approvals[0]["answers"] = change([bytes(a) for a in record.approvals[0]["answers"]])

    return changed


FORGED: dict[str, Callable[[MissionRecord], None]] = {
    "left-out": answers(lambda given: given[1:]),
    "all-left-out": answers(lambda given: []),
    "moved": answers(lambda given: given[::-1]),
    "anothers": answers(lambda given: [given[0].replace(b'"bob"', b'"dan"'), given[1]]),
    "altered": answers(lambda given: [given[0].replace(b"Friday", b"Sunday"), given[1]]),
    "one-person-for-both": one_person_for_both,
    "fewer-people-needed": fewer_people_needed,
}


async def test_who_agreed_is_counted_again(record: MissionRecord) -> None:
    assert verify_bytes(packed(record)).ok
    found: dict[str, Any] = {}
    for name, forge in FORGED.items():
        copy = deepcopy(record)
        forge(copy)
        report = verify_bytes(packed(copy))
        failed = [check.name for check in report.checks if not check.ok]
        found[name] = failed
    assert all("people" in failed for failed in found.values()), found
    assert found["one-person-for-both"] == ["people"], found
