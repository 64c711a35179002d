"""No write is forgotten: a mission that ends while one is on its way says so, and it can be read back."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from adapters.postgres.maintenance.standstill import standstill
from adapters.postgres.unit import Unit
from adapters.root.client import RootClient
from contracts.errors import OutcomeUnknown
from contracts.evidence import WritebackProposal
from contracts.ports import ReadBack, Shown, WriterPort
from server.reconcile import resolve
from server.verify import verify_bytes
from tests.graph.lab import Lab
from tests.saboteurs.test_effects import DiesBeforeTheOutcome, Way, over

FORGOTTEN = "a write was forgotten"


class OnItsWay(Way):
    """The first write is done in the root, and before its answer is back something happens."""

    def __init__(self, inner: WriterPort, meanwhile: Callable[[], Awaitable[None]]) -> None:
        super().__init__(inner)
        self._meanwhile: Callable[[], Awaitable[None]] | None = meanwhile

    async def send(self, tenant_id: str, proposal: WritebackProposal, *args: Any) -> Mapping[str, Any]:
        answer = await super().send(tenant_id, proposal, *args)
        if self._meanwhile is not None:
            meanwhile, self._meanwhile = self._meanwhile, None
            await meanwhile()
        return answer


class SaysNothing(Way):
    """The first answer is lost, and nothing can be read back at the time."""

    async def send(self, tenant_id: str, proposal: WritebackProposal, *args: Any) -> Mapping[str, Any]:
        await super().send(tenant_id, proposal, *args)
        raise OutcomeUnknown("the answer was lost")

    async def shown(self, *_: object) -> ReadBack:
        return ReadBack(Shown.UNKNOWN)


async def asked(lab: Lab) -> str:
    await lab.service.seed_lead()
    return str((await lab.mission())["mission_id"])


async def by_an_operator(lab: Lab, mission_id: str) -> dict[str, Any]:
    async def failed() -> None:
        assert (await lab.service.post(mission_id, "fail", reason="enough")).status_code == 202

    return await lab.approved(mission_id, over(lab, lambda root: OnItsWay(root, failed)))


async def by_the_end_of_its_time(lab: Lab, mission_id: str) -> dict[str, Any]:
    async def waits() -> None:
        await asyncio.get_running_loop().create_future()

    lab.db.run(
        "alter table colony_budgets disable trigger fence",
        "update colony_budgets set time_spent_ms = time_budget_ms - 1500",
        "alter table colony_budgets enable trigger fence",
    )
    return await lab.approved(mission_id, over(lab, lambda root: OnItsWay(root, waits)))


async def by_quarantine(lab: Lab, mission_id: str) -> dict[str, Any]:
    swaps = over(lab, DiesBeforeTheOutcome)
    await lab.approved(mission_id, swaps)
    lab.db.run("alter table colony_missions disable trigger guard", "update colony_missions set deaths = 4")
    lab.db.run("alter table colony_missions enable trigger guard")
    lab.forget_leases()
    return await lab.run(mission_id, swaps)


async def the_write_on_its_way_is_known_to_be_unknown(lab: Lab, end: Any) -> str:
    mission_id = await asked(lab)
    assert (await end(lab, mission_id))["status"] == "failed"
    written = lab.db.rows("select status from colony_writebacks")
    assert [row["status"] for row in written] == ["unknown"], FORGOTTEN
    types = [event["event_type"] for event in await lab.service.events(mission_id)]
    assert types[-1] == "mission.failed"
    assert types.index("writeback.unknown") > types.index("writeback.intended")
    assert await unresolved(lab) == (1, 1.0)
    assert await verified(lab, mission_id)
    return mission_id


async def unresolved(lab: Lab) -> tuple[int, float]:
    """What doctor and the metric say."""
    held = await asyncio.to_thread(standstill, lab.db.dsn)
    assert held is not None
    text = (await lab.service.client.get("/api/colony/metrics")).text
    gauge = next(line for line in text.splitlines() if line.startswith("colony_writebacks_unresolved "))
    return int(held["unknown"]), float(gauge.split()[1])


async def verified(lab: Lab, mission_id: str) -> bool:
    bundle = await lab.service.client.get(f"/api/colony/missions/{mission_id}/bundle")
    report = verify_bytes(bundle.content)
    assert report.ok, [check for check in report.checks if not check.ok]
    return True


async def resolved(lab: Lab) -> list[tuple[str, str]]:
    root = RootClient(f"{lab.service.client.base_url}/root")
    try:
        return [(f.shown, f.action) for f in await resolve(lab.db.dsn, root, lab.colony.service)]
    finally:
        await root.aclose()


@pytest.mark.parametrize("end", [by_the_end_of_its_time, by_quarantine])
async def test_a_write_that_is_on_its_way_when_its_mission_ends_is_said_and_read_back(lab: Lab, end: Any) -> None:
    mission_id = await the_write_on_its_way_is_known_to_be_unknown(lab, end)
    assert await resolved(lab) == [("done", "outcome recorded")]
    assert await unresolved(lab) == (0, 0.0)
    assert (await lab.service.events(mission_id))[-1]["event_type"] == "mission.failed"
    assert await verified(lab, mission_id)


async def test_without_the_word_at_the_end_a_write_is_forgotten(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(_unit: Unit) -> None:
        return None

    monkeypatch.setattr(Unit, "_leave_open", silent)
    with pytest.raises(AssertionError, match=FORGOTTEN):
        await the_write_on_its_way_is_known_to_be_unknown(lab, by_an_operator)


async def test_a_retry_reads_back_what_was_on_its_way_and_writes_it_once(lab: Lab) -> None:
    mission_id = await the_write_on_its_way_is_known_to_be_unknown(lab, by_an_operator)
    assert (await lab.service.post(mission_id, "retry")).status_code == 202
    ended = await lab.run(mission_id)
    assert ended["status"] == "completed"
    assert {w["status"] for w in ended["packet"]["writebacks"]} == {"applied"}
    assert (await lab.service.writes())["notes"] == 1
    assert await verified(lab, mission_id)


async def test_a_mission_that_has_begun_to_write_can_not_be_cancelled(lab: Lab) -> None:
    """Half of what was approved would be written, and nobody could let it go on."""
    mission_id = await asked(lab)
    answers = []

    async def cancelled() -> None:
        answers.append(await lab.service.post(mission_id, "cancel"))

    ended = await lab.approved(mission_id, over(lab, lambda root: OnItsWay(root, cancelled)))
    assert [(a.status_code, a.json()["code"]) for a in answers] == [(409, "writing")]
    assert ended["status"] == "completed"
    assert {w["status"] for w in ended["packet"]["writebacks"]} == {"applied"}


async def test_what_nobody_knew_at_a_completed_missions_end_is_read_back_later(lab: Lab) -> None:
    mission_id = await asked(lab)
    ended = await lab.approved(mission_id, over(lab, SaysNothing))
    assert ended["status"] == "completed"
    count = len(ended["packet"]["writebacks"])
    assert await unresolved(lab) == (count, float(count))
    assert await resolved(lab) == [("done", "outcome recorded")] * count
    assert await resolved(lab) == []
    assert await unresolved(lab) == (0, 0.0)
    assert (await lab.service.events(mission_id))[-1]["payload"]["effects"] == {"applied": count}
    assert await verified(lab, mission_id)
