"""A run that loses its lease within statements leaves nothing behind: no task, no socket, no borrowed connection."""

import asyncio
import logging
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import psycopg
import pytest

from adapters.postgres.claims import LeaseTimes
from contracts.ports import LedgerPort, ModelPort, Ports
from graph.context import Record
from tests.graph.lab import Lab, Swaps
from tests.support import until

_REQUESTS = 300
_BLOCKED = """
select from pg_stat_activity
where datname = current_database() and application_name = 'colony lab' and wait_event_type = 'Lock'
"""


@dataclass
class Gate:
    """Holds tasks before they ask the model, then lets them go; the model and everything behind it are real."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    def before(self, model: ModelPort) -> ModelPort:
        gate = self

        class Held:
            async def fill(self, *args: Any, **more: Any) -> Any:
                gate.reached.set()
                await gate.go.wait()
                return await model.fill(*args, **more)

        return Held()

    def rewire(self, ports: Ports, ledger: LedgerPort, record: Record) -> Ports:
        return replace(ports, model=self.before(ports.model))


async def test_a_lease_lost_again_and_again_under_a_statement_leaves_the_process_whole(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "psycopg")
    await lab.service.seed_lead()
    missions = [await lab.service.submit() for _ in range(3)]
    gates = {mission_id: Gate() for mission_id in missions}
    patient = replace(lab, times=LeaseTimes(lease_ms=600_000))  # nobody beats before the leases are another's
    runners = [patient.runner(Swaps(rewire=gate.rewire)) for gate in gates.values()]
    before = asyncio.all_tasks()
    pairs = zip(runners, missions, strict=True)
    runs = [asyncio.create_task(runner.run(mission_id, "demo")) for runner, mission_id in pairs]
    for gate in gates.values():
        await gate.reached.wait()

    async def beaten() -> bool:
        for runner in runners:
            await runner._keeper.beat_once()
        return all(run.done() for run in runs)

    with psycopg.connect(lab.db.dsn) as admin:
        admin.execute("lock table colony_model_calls, colony_research_artifacts in access exclusive mode")
        for gate in gates.values():
            gate.go.set()

        async def blocked() -> bool:
            return len(lab.db.rows(_BLOCKED)) == len(missions)

        await until(blocked, "every run to be within a statement")
        lab.db.run("update colony_leases set worker_id = 'another'")
        await until(beaten, "the runs to be over", 15.0)
        admin.rollback()

    fresh = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(base_url=lab.service.client.base_url, timeout=3, limits=fresh) as client:
        for _ in range(_REQUESTS // 30):
            answers = await asyncio.gather(*(client.get(f"/api/colony/missions/{missions[0]}") for _ in range(30)))
            assert {answer.status_code for answer in answers} == {200}
    stats = lab.pool.get_stats()
    assert not stats.get("returns_bad"), stats
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING] == []
    assert [task for task in asyncio.all_tasks() - before if "/nodes/" in str(task) or "/graph/" in str(task)] == []
