"""The kill switch: from its commit on nothing is written, whatever was approved; lifted, all of it happens, once."""

import asyncio
from collections import Counter
from collections.abc import Callable

import psycopg
import pytest

from adapters.postgres.halts import EVERYBODY, AdministratorsHalts
from tests.acceptance.checks import outcomes, rows, waiting_mission
from tests.acceptance.conftest import WorkerProcess
from tests.acceptance.root_proxy import Call, RootProxy
from tests.support import Service, sampled, until

StartWorker = Callable[..., WorkerProcess]
HALT = "/api/colony/halt"
SENT = 4


async def by_its_tenant(service: Service, database: str) -> None:
    answer = await service.client.post(HALT, json={"reason": "odd writes"})
    assert (answer.status_code, answer.json()["scope"]) == (201, "tenant"), answer.text


async def by_an_administrator(service: Service, database: str) -> None:
    await asyncio.to_thread(AdministratorsHalts(database).halt, EVERYBODY, "ops", "odd writes")


async def lifted(service: Service, database: str) -> None:
    assert (await service.client.delete(HALT)).status_code == 200
    await asyncio.to_thread(AdministratorsHalts(database).lift, EVERYBODY, "ops")


async def halted_while_it_writes(
    api: Service, proxy: RootProxy, start_worker: StartWorker, database: str, halt: Callable[..., object]
) -> tuple[str, WorkerProcess]:
    """Approve a mission and halt when the root has done the first write, whose answer is held back until then."""
    worker = start_worker(ROOT_API_BASE_URL=proxy.base)
    waiting = await waiting_mission(api, budget_max=400_000)
    assert len(waiting["pending_approval"]["proposals"]) == SENT
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def hold(call: Call) -> None:
        if call.writes and not reached.is_set():
            reached.set()
            await go_on.wait()

    proxy.after = hold
    assert (await api.post(waiting["mission_id"], "approve")).status_code == 202
    await asyncio.wait_for(reached.wait(), 30)
    await halt(api, database)  # type: ignore[misc]
    go_on.set()
    return waiting["mission_id"], worker


async def seen_sweeps(database: str, condition: Callable[[], bool]) -> None:
    """Look while several sweeps pass."""
    with psycopg.connect(database, autocommit=True) as conn:
        for _ in range(12):
            await asyncio.to_thread(conn.execute, "select pg_sleep(0.1)")
            assert condition()


def keys(proxy: RootProxy) -> Counter[str]:
    return Counter(call.headers["idempotency-key"] for call in proxy.seen if call.writes)


@pytest.mark.parametrize("halt", sampled([by_its_tenant, by_an_administrator], 2))
async def test_a_halt_stops_the_writes_that_are_left_and_lifted_they_happen_once(
    api: Service, root_proxy: RootProxy, start_worker: StartWorker, database: str, halt: Callable[..., object]
) -> None:
    mission_id, worker = await halted_while_it_writes(api, root_proxy, start_worker, database, halt)

    async def stopped() -> bool:
        return "run stopped" in worker.output() or "another process" in worker.output()

    await until(stopped, "the run to stop", 10)
    await seen_sweeps(database, lambda: len(keys(root_proxy)) == 1)
    assert (await api.mission(mission_id))["status"] == "running"
    asked = {"mission_type": "crm_lead_intelligence", "user_goal": "What now?", "inputs": {"lead_id": "L-1"}}
    refused = await api.client.post("/api/colony/missions", json=asked)
    assert (refused.status_code, refused.json()["code"]) == (409, "halted")
    state = (await api.client.get(HALT)).json()
    assert (state["halted"], state["items"][0]["reason"]) == (True, "odd writes")

    await lifted(api, database)

    ended = await api.settled(mission_id)
    assert (ended["status"], outcomes(ended)) == ("completed", {"applied": SENT})
    # The write that was on its way is read back, and not sent again.
    assert sorted(keys(root_proxy).values()) == [1] * SENT
    assert (await api.client.get(HALT)).json()["halted"] is False
    assert rows(database, "select count(*) as n from colony_halts where lifted_by is null")[0]["n"] == 0


async def test_without_the_switch_the_rest_is_written(
    api: Service, root_proxy: RootProxy, start_worker: StartWorker, database: str
) -> None:
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(
            "create or replace function colony_halted(tenant text) returns boolean language sql as 'select false'"
        )
    mission_id, _ = await halted_while_it_writes(api, root_proxy, start_worker, database, by_an_administrator)
    assert (await api.settled(mission_id))["status"] == "completed"
    assert len(keys(root_proxy)) == SENT


async def test_a_halt_over_everybody_is_not_its_tenants_to_lift(service: Service, database: str) -> None:
    await by_an_administrator(service, database)
    answer = await service.client.delete(HALT)
    assert answer.json()["halted"] is True
    assert answer.json()["items"][0]["scope"] == "all"
    waits = await service.client.post("/api/colony/missions", json={})
    assert waits.status_code == 422, "a request that is wrong anyway is told so"
