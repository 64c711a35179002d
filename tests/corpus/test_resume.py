"""Every stored database of an earlier version is migrated, and each of its missions is brought to its end."""

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from adapters.postgres.cluster import EmbeddedCluster
from adapters.postgres.maintenance.hold import let_go
from adapters.postgres.maintenance.restore import restore
from graph.version import GRAPH_VERSION
from server.verify import verify_bundle
from tests.acceptance.checks import rows
from tests.conftest import SHORT
from tests.support import serving

HERE = Path(__file__).parent
STORED = sorted(HERE.glob("*.backup"))


@pytest.fixture
def empty(cluster: EmbeddedCluster) -> Iterator[str]:
    """The administrator's DSN of an empty database."""
    name = f"t_{uuid4().hex[:12]}"
    with psycopg.connect(cluster.dsn_for("postgres"), autocommit=True) as admin:
        admin.execute(f"create database {name}")
        yield cluster.dsn_for(name)
        admin.execute(f"drop database {name} with (force)")


def test_there_is_a_corpus() -> None:
    assert STORED


@pytest.mark.parametrize("stored", STORED, ids=lambda path: path.stem)
async def test_missions_of_an_earlier_version_go_on(stored: Path, empty: str, tmp_path: Path) -> None:
    about = json.loads(stored.with_suffix(".json").read_text(encoding="utf-8"))
    assert about["graph_version"] == GRAPH_VERSION, (
        "a graph that nobody has: keep a process of that version, or an upgrade"
    )
    missions: dict[str, str] = about["missions"]
    restored = restore(empty, stored)
    assert sum(restored.missions.values()) == len(missions)
    let_go(empty, {})

    async with serving({"DATABASE_URL": empty, "COLONY_HOME": str(tmp_path)}, SHORT) as service:
        for name in ("killed", "received"):
            assert (await service.settled(missions[name]))["status"] == "awaiting_approval", name
        for name in ("waiting", "killed", "received"):
            assert (await service.post(missions[name], "approve")).status_code == 202
            assert (await service.settled(missions[name]))["status"] == "completed", name
        for lead in ("L-0", "L-1", "L-2", "L-3"):
            assert (await service.writes(lead))["notes"] == 1, lead
        await service.seed_lead("L-none")
        assert (await service.post(missions["failed"], "retry")).status_code == 202
        assert (await service.settled(missions["failed"]))["status"] == "awaiting_approval"
        for name, mission_id in missions.items():
            answer = await service.client.get(f"/api/colony/missions/{mission_id}/bundle")
            (tmp_path / f"{name}.zip").write_bytes(answer.content)
            assert verify_bundle(tmp_path / f"{name}.zip").ok, name


async def test_a_mission_of_a_graph_that_nobody_here_has_is_left_alone(database: str, tmp_path: Path) -> None:
    async with serving({"DATABASE_URL": database, "COLONY_HOME": str(tmp_path)}, SHORT, work=False) as api:
        await api.seed_lead()
        left, ours = await api.submit(), await api.submit()
        with psycopg.connect(database, autocommit=True) as admin:
            admin.execute("alter table colony_missions disable trigger guard")
            admin.execute("update colony_missions set graph_version = 'of-tomorrow' where mission_id = %s", [left])
            admin.execute("alter table colony_missions enable trigger guard")
        async with serving({"DATABASE_URL": database, "COLONY_HOME": str(tmp_path)}, SHORT):
            assert (await api.settled(ours))["status"] == "awaiting_approval"
    assert rows(database, "select status, attempts from colony_missions where mission_id = %s", left) == [
        {"status": "received", "attempts": 0}
    ]
