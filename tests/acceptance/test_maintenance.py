"""Backup, restore and prune: nothing is lost, nothing is written twice, and audits still verify."""

import asyncio
import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from adapters.postgres.cluster import EmbeddedCluster
from adapters.postgres.maintenance.backup import backup
from adapters.postgres.maintenance.hold import let_go, open_writebacks
from adapters.postgres.maintenance.prune import prune
from adapters.postgres.maintenance.restore import restore
from adapters.postgres.queries import Queries
from adapters.root.client import RootClient
from contracts.errors import BadInput, Conflict, IntegrityBroken, RootUnavailable, StoreUnavailable
from server.reconcile import reconcile
from server.verify import verify_bytes
from tests.acceptance.checks import rows
from tests.conftest import SHORT
from tests.support import Service, serving, until

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def other_database(cluster: EmbeddedCluster) -> Iterator[str]:
    """The administrator's DSN of an empty database, without Colony's schema."""
    name = f"t_{uuid4().hex[:12]}"
    with psycopg.connect(cluster.dsn_for("postgres"), autocommit=True) as admin:
        admin.execute(f"create database {name}")
        yield cluster.dsn_for(name)
        admin.execute(f"drop database {name} with (force)")


@asynccontextmanager
async def colony(
    database: str, home: Path, root: Service | None = None, *, work: bool = True
) -> AsyncIterator[Service]:
    """A service over a database, on its own embedded root or another service's."""
    environment = {"DATABASE_URL": database, "COLONY_HOME": str(home)}
    if root is not None:
        environment["ROOT_API_BASE_URL"] = f"{root.client.base_url}/root"
    async with serving(environment, SHORT, work=work) as service:
        yield service


async def waiting(service: Service, lead: str = "L-1") -> str:
    mission_id = await service.submit(inputs={"lead_id": lead})
    assert (await service.settled(mission_id))["status"] == "awaiting_approval"
    return mission_id


async def gone(database: str) -> None:
    """Wait until no service is connected."""

    async def none() -> bool:
        held = rows(database, Queries.load("maintenance")["services"])
        return int(held[0]["count"]) == 0

    await until(none, "the service's connections to end")


def content_of(database: str, mission_id: str) -> dict[str, str]:
    """Hash each of a mission's tables, its position in the queue and its epoch apart."""
    tables = rows(
        database,
        "select c.table_name as name from information_schema.columns c join information_schema.tables t "
        "using (table_schema, table_name) where c.table_schema = 'public' and t.table_type = 'BASE TABLE' "
        "and c.column_name = 'mission_id' and c.table_name not in ('colony_missions', 'colony_leases')",
    )
    found = {}
    for table in sorted(str(row["name"]) for row in tables):
        held = rows(
            database, f"select md5(t::text) as line from {table} t where mission_id = %s order by 1", mission_id
        )
        found[table] = hashlib.sha256("".join(row["line"] for row in held).encode()).hexdigest()
    return found


async def test_a_restored_mission_is_the_same_and_goes_on_only_after_the_hold(
    database: str, other_database: str, tmp_path: Path
) -> None:
    async with colony(database, tmp_path) as service:
        await service.seed_lead()
        mission_id = await waiting(service)
        taken = backup(database, tmp_path / "a.backup")
    assert taken.missions == 1
    assert (tmp_path / "a.backup").stat().st_mode & 0o077 == 0

    assert restore(other_database, taken.file).missions == {"awaiting_approval": 1}
    assert content_of(other_database, mission_id) == content_of(database, mission_id)
    # No process of the time before the restore holds an epoch that is ever given out again.
    epochs = [rows(d, "select epoch from colony_missions")[0]["epoch"] for d in (database, other_database)]
    assert epochs[1] > epochs[0] + 1_000
    restore(other_database, taken.file, replace=True)
    assert rows(other_database, "select epoch from colony_missions")[0]["epoch"] > epochs[1]

    async with colony(other_database, tmp_path) as service:
        assert (await service.post(mission_id, "approve")).status_code == 202
        await asyncio.to_thread(_still, other_database, mission_id)
        let_go(other_database, {"findings": []})
        assert (await service.settled(mission_id))["status"] == "completed"
        assert (await service.writes())["notes"] == 1


def _still(database: str, mission_id: str) -> None:
    """See several sweeps pass without the mission being claimed."""
    with psycopg.connect(database, autocommit=True) as conn:
        for _ in range(10):
            conn.execute("select pg_sleep(0.1)")
            row = conn.execute("select attempts from colony_missions where mission_id = %s", [mission_id]).fetchone()
            assert row == (1,)


