"""A mission that breaks its run outside every role, again and again, is given up; an operator's retry starts anew."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from adapters.postgres.claims import MOST_DEATHS, SUSPECT_DEATHS
from adapters.postgres.sessions import RunSession, Sessions
from contracts.errors import RunsAlone
from contracts.stateflow import Stage
from tests.graph.lab import AS_IT_IS, Lab, Swaps
from tests.support import sampled


@dataclass(frozen=True)
class BreakingSessions:
    """Real sessions, whose checkpointer breaks with an error of no tree while one stage is next."""

    sessions: Sessions
    stage: Stage

    @asynccontextmanager
    async def open(self, mission_id: str, tenant_id: str, *, alone: bool = False) -> AsyncIterator[RunSession | None]:
        async with self.sessions.open(mission_id, tenant_id, alone=alone) as session:
            if session is None:
                yield None
                return
            stage = self.stage.value

            class Breaking(type(session.saver)):  # type: ignore[misc]
                async def aput_writes(self, config: Any, writes: Any, task_id: str, task_path: str = "") -> None:
                    if task_path.endswith(stage) or any(stage in str(name) for name, _ in writes):
                        raise LookupError("nobody expected this")
                    await super().aput_writes(config, writes, task_id, task_path)

                async def aput(self, config: Any, checkpoint: Any, metadata: Any, versions: Any) -> Any:
                    if f"branch:to:{stage}" in checkpoint["channel_versions"]:
                        raise LookupError("nobody expected this")
                    return await super().aput(config, checkpoint, metadata, versions)

            saver = Breaking(session.ledger._conn, serde=session.saver.serde)
            saver.lock = session.saver.lock
            yield replace(session, saver=saver)


async def broken(lab: Lab, mission_id: str, swaps: Swaps) -> None:
    """Run a mission until it is not run any more."""
    for n in range(MOST_DEATHS):
        with pytest.raises(LookupError):
            await lab.runner(swaps).run(mission_id, "demo", alone=n >= SUSPECT_DEATHS)
        assert (await lab.service.mission(mission_id))["status"] == "running"
        lab.forget_leases()


@pytest.mark.parametrize("stage", sampled([Stage.PLANNER, Stage.FAILED, Stage.FINALIZE], 3))
async def test_a_mission_that_breaks_every_run_is_quarantined_and_a_retry_mends_it(lab: Lab, stage: Stage) -> None:
    if stage is Stage.FINALIZE:
        await lab.service.seed_lead(chat=[])
    swaps = Swaps(sessions=lambda sessions: BreakingSessions(sessions, stage))
    mission_id = await lab.service.submit()
    await broken(lab, mission_id, swaps)

    mission = await lab.run(mission_id, swaps)

    assert mission["status"] == "failed"
    assert mission["failure"]["code"] == "quarantined"
    assert "colony missions retry" in mission["failure"]["hint"]
    assert (await lab.service.post(mission_id, "retry")).status_code == 202
    if stage is not Stage.FINALIZE:
        await lab.service.seed_lead()
    again = await lab.run(mission_id)
    if stage is Stage.FAILED:  # it ends the failure that it was about, which can be retried in its turn
        assert again["failure"]["code"] == "lead_not_found"
        assert (await lab.service.post(mission_id, "retry")).status_code == 202
        again = await lab.run(mission_id)
    assert again["status"] == ("completed" if stage is Stage.FINALIZE else "awaiting_approval")


async def test_a_suspect_is_run_where_nothing_else_runs(lab: Lab) -> None:
    mission_id = await lab.service.submit()
    lab.db.run("alter table colony_missions disable trigger guard", "update colony_missions set deaths = 2")
    with pytest.raises(RunsAlone):
        await lab.runner(AS_IT_IS).run(mission_id, "demo")
    assert (await lab.service.mission(mission_id))["status"] == "received"


async def test_a_quarantined_mission_can_be_failed_by_nobody_and_leaves_no_question_open(lab: Lab) -> None:
    await lab.service.seed_lead()
    mission = await lab.mission()
    asked = mission["pending_approval"]["interrupt_id"]
    lab.db.run(
        "alter table colony_missions disable trigger guard",
        "update colony_missions set deaths = 5, status = 'running'",
        "alter table colony_missions enable trigger guard",
    )
    ended = await lab.run(mission["mission_id"])
    assert ended["failure"]["code"] == "quarantined"
    assert lab.db.rows("select status from colony_approvals") == [{"status": "cancelled"}]
    assert (await lab.service.post(mission["mission_id"], "fail")).status_code == 409
    await lab.service.post(mission["mission_id"], "retry")
    again = await lab.run(mission["mission_id"])
    assert again["pending_approval"]["interrupt_id"] == asked
