"""Encryption of a whole database: what a dump tells, what happens without the key, and going over to another one."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from adapters.audit.files import RootFiles
from adapters.audit.keys import AuditKey
from adapters.postgres.audit.check import check
from adapters.postgres.audit.examine import Finding
from adapters.postgres.audit.seal import Sealer
from adapters.postgres.audit.store import connected
from adapters.postgres.encryption import vault_for
from adapters.postgres.maintenance.encryption import encrypt, rotate
from adapters.postgres.maintenance.sealing import STAYING, stale
from adapters.postgres.pools import open_pool
from adapters.postgres.provision import dsns_for
from adapters.postgres.secrets import read_secrets
from adapters.postgres.vault import MARK, Vault, key_id, master_keys
from contracts.clock import SystemClock
from contracts.errors import Conflict, SettingInvalid
from server.verify import verify_bytes
from tests.adapters.postgres.backdoor import Backdoor
from tests.adapters.postgres.stand import open_stand
from tests.graph.lab import Lab, open_lab
from tests.support import CHAT, GOAL

ONE, TWO = bytes(range(32)), bytes(range(1, 33))
NAME, STREET, REASON = "Quillon Vantreese", "Harbourmaster Crescent", "because Ottoline Brask said so"
CANARIES = (NAME, STREET, REASON)


def said(*keys: bytes) -> str:
    return ",".join(base64.b64encode(key).decode() for key in keys)


def told(db: Backdoor) -> set[str]:
    """Return the tables in which a canary can be read, the root's own left out: as text, as bytes, as base64."""
    tables = db.rows(
        "select n.nspname || '.' || c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace "
        "where c.relkind in ('r', 'p') and n.nspname in ('public', 'queue')"
    )
    forms = [form for canary in CANARIES for form in _forms(canary.encode())]
    return {
        row["name"]
        for row in tables
        for line in db.rows(f"select t::text as line from {row['name']} t")
        if any(form in line["line"] for form in forms)
    }


def _forms(canary: bytes) -> Iterator[str]:
    yield canary.decode()
    yield canary.hex()
    for shift in range(3):
        yield base64.b64encode(b"\0" * shift + canary)[4:-4].decode()


async def asked(lab: Lab) -> str:
    """Submit a mission about a customer who is named, and run it until it waits for a person."""
    chat = [*CHAT, ("lead", f"My name is {NAME}. I live at 12 {STREET} and I want to visit on Sunday.")]
    await lab.service.seed_lead(chat=chat, name=NAME)
    mission_id = await lab.service.submit(user_goal=f"{GOAL} of {NAME}")
    assert (await lab.run(mission_id))["status"] == "awaiting_approval"
    return mission_id


async def done(lab: Lab, mission_id: str) -> None:
    """Approve with a reason, run to the end, and look at it the ways there are."""
    waiting = (await lab.service.mission(mission_id))["pending_approval"]
    answers = [
        {"proposal_id": p["proposal_id"], "payload_sha256": p["payload_sha256"], "verdict": "approve", "reason": REASON}
        for p in waiting["proposals"]
    ]
    body: dict[str, Any] = {"interrupt_id": waiting["interrupt_id"], "decisions": answers, "reason": REASON}
    assert (await lab.service.post(mission_id, "approve", **body)).status_code == 202
    ended = await lab.run(mission_id)
    assert ended["status"] == "completed"
    await shown(lab, mission_id)


async def shown(lab: Lab, mission_id: str) -> None:
    assert NAME in (await lab.service.mission(mission_id))["envelope"]["user_goal"]
    assert STREET in json.dumps(await lab.service.artifacts(mission_id, "research_artifact"))
    assert (await lab.service.events(mission_id))[-1]["event_type"] == "mission.completed"
    bundle = await lab.service.client.get(f"/api/colony/missions/{mission_id}/bundle")
    assert (report := verify_bytes(bundle.content)).ok, report.first_failure
    assert NAME.encode() in bundle.content


async def test_a_dump_of_an_encrypted_database_tells_nothing_of_a_customer(database: str, tmp_path: Path) -> None:
    async with open_lab(database, tmp_path, PAYLOAD_ENCRYPTION_KEY=said(ONE)) as lab:
        await done(lab, await asked(lab))
        assert told(lab.db) == set()


async def plaintext_until_now(database: str, home: Path) -> str:
    async with open_lab(database, home) as lab:
        mission_id = await asked(lab)
        await done(lab, mission_id)
        await lab.run(await lab.service.submit())
        readable = told(lab.db)
        assert {"public.colony_missions", "public.colony_research_artifacts", "public.colony_recorded"} <= readable
        assert {"public.colony_approvals", "public.colony_worker_results"} <= readable
    return mission_id


def nothing_left(db: Backdoor, key: bytes) -> bool:
    head = Vault([key]).prefix
    names = {"head": head, "text": base64.b64encode(head[:9]).decode(), "mark": MARK}
    with db.connect() as conn:
        return not any(
            conn.execute(f"select from {table} where {stale(spec)}".encode(), names).fetchall()
            for table, spec in STAYING.items()
        )


def audited(database: str, home: Path, *keys: bytes) -> list[Finding]:
    """Seal what is new under a signed root, and check everything against all roots."""
    vault, key, files = Vault(keys, tolerant=True), AuditKey.made(home / "audit.pem"), RootFiles(home / "roots")
    dsn = dsns_for(database).audit
    assert not Sealer(dsn, files, key, SystemClock(), vault=vault).seal().findings
    with connected(dsn, vault) as conn:
        return check(conn, files, [key.public]).findings


