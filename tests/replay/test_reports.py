"""A replay's report is the worker's: whoever asks for it, and when, nobody waits for it to be made."""

from tests.adapters.postgres.backdoor import Backdoor
from tests.support import Service, until


async def test_the_worker_makes_the_report_before_anybody_asks(service: Service, database: str) -> None:
    mission_id = await service.submit()
    assert (await service.settled(mission_id))["failure"]["code"] == "lead_not_found"
    made = (await service.post(mission_id, "replay")).json()["mission_id"]
    at = f"/api/colony/missions/{made}/report"
    await service.settled(made)
    db = Backdoor(database)

    async def stored() -> bool:
        return bool(db.rows("select from colony_replay_reports where mission_id = %s and identical", made))

    await until(stored, "the report")
    # Nothing is compared again: what was recorded is not read any more.
    db.run("update colony_recorded set content = content || 'x'")
    report = await service.client.get(at)
    assert (report.status_code, report.json()["identical"]) == (200, True)
    again = (await service.post(mission_id, "replay")).json()["mission_id"]
    assert (await service.settled(again))["failure"]["code"] == "integrity_broken"
