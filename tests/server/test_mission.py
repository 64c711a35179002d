"""One mission, start to end, over HTTP."""

from tests.support import Service, pretty


async def test_a_mission_runs_to_its_approval_and_writes_what_was_approved(service: Service) -> None:
    await service.seed_lead()
    mission_id = await service.submit()
    waiting = await service.settled(mission_id)
    assert waiting["status"] == "awaiting_approval", pretty(waiting)
    assert waiting["packet"]["facts"], pretty(waiting["packet"])
    assert (await service.writes())["notes"] == 0

    answer = await service.post(mission_id, "approve")

    assert answer.status_code == 202
    ended = await service.settled(mission_id)
    assert ended["status"] == "completed"
    assert {w["status"] for w in ended["packet"]["writebacks"]} == {"applied"}
    assert (await service.writes())["notes"] == 1
