"""What can't be read any more stops nothing else: its mission fails, or is told, and the others go on."""

import json

import pytest

from tests.graph.lab import Lab


def spoil(lab: Lab, mission_id: str, change: str) -> None:
    lab.db.run(
        "alter table colony_missions disable trigger guard",
        f"update colony_missions set payload = {change} where mission_id = '{mission_id}'",
        "alter table colony_missions enable trigger guard",
    )


@pytest.mark.parametrize(
    "change",
    [
        pytest.param("payload - 'request'", id="gone"),
        pytest.param("jsonb_set(payload, '{request,mission_type}', '\"unheard_of\"')", id="of-no-known-class"),
        pytest.param("jsonb_set(payload, '{request}', '7')", id="of-no-shape"),
        pytest.param("jsonb_set(payload, '{envelope}', '{\"a\": 1}')", id="with-a-strange-envelope"),
    ],
)
async def test_a_mission_that_can_not_be_read_fails_and_is_not_tried_for_ever(lab: Lab, change: str) -> None:
    mission_id = await lab.service.submit()
    stored = lab.db.rows("select payload from colony_missions")[0]["payload"]
    spoil(lab, mission_id, change)
    await lab.runner().run(mission_id, "demo")
    (row,) = lab.db.rows("select status, payload->'failure' as failure from colony_missions")
    assert row["status"] == "failed"
    assert row["failure"]["code"] == "integrity_broken"
    assert await lab.claims().runnable() == []
    # Once it is mended, a retry goes on.
    spoil(lab, mission_id, f"$json${json.dumps(stored)}$json$")
    await lab.service.seed_lead()
    assert (await lab.service.post(mission_id, "retry")).status_code == 202
    assert (await lab.run(mission_id))["status"] == "awaiting_approval"


async def test_an_overdue_approval_that_can_not_be_read_keeps_no_other_from_ending(lab: Lab) -> None:
    await lab.service.seed_lead()
    await lab.service.seed_lead("L-2")
    broken, sound, foreign = [(await lab.mission())["mission_id"] for _ in range(3)]
    lab.db.run(
        "alter table colony_approvals disable trigger user",
        "update colony_approvals set content = '{}', sha256 = encode(sha256('{}'), 'hex') "
        f"where mission_id = '{broken}'",
        "update colony_approvals set expires_at = now() - interval '2 minutes'",
        f"update colony_approvals set expires_at = now() - interval '1 minute' where mission_id = '{sound}'",
        "alter table colony_approvals enable trigger user",
        "alter table colony_missions disable trigger guard",
        f"update colony_missions set graph_version = 'another' where mission_id = '{foreign}'",
        "alter table colony_missions enable trigger guard",
    )
    await lab.colony.worker.sweep_once()
    await lab.colony.worker.sweep_once()
    statuses = {
        row["mission_id"]: row["status"] for row in lab.db.rows("select mission_id, status from colony_missions")
    }
    assert statuses == {broken: "awaiting_approval", sound: "expired", foreign: "awaiting_approval"}
    assert await lab.claims().overdue(but=lab.colony.worker._unreadable) == []
