"""A laboratory on this test's own database, and one finished mission that many tests look at and none changes."""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import pytest_asyncio

from adapters.audit.files import RootFiles
from adapters.audit.keys import AuditKey
from adapters.postgres.audit.seal import Sealer
from adapters.postgres.cluster import EmbeddedCluster
from adapters.postgres.provision import dsns_for
from adapters.postgres.vault import Vault
from contracts.clock import SystemClock
from tests.adapters.postgres.backdoor import Backdoor, stamp
from tests.adapters.postgres.stand import Stand, open_stand
from tests.graph.lab import Lab, open_lab
from tests.support import GOAL


@pytest_asyncio.fixture
async def lab(database: str, tmp_path: Path) -> AsyncIterator[Lab]:
    async with open_lab(database, tmp_path) as opened:
        yield opened


@dataclass(frozen=True)
class Finished:
    """A database with one completed mission of tenant ``demo``, sealed under one root, and its administrator."""

    db: Backdoor
    mission_id: str
    epoch: int
    roots: RootFiles
    key: AuditKey


@pytest.fixture(scope="session")
def finished(cluster: EmbeddedCluster, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    name = f"finished_{uuid4().hex[:12]}"
    with psycopg.connect(cluster.dsn_for("postgres"), autocommit=True) as admin:
        admin.execute(f"create database {name} template {template} strategy file_copy")
        dsn = cluster.dsn_for(name)
        yield asyncio.run(_finish(dsn, tmp_path_factory.mktemp("finished")))
        admin.execute(f"drop database {name} with (force)")


async def _completed(lab: Lab) -> str:
    await lab.service.seed_lead()
    body = {"mission_type": "crm_lead_intelligence", "user_goal": GOAL, "inputs": {"lead_id": "L-1"}}
    headers = {"Idempotency-Key": "finished"}
    answer = await lab.service.client.post("/api/colony/missions", json=body, headers=headers)
    mission_id = str(answer.json()["mission_id"])
    waiting = await lab.run(mission_id)
    assert waiting["status"] == "awaiting_approval"
    ended = await lab.approved(mission_id)
    assert ended["status"] == "completed"
    return mission_id


async def _finish(dsn: str, home: Path) -> Finished:
    async with open_lab(dsn, home) as lab:
        mission_id = await _completed(lab)
        # What a finished mission leaves empty is given a row, so that no table can pass for want of one.
        epoch = int(lab.db.rows("select epoch from colony_missions")[0]["epoch"])
        rows = (
            f"insert into colony_outbox (channel, mission_id, tenant_id, seq, relayed_seq) "
            f"values ('kafka', '{mission_id}', 'demo', 1, 0); insert into colony_dead_letters "
            f"(channel, mission_id, tenant_id, seq, event_id, event_type, attempts, reason) values ('kafka', "
            f"'{mission_id}', 'demo', 1, 'ev', 't', 1, 'r'); insert into colony_deltas (mission_id, task_key, "
            f"call_id, text) values ('{mission_id}', 't', 'c', 'x'); insert into colony_leases (mission_id, worker_id, "
            f"epoch, lease_until) values ('{mission_id}', 'w', 1, now()); insert into "
            f"colony_api_keys (key_id, name, actor_id, capabilities, secret_sha256, made_by) "
            f"values ('ck_0', 'n', 'ann', '{{}}', sha256(''), 'ann'); "
            f"insert into colony_rule_sets (version, sha256, content, actor_id) "
            f"values (1, encode(sha256('{{}}'), 'hex'), '{{}}', 'ann'); "
            f"insert into colony_rule_activations (number, version, rules_sha256, actor_id) values (1, 1, 'x', 'ann'); "
            f"insert into colony_replay_reports (mission_id, identical, payload) "
            f"values ('{mission_id}', true, '{{}}'); "
            f"insert into colony_halts (actor_id, reason, lifted_at, lifted_by) values ('ann', 'r', now(), 'ann'); "
            f"insert into colony_threads (thread_id, actor_id, graph_id, epoch) values ('th', 'ann', 'g', {epoch}); "
            f"insert into colony_frames (thread_id, seq, run_id, method, payload) values ('th', 1, 'r', 'm', '{{}}'); "
            f"insert into colony_runs (run_id, thread_id, actor_id, graph_id, assistant_id, status, payload) "
            f"values ('r', 'th', 'ann', 'g', 'g', 'success', '{{}}'); "
            f"insert into colony_assistants (assistant_id, actor_id, graph_id, payload) "
            f"values ('a', 'ann', 'g', '{{}}'); "
            f"insert into colony_assistant_versions (assistant_id, version, actor_id, payload) "
            f"values ('a', 1, 'ann', '{{}}'); "
            f"insert into colony_crons (cron_id, actor_id, graph_id, assistant_id, schedule, payload, enabled) "
            f"values ('c', 'ann', 'g', 'g', '0 0 1 1 *', '{{}}', false); "
            f"insert into colony_memories (namespace, key, actor_id, payload) values ('{{n}}', 'k', 'ann', '{{}}'); "
            f"insert into colony_delegations "
            f"(delegation_id, tenant_id, actor_id, to_role, expires_at) "
            f"values ('d', 'demo', 'a', 'r', now() + interval '1 day')"
        )
        with lab.db.connect() as conn, conn.transaction():
            stamp(conn, "demo", epoch)
            conn.execute(rows)
        roots, key = RootFiles(home / "roots"), AuditKey.made(home / "key.pem")
        assert Sealer(dsns_for(dsn).audit, roots, key, SystemClock()).seal().leaves == 1
        return Finished(lab.db, mission_id, epoch, roots, key)


KEY = bytes(range(32))


@pytest.fixture(scope="session")
def encrypted(cluster: EmbeddedCluster, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    """The same in a database whose payloads are encrypted under ``KEY``, and nothing beside what the mission left."""
    name = f"encrypted_{uuid4().hex[:12]}"
    with psycopg.connect(cluster.dsn_for("postgres"), autocommit=True) as admin:
        admin.execute(f"create database {name} template {template} strategy file_copy")
        yield asyncio.run(_finish_encrypted(cluster.dsn_for(name), tmp_path_factory.mktemp("encrypted")))
        admin.execute(f"drop database {name} with (force)")


async def _finish_encrypted(dsn: str, home: Path) -> Finished:
    async with open_lab(dsn, home, PAYLOAD_ENCRYPTION_KEY=base64.b64encode(KEY).decode()) as lab:
        mission_id = await _completed(lab)
        epoch = int(lab.db.rows("select epoch from colony_missions")[0]["epoch"])
        roots, key = RootFiles(home / "roots"), AuditKey.made(home / "key.pem")
        sealer = Sealer(dsns_for(dsn).audit, roots, key, SystemClock(), vault=Vault([KEY]))
        assert sealer.seal().leaves == 1
        return Finished(lab.db, mission_id, epoch, roots, key)


@pytest_asyncio.fixture
async def stand(database: str) -> AsyncIterator[Stand]:
    async with open_stand(database) as opened:
        yield opened
