"""Nothing is done twice: a process dies between a step's commit and its checkpoint; a mission fails and is retried."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from adapters.postgres.sessions import RunSession, Sessions
from contracts.errors import StoreUnavailable
from contracts.ports import Ports, StepResult
from contracts.state import MissionState
from contracts.stateflow import Stage
from graph.steps import Role, step
from nodes.admission import admission
from nodes.aggregator import aggregator
from nodes.finalize import finalize
from nodes.librarian import librarian
from nodes.planner import planner
from nodes.prompt_master import prompt_master
from nodes.researcher import researcher
from nodes.reviewer import reviewer
from nodes.workers import workers
from nodes.writeback import writeback
from tests.graph.lab import Lab, Swaps
from tests.support import sampled

ROLES: dict[Stage, Role] = {
    Stage.ADMISSION: admission,
    Stage.PLANNER: planner,
    Stage.PROMPT_MASTER: prompt_master,
    Stage.LIBRARIAN: librarian,
    Stage.RESEARCHER: researcher,
    Stage.WORKERS: workers,
    Stage.AGGREGATOR: aggregator,
    Stage.REVIEWER: reviewer,
    Stage.WRITEBACK: writeback,
    Stage.FINALIZE: finalize,
}


class Counted:
    """The real roles, counted, in a run that dies once: when a stage has been stored and its checkpoint has not."""

    def __init__(self, dies_after: Stage | None = None) -> None:
        self.runs: Counter[Stage] = Counter()
        self._dies_after = dies_after
        self._stored: list[Stage] = []

    def swaps(self) -> Swaps:
        nodes = {stage: step(stage, self._counting(stage, role)) for stage, role in ROLES.items()}
        return Swaps(nodes=nodes, sessions=lambda sessions: DyingSessions(sessions, self._strike))

    def _counting(self, stage: Stage, role: Role) -> Role:
        async def counted(state: MissionState, ports: Ports) -> StepResult:
            self.runs[stage] += 1
            self._stored.append(stage)
            return await role(state, ports)

        return counted

    def _strike(self) -> None:
        if self._dies_after is not None and self._stored and self._stored[-1] is self._dies_after:
            self._dies_after = None
            raise StoreUnavailable("the process died here")


@dataclass(frozen=True)
class DyingSessions:
    """Real sessions, whose checkpointer strikes before it writes a checkpoint."""

    sessions: Sessions
    strike: Callable[[], None]

    @asynccontextmanager
    async def open(self, mission_id: str, tenant_id: str, *, alone: bool = False) -> AsyncIterator[RunSession | None]:
        async with self.sessions.open(mission_id, tenant_id, alone=alone) as session:
            if session is None:
                yield None
                return
            real = type(session.saver)
            strike = self.strike

            class DyingSaver(real):  # type: ignore[misc, valid-type]
                async def aput(self, *arguments: Any, **named: Any) -> Any:
                    strike()
                    return await super().aput(*arguments, **named)

            saver = DyingSaver(session.ledger._conn, serde=session.saver.serde)
            saver.lock = session.saver.lock
            yield replace(session, saver=saver)


@pytest.mark.parametrize("stage", sampled(list(ROLES), 3))
async def test_a_step_that_was_stored_before_its_checkpoint_is_not_run_again(lab: Lab, stage: Stage) -> None:
    await lab.service.seed_lead()
    counted = Counted(stage)
    swaps = counted.swaps()
    mission_id = await lab.service.submit()
    mission = await lab.run(mission_id, swaps)
    for _ in range(3):
        if mission["status"] == "running":
            lab.forget_leases()
            mission = await lab.run(mission_id, swaps)
        if mission["status"] == "awaiting_approval":
            mission = await lab.approved(mission_id, swaps)
    assert mission["status"] == "completed"
    assert counted.runs == Counter(dict.fromkeys(ROLES, 1))
    types = Counter(e["event_type"] for e in await lab.service.events(mission_id))
    assert types["mission.resumed"] >= 1 + (stage is not Stage.FINALIZE)
    assert types["mission.completed"] == types["plan.created"] == types["review.completed"] == 1
    assert (await lab.service.writes())["notes"] == 1


async def test_a_store_that_is_away_for_a_moment_within_a_step_costs_the_mission_nothing(lab: Lab) -> None:
    """The graph writes on what it can, and would end with nothing next."""
    await lab.service.seed_lead()
    away = [Stage.AGGREGATOR, Stage.PLANNER]

    def flickering(stage: Stage, role: Role) -> Role:
        async def once(state: MissionState, ports: Ports) -> StepResult:
            if away and away[-1] is stage:
                away.pop()
                raise StoreUnavailable("away for a moment")
            return await role(state, ports)

        return once

    swaps = Swaps(nodes={stage: step(stage, flickering(stage, ROLES[stage])) for stage in away})
    mission_id = await lab.service.submit()
    for _ in range(2):
        assert (await lab.run(mission_id, swaps))["status"] == "running"
        lab.forget_leases()
    mission = await lab.run(mission_id, swaps)
    assert mission["status"] == "awaiting_approval", mission["failure"]


async def test_a_mission_that_fails_again_after_a_retry_is_told_as_failed_again(lab: Lab) -> None:
    mission = await lab.mission()
    for _ in range(2):
        assert mission["status"] == "failed"
        assert mission["failure"]["code"] == "lead_not_found"
        assert (await lab.service.post(mission["mission_id"], "retry")).status_code == 202
        mission = await lab.run(mission["mission_id"])
    types = [e["event_type"] for e in await lab.service.events(mission["mission_id"])]
    assert types.count("mission.failed") == 3


async def test_a_retry_goes_on_from_the_stage_that_failed(lab: Lab) -> None:
    counted = Counted()
    mission = await lab.mission(counted.swaps())
    assert mission["failure"]["stage"] == "researcher"
    await lab.service.seed_lead()
    await lab.service.post(mission["mission_id"], "retry")
    assert (await lab.run(mission["mission_id"], counted.swaps()))["status"] == "awaiting_approval"
    assert counted.runs[Stage.RESEARCHER] == 2
    assert {counted.runs[s] for s in (Stage.ADMISSION, Stage.PLANNER, Stage.LIBRARIAN, Stage.WORKERS)} == {1}


async def test_a_mission_that_was_failed_while_it_waited_asks_its_question_again(lab: Lab) -> None:
    await lab.service.seed_lead()
    mission = await lab.mission()
    asked = mission["pending_approval"]["interrupt_id"]
    await lab.service.post(mission["mission_id"], "fail", reason="wait")
    assert (await lab.service.post(mission["mission_id"], "approve")).status_code == 409
    assert (await lab.service.post(mission["mission_id"], "retry")).status_code == 202
    again = await lab.run(mission["mission_id"])
    assert again["status"] == "awaiting_approval"
    assert again["pending_approval"]["interrupt_id"] == asked
    assert (await lab.approved(mission["mission_id"]))["status"] == "completed"


async def test_running_a_mission_that_has_ended_does_nothing(lab: Lab) -> None:
    mission = await lab.mission()
    before = await lab.service.events(mission["mission_id"])
    assert await lab.run(mission["mission_id"]) == mission
    assert await lab.service.events(mission["mission_id"]) == before
