"""One changed character in what is stored is found: the mission ends as failed, and the audit bundle says where."""

from collections.abc import Callable

import psycopg
import pytest

from server.verify import verify_bytes
from tests.acceptance.checks import NOTHING_WRITTEN, waiting_mission
from tests.acceptance.conftest import WorkerProcess
from tests.support import Service, pretty

StartWorker = Callable[..., WorkerProcess]

_EVIDENCE = """
update colony_research_artifacts
set content = convert_to(replace(convert_from(content, 'utf8'), '350k', '950k'), 'utf8')
where mission_id = %s and convert_from(content, 'utf8') like '%%350k%%'
"""
_GRANT = """
update colony_approval_grants
set content = convert_to(replace(convert_from(content, 'utf8'), 'viewing', 'wiewing'), 'utf8')
where mission_id = %s and convert_from(content, 'utf8') like '%%viewing%%'
"""
_ENVELOPE = """
update colony_missions set payload = jsonb_set(payload, '{envelope,inputs,lead_id}', '"L-2"')
where mission_id = %s
"""
_EVENT = """
update colony_events set content = convert_to(replace(convert_from(content, 'utf8'), 'passed', 'parsed'), 'utf8')
where mission_id = %s and event_type = 'gate.admission'
"""


def tamper(database: str, statement: str, mission_id: str) -> None:
    """Change what is stored as somebody could who owns the database: past every trigger."""
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute("set session_replication_role = replica")
        assert admin.execute(statement, [mission_id]).rowcount > 0


async def _failed_checks(service: Service, mission_id: str) -> dict[str, str]:
    bundle = await service.client.get(f"/api/colony/missions/{mission_id}/bundle")
    assert bundle.status_code == 200, bundle.text
    return {check.name: check.detail for check in verify_bytes(bundle.content).checks if not check.ok}


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        pytest.param(_EVIDENCE, "artifacts", id="evidence", marks=pytest.mark.long),
        pytest.param(_GRANT, "grants", id="grant"),
        pytest.param(_ENVELOPE, "mission", id="envelope", marks=pytest.mark.long),
    ],
)
async def test_what_was_changed_between_approval_and_writing_stops_the_mission_and_is_named(
    api: Service, start_worker: StartWorker, database: str, statement: str, named: str
) -> None:
    first = start_worker()
    waiting = await waiting_mission(api)
    mission_id = waiting["mission_id"]
    assert await _failed_checks(api, mission_id) == {}
    assert first.terminate() == 0
    assert (await api.post(mission_id, "approve")).status_code == 202
    tamper(database, statement, mission_id)

    start_worker()

    ended = await api.settled(mission_id)
    assert ended["status"] == "failed", pretty(ended)
    assert ended["failure"]["code"] == "integrity_broken", pretty(ended["failure"])
    assert named in await _failed_checks(api, mission_id)
    assert await api.writes() == NOTHING_WRITTEN


async def test_a_changed_event_breaks_the_chain_that_the_bundle_carries(service: Service, database: str) -> None:
    waiting = await waiting_mission(service)
    assert (await service.post(waiting["mission_id"], "approve")).status_code == 202
    await service.settled(waiting["mission_id"])
    assert await _failed_checks(service, waiting["mission_id"]) == {}

    tamper(database, _EVENT, waiting["mission_id"])

    assert "chain" in await _failed_checks(service, waiting["mission_id"])
