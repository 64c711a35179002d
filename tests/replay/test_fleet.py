"""Missions of every class, replayed by a fresh process that can neither ask anybody nor read what they made."""

from pathlib import Path

from tests.adapters.postgres.backdoor import Backdoor
from tests.replay.fleet import asked, hidden, imported, made_by, recorded, replayed_alone
from tests.support import Service


async def test_a_process_that_reaches_nothing_makes_the_same(service: Service, database: str, tmp_path: Path) -> None:
    await imported(service)
    missions = await recorded(service, asked(4))
    db = Backdoor(database)
    hidden(db, missions)
    told = replayed_alone(database, tmp_path / "alone", missions)
    assert told["unreadable"]
    assert [report["identical"] for report in told["reports"]] == [True] * 4, told["reports"]
    assert {"admission", "planner", "workers", "reviewer", "release_gate", "finalize"} <= told["ran"].keys()
    assert all(told["ran"][role] >= 4 for role in ("admission", "planner", "researcher", "workers", "finalize"))
    for report in told["reports"]:
        assert made_by(db, report["mission_id"]) == made_by(db, report["of"])
        assert sum(made_by(db, report["of"]).values()) > 5