def silent(done: int, total: int) -> None:
    assert done <= total


async def test_an_older_database_is_encrypted_and_then_goes_over_to_another_key(database: str, tmp_path: Path) -> None:
    mission_id = await plaintext_until_now(database, tmp_path)
    db = Backdoor(database)
    epochs = "select mission_id, seq, epoch from colony_events order by 1, 2"
    before = db.rows(epochs)
    assert audited(database, tmp_path) == []
    with pytest.raises(SettingInvalid) as refused:
        vault_for(database, [ONE])
    assert refused.value.code == "payloads_in_plaintext"
    sealed = encrypt(database, [ONE], silent)
    assert (sealed.left, sealed.failed) == (0, {})
    assert sealed.rows > 100
    assert told(db) == set()
    assert nothing_left(db, ONE)
    assert db.rows(epochs) == before
    assert encrypt(database, [ONE], silent).rows == 0
    assert audited(database, tmp_path, ONE) == []
    async with open_lab(database, tmp_path, PAYLOAD_ENCRYPTION_KEY=said(TWO, ONE)) as lab:
        await shown(lab, mission_id)
        waiting = await lab.service.submit(user_goal=f"{GOAL} of {NAME}")
        assert (await lab.run(waiting))["status"] == "awaiting_approval"
        turned = rotate(database, [TWO, ONE], silent)
        assert (turned.left, turned.failed) == (0, {})
        await done(lab, waiting)
        assert nothing_left(db, TWO)
    async with open_lab(database, tmp_path, PAYLOAD_ENCRYPTION_KEY=said(TWO)) as lab:
        await shown(lab, mission_id)
        await shown(lab, waiting)
    assert audited(database, tmp_path, TWO) == []
    db.run("set session_replication_role = replica; update colony_events set content = content || 'x' where seq = 3")
    found = audited(database, tmp_path, TWO)
    assert {(f.mission_id, f.table, f.row) for f in found} >= {(m, "colony_events", "3") for m in (mission_id, waiting)}


async def test_what_was_changed_before_is_not_encrypted(database: str, tmp_path: Path) -> None:
    async with open_lab(database, tmp_path) as lab:
        mission_id = await asked(lab)
        lab.db.run("set session_replication_role = replica; update checkpoint_blobs set blob = blob || 'x'")
    found = encrypt(database, [ONE], silent)
    assert found.failed == {mission_id: "integrity_broken"}
    assert found.left > 0


async def test_a_process_that_the_keys_do_not_fit_does_not_start(database: str) -> None:
    vault_for(database, [ONE])
    for keys in ([], [TWO]):
        with pytest.raises(SettingInvalid) as refused:
            vault_for(database, keys)
        assert refused.value.code == "encryption_key_missing"
    Backdoor(database).run("update colony_encryption set state = 'encrypting'")
    with pytest.raises(SettingInvalid) as refused:
        vault_for(database, [ONE])
    assert refused.value.code == "encryption_marker_tampered"


async def test_a_database_that_services_without_a_key_use_is_not_encrypted(database: str) -> None:
    async with open_stand(database) as stand:
        await stand.submit()
        with pytest.raises(Conflict) as refused:
            encrypt(database, [ONE], silent)
        assert refused.value.code == "in_use"


async def test_a_mission_waits_for_a_process_with_its_key_and_one_that_was_changed_can_be_mended(
    database: str, tmp_path: Path
) -> None:
    async with open_lab(database, tmp_path, PAYLOAD_ENCRYPTION_KEY=said(ONE)) as lab:
        await lab.service.seed_lead()
        mission_id = await lab.service.submit()
        named = {"name": "lab", "tenants": read_secrets(database).tenants, "most": 2, "least": 0}
        pool = await open_pool(dsns_for(database).app, **named, vault=Vault([TWO]))
        assert (await replace(lab, pool=pool).run(mission_id))["status"] == "received"
        await pool.close()
        assert (await lab.run(mission_id))["status"] == "awaiting_approval"
        lab.db.run("create table kept as select * from checkpoint_blobs")
        changed = "update checkpoint_blobs set blob = set_byte(blob, 40, get_byte(blob, 40) # 1)"
        with lab.db.connect() as conn:
            conn.execute("set session_replication_role = replica")
            assert conn.execute(changed.encode()).rowcount
        assert (await lab.service.post(mission_id, "approve")).status_code == 202
        broken = await lab.run(mission_id)
        assert (broken["status"], broken["failure"]["code"]) == ("failed", "payload_tampered")
        with lab.db.connect() as conn:
            conn.execute("set session_replication_role = replica")
            conn.execute(
                b"update checkpoint_blobs b set blob = k.blob from kept k "
                b"where (k.thread_id, k.channel, k.version) = (b.thread_id, b.channel, b.version)"
            )
        assert (await lab.service.post(mission_id, "retry")).status_code == 202
        assert (await lab.run(mission_id))["status"] == "completed"


@pytest.mark.parametrize("given", ["", "short", said(ONE)[:-4], said(ONE, ONE), f"{said(ONE)},", "é"])
def test_what_is_no_key_is_refused_and_never_said(given: str) -> None:
    with pytest.raises(SettingInvalid) as refused:
        master_keys(SecretStr(given))
    assert not given or given not in f"{refused.value.message}{refused.value.hint}"
    assert key_id(ONE) != key_id(TWO)
