"""Answers, commands and deadlines at the same moment: one wins, the rest are told so, one effect at most."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from contracts.errors import Conflict
from tests.acceptance.checks import NOTHING_WRITTEN, answer, answers, assert_one_effect_each, assert_whole, proposals_of
from tests.adapters.postgres.backdoor import Backdoor
from tests.support import GOAL, Service, until


async def waiting_for(service: Service, many: int) -> list[dict[str, Any]]:
    missions = []
    for n in range(many):
        await service.seed_lead(f"L-{n}")
        missions.append(await service.submit(inputs={"lead_id": f"L-{n}"}))
    return [await service.settled(mission_id) for mission_id in missions]


async def answered(service: Service, waiting: dict[str, Any], verdict: str) -> int:
    if verdict == "expire":
        assert service.colony is not None
        asked = waiting["pending_approval"]["interrupt_id"]
        try:
            await service.colony.service.expire("demo", waiting["mission_id"], asked)
        except Conflict:
            return 409
        return 202
    note = proposals_of(waiting)["note"]
    edited = {"after": {"text": "an edited note"}} if verdict == "edit" else {}
    if verdict in {"reject", "fail"}:
        return (await service.post(waiting["mission_id"], verdict, reason="no")).status_code
    body = answers(waiting, answer(note, verdict, **edited))
    return (await service.post(waiting["mission_id"], "approve", **body)).status_code


ENDS = {"approve": "completed", "edit": "completed", "reject": "rejected", "expire": "expired"}


async def test_of_mixed_answers_and_the_deadline_at_once_one_wins(service: Service, database: str) -> None:
    verdicts = ["approve", "reject", "edit", "expire", "approve", "expire", "reject"]
    won: Counter[str] = Counter()
    for turn, waiting in enumerate(await waiting_for(service, len(verdicts))):
        order = verdicts[turn:] + verdicts[:turn]
        if turn % 2:  # the deadline has no HTTP to go through, and would win every time
            order = [verdict for verdict in order if verdict != "expire"]
        codes = await asyncio.gather(*(answered(service, waiting, verdict) for verdict in order))
        assert sorted(codes) == [202] + [409] * (len(order) - 1), codes
        winner = order[codes.index(202)]
        won[winner] += 1
        ended = await service.settled(waiting["mission_id"])
        assert ended["status"] == ENDS[winner]
        events = await service.events(waiting["mission_id"])
        assert_whole(events)
        assert sum(e["event_type"] in {"approval.decided", "mission.expired"} for e in events) == 1
        if ENDS[winner] == "completed":
            await assert_one_effect_each(service, database, waiting["mission_id"])
        else:
            assert await service.writes(f"L-{turn}") == NOTHING_WRITTEN
    assert len(won) > 1, "the same one always wins, which proves little"


async def test_a_cancellation_beside_answers_leaves_nothing_half_done(service: Service, database: str) -> None:
    for n, waiting in enumerate(await waiting_for(service, 4)):
        mission_id = waiting["mission_id"]
        cancel = service.post(mission_id, "cancel", reason="stop")
        approvals = [answered(service, waiting, "approve") for _ in range(2)]
        cancelled, *codes = await asyncio.gather(cancel, *approvals)
        assert sum(code == 202 for code in codes) <= 1
        ended = await service.settled(mission_id)
        assert ended["status"] in {"cancelled", "completed"}
        assert (cancelled.status_code == 202) is (ended["status"] == "cancelled")
        intended = Backdoor(database).rows("select status from colony_writebacks where mission_id = %s", mission_id)
        assert (await service.writes(f"L-{n}"))["notes"] <= len(intended) <= 1
        assert_whole(await service.events(mission_id))


async def test_an_approval_past_its_deadline_expires_by_the_sweep_and_a_retry_asks_again(
    serve: Callable[..., Awaitable[Service]],
) -> None:
    service = await serve(APPROVAL_TIMEOUT_MS="1")
    await service.seed_lead()
    mission_id = await service.submit()

    async def expired() -> bool:
        return (await service.mission(mission_id))["status"] == "expired"

    await until(expired, "the deadline")
    assert (await service.mission(mission_id))["failure"]["code"] == "approval_expired"
    assert await service.writes() == NOTHING_WRITTEN
    assert (await service.post(mission_id, "approve")).status_code == 409
    assert (await service.post(mission_id, "retry")).status_code == 202
    await until(expired, "the deadline to pass again")
    types = Counter(e["event_type"] for e in await service.events(mission_id))
    assert types["mission.expired"] == types["approval.requested"] == 2


@pytest.mark.parametrize("n", range(3))
async def test_twenty_posts_with_one_key_at_once_make_one_mission(service: Service, database: str, n: int) -> None:
    await service.seed_lead()
    asked = {"mission_type": "crm_lead_intelligence", "user_goal": GOAL, "inputs": {"lead_id": "L-1"}}
    headers = {"Idempotency-Key": f"once-{n}"}
    posts = (service.client.post("/api/colony/missions", json=asked, headers=headers) for _ in range(20))
    given = await asyncio.gather(*posts)
    assert {answer.status_code for answer in given} == {202}
    assert len({answer.json()["mission_id"] for answer in given}) == 1
    counted = (
        "select (select count(*) from colony_missions) as missions, (select count(*) from colony_submissions) as keys"
    )
    assert Backdoor(database).rows(counted) == [{"missions": 1, "keys": 1}]