async def test_without_the_hold_a_restored_mission_would_go_on_at_once(
    database: str, other_database: str, tmp_path: Path
) -> None:
    async with colony(database, tmp_path) as service:
        await service.seed_lead()
        mission_id = await waiting(service)
        taken = backup(database, tmp_path / "a.backup")
    restore(other_database, taken.file)
    with psycopg.connect(other_database, autocommit=True) as admin:
        admin.execute("create or replace function colony_on_hold() returns boolean language sql as 'select false'")
    async with colony(other_database, tmp_path) as service:
        await service.post(mission_id, "approve")
        assert (await service.settled(mission_id))["status"] == "completed"


async def test_what_was_written_after_the_backup_is_not_written_again(
    service: Service, cluster: EmbeddedCluster, template: str, tmp_path: Path
) -> None:
    """The root, another service's, goes on while Colony's own database goes back in time."""
    name = f"t_{uuid4().hex[:12]}"
    with psycopg.connect(cluster.dsn_for("postgres"), autocommit=True) as admin:
        admin.execute(f"create database {name} template {template} strategy file_copy")
    database, home = cluster.dsn_for(name), tmp_path / "colony"
    for lead in ("L-asked", "L-granted", "L-untouched"):
        await service.seed_lead(lead)

    async with colony(database, home, service, work=False) as api:
        async with colony(database, home, service):
            missions = {lead: await waiting(api, lead) for lead in ("L-asked", "L-granted", "L-untouched")}
        await api.post(missions["L-granted"], "approve")  # nobody works: granted, and not yet begun
        taken = backup(database, tmp_path / "a.backup")
        await api.post(missions["L-asked"], "approve")
        async with colony(database, home, service):
            for lead in ("L-asked", "L-granted"):
                assert (await api.settled(missions[lead]))["status"] == "completed"
        published = {e["hash"]: e["event_id"] for m in missions.values() for e in await api.events(m)}
    done = {lead: await service.writes(lead) for lead in missions}
    assert done["L-asked"]["notes"] == done["L-granted"]["notes"] == 1

    await gone(database)
    restore(database, taken.file, replace=True)
    async with colony(database, home, service) as api:
        root = RootClient(f"{service.client.base_url}/root")
        findings = await reconcile(database, root, api.colony.service)  # type: ignore[union-attr]
        await root.aclose()
        assert findings is not None
        by_mission: dict[str, set[str]] = {}
        for one in findings:
            by_mission.setdefault(one.mission_id, set()).add(one.action)
        assert by_mission[missions["L-asked"]] == {"mission ended"}
        assert by_mission[missions["L-untouched"]] == {"asked again"}
        assert by_mission[missions["L-granted"]] == {"outcome recorded"}

        ended = {lead: await api.settled(mission_id) for lead, mission_id in missions.items()}
        assert {lead: m["status"] for lead, m in ended.items()} == {
            "L-asked": "failed",
            "L-granted": "completed",
            "L-untouched": "awaiting_approval",
        }
        assert {lead: await service.writes(lead) for lead in missions} == done
        now = {e["hash"]: e["event_id"] for m in missions.values() for e in await api.events(m)}
        assert now.keys() - published.keys()
        assert not {now[h] for h in now.keys() - published.keys()} & set(published.values()), "news under an old id"
        assert open_writebacks(database) is None
        assert verify_bytes(await archive(api, missions["L-granted"])).ok
        await api.post(missions["L-untouched"], "approve")
        assert (await api.settled(missions["L-untouched"]))["status"] == "completed"
        assert (await service.writes("L-untouched"))["notes"] == 1


_DIES = """
import os, pathlib, sys
from adapters.postgres.maintenance import restore
restore.migrate = lambda dsn: os._exit(9)
restore.restore(sys.argv[1], pathlib.Path(sys.argv[2]))
"""


@pytest.mark.long
async def test_a_restore_that_is_killed_half_way_is_on_hold_until_it_is_reconciled(
    database: str, other_database: str, tmp_path: Path
) -> None:
    async with colony(database, tmp_path) as service:
        await service.seed_lead()
        mission_id = await waiting(service)
        taken = backup(database, tmp_path / "a.backup")
    died = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", _DIES, other_database, str(taken.file)], cwd=PROJECT, check=False
    )
    assert died.returncode == 9
    assert (
        rows(other_database, "select count(*)::int as n from colony_restores where reconciled_at is null")[0]["n"] == 0
    )
    async with colony(other_database, tmp_path) as service:
        assert (await service.post(mission_id, "approve")).status_code == 202
        await asyncio.to_thread(_still, other_database, mission_id)
        epoch = rows(other_database, "select max(epoch) as n from colony_missions")[0]["n"]

        guess = await command(other_database, tmp_path, "db", "reconcile", "--json")
        assert (guess.returncode, "root_unnamed" in guess.stderr) == (2, True)
        await asyncio.to_thread(_still, other_database, mission_id)

        done = await command(other_database, tmp_path, "db", "reconcile", "--json", "--embedded-root")
        assert json.loads(done.stdout)["held"] is True, done.stderr
        assert rows(other_database, "select max(epoch) as n from colony_missions")[0]["n"] > epoch + 1_000
        assert (await service.settled(mission_id))["status"] == "completed"


async def command(database: str, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a `colony` command with nothing but the database in its environment."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), "DATABASE_URL": database}
    environment["COLONY_HOME"] = str(home)
    line = [str(Path(sys.executable).parent / "colony"), *arguments]
    return await asyncio.to_thread(
        subprocess.run, line, env=environment, cwd=home, capture_output=True, text=True, check=False
    )


async def test_the_hold_stays_while_the_root_is_away(database: str, other_database: str, tmp_path: Path) -> None:
    async with colony(database, tmp_path) as service:
        await service.seed_lead()
        await waiting(service)
        taken = backup(database, tmp_path / "a.backup")
    restore(other_database, taken.file)
    async with colony(other_database, tmp_path, work=False) as api:
        root = RootClient("http://127.0.0.1:9/root")
        with pytest.raises(RootUnavailable):
            await reconcile(other_database, root, api.colony.service)  # type: ignore[union-attr]
        await root.aclose()
    assert open_writebacks(other_database)


async def test_pruning_keeps_what_an_audit_needs_and_leaves_waiting_missions_alone(
    service: Service, database: str
) -> None:
    await service.seed_lead()
    done, still = await waiting(service), await waiting(service)
    await service.post(done, "approve")
    assert (await service.settled(done))["status"] == "completed"
    before, kept = await bundle(service, done), content_of(database, still)

    assert prune(database, 1.0).missions == 0
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute("alter table colony_missions disable trigger guard")
        admin.execute("update colony_missions set updated_at = now() - interval '2 days'")
        admin.execute("alter table colony_missions enable trigger guard")
    assert prune(database, 1.0, dry_run=True).missions == 1
    pruned = prune(database, 1.0)
    assert (pruned.missions, pruned.rows > 10) == (1, True)
    assert prune(database, 1.0).missions == 0

    threads = {row["thread_id"] for row in rows(database, "select distinct thread_id from checkpoints")}
    assert threads == {still}
    assert content_of(database, still) == kept
    after = await bundle(service, done)
    assert after.keys() == before.keys()
    changed = {name for name in after if after[name] != before[name]}
    assert changed <= {"manifest.json"}, changed
    await service.post(still, "approve")
    assert (await service.settled(still))["status"] == "completed"


async def archive(service: Service, mission_id: str) -> bytes:
    answer = await service.client.get(f"/api/colony/missions/{mission_id}/bundle")
    assert answer.status_code == 200, answer.text
    return answer.content


async def bundle(service: Service, mission_id: str) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(await archive(service, mission_id))) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


async def test_a_restore_refuses_to_touch_a_database_in_use_or_with_missions(
    service: Service, database: str, other_database: str, tmp_path: Path
) -> None:
    await service.seed_lead()
    await waiting(service)
    taken = backup(database, tmp_path / "a.backup")
    with pytest.raises(Conflict, match="services use this database"):
        restore(database, taken.file, replace=True)
    restore(other_database, taken.file)
    with pytest.raises(Conflict, match="holds 1 missions"):
        restore(other_database, taken.file)
    with pytest.raises(BadInput, match="exists"):
        backup(database, taken.file)


async def test_a_damaged_backup_leaves_the_database_as_it_was(
    service: Service, database: str, other_database: str, tmp_path: Path
) -> None:
    await service.seed_lead()
    mission_id = await waiting(service)
    taken = backup(database, tmp_path / "a.backup")
    restore(other_database, taken.file)
    was = content_of(other_database, mission_id)
    damaged = bytearray(taken.file.read_bytes())
    damaged[len(damaged) // 2 : len(damaged) // 2 + 400] = bytes(400)
    (tmp_path / "b.backup").write_bytes(bytes(damaged))
    (tmp_path / "c.backup").write_bytes(bytes(damaged)[: len(damaged) // 3])
    (tmp_path / "d.backup").write_text("not a backup")
    for name in ("b", "c", "d"):
        with pytest.raises((BadInput, StoreUnavailable)):
            restore(other_database, tmp_path / f"{name}.backup", replace=True)
        assert content_of(other_database, mission_id) == was


def test_a_table_that_the_backup_role_cannot_read_is_an_error_and_not_an_empty_table(
    database: str, tmp_path: Path
) -> None:
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute("create table late (tenant_id text)")
        admin.execute("alter table late enable row level security")
    with pytest.raises(IntegrityBroken, match="late"):
        backup(database, tmp_path / "a.backup")


def test_every_table_under_row_level_security_is_in_a_backup(database: str, tmp_path: Path) -> None:
    assert backup(database, tmp_path / "a.backup").missions == 0
