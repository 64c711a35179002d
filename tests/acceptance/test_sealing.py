"""Sealing by the service: on a schedule, kept apart by every worker; prunes and restores are shown as such."""

from pathlib import Path

import pytest

from adapters.audit.files import RootFiles
from adapters.audit.keys import AuditKey
from adapters.postgres.audit.check import Checked, check
from adapters.postgres.audit.seal import Sealer, Sealing
from adapters.postgres.audit.store import connected
from adapters.postgres.maintenance.backup import backup
from adapters.postgres.maintenance.hold import let_go
from adapters.postgres.maintenance.prune import prune
from adapters.postgres.maintenance.restore import restore
from adapters.postgres.provision import dsns_for
from contracts.clock import SystemClock
from contracts.errors import IntegrityBroken
from server.verify import render, verify_bytes
from tests.conftest import SHORT
from tests.support import Service, serving, until


def checked(database: str, home: Path) -> Checked:
    with connected(dsns_for(database).audit) as conn:
        return check(conn, RootFiles(home / "audit"), [AuditKey.made(home / "audit-key.pem").public])


def sealer(database: str, home: Path) -> Sealer:
    return Sealer(
        dsns_for(database).audit, RootFiles(home / "audit"), AuditKey.made(home / "audit-key.pem"), SystemClock()
    )


async def completed(service: Service, lead: str = "L-1") -> str:
    await service.seed_lead(lead)
    mission_id = await service.submit(inputs={"lead_id": lead})
    await service.settled(mission_id)
    assert (await service.post(mission_id, "approve")).status_code == 202
    assert (await service.settled(mission_id))["status"] == "completed"
    return mission_id


async def a_worker_seals_what_is_new(database: str, homes: tuple[Path, Path], patience_s: float) -> None:
    """The check: nobody asks for it, and within its interval all is sealed, in the folder of every worker."""
    one, other = homes
    environment = {"DATABASE_URL": database, "COLONY_AUDIT_INTERVAL_MS": "300"}
    environment |= {"COLONY_AUDIT_KEY_FILE": str(one / "audit-key.pem")}
    AuditKey.made(one / "audit-key.pem")
    async with (
        serving({**environment, "COLONY_HOME": str(one)}, SHORT) as service,
        serving({**environment, "COLONY_HOME": str(other)}, SHORT),
    ):
        mission_id = await completed(service)

        async def sealed() -> bool:
            found = checked(database, one)
            held = [[root.content for root in RootFiles(home / "audit").read()] for home in homes]
            return found.last is not None and not found.unsealed and not found.findings and held[0] == held[1]

        await until(sealed, "a root over all that is new, in both folders", patience_s)
        bundle = await service.client.get(f"/api/colony/missions/{mission_id}/bundle")
        report = verify_bytes(bundle.content, keys=[AuditKey.read(one / "audit-key.pem").public])
        assert report.ok, render(report)
        assert report.checks[-1].detail.startswith("sealed to its end by root")


async def test_a_worker_seals_what_is_new(database: str, tmp_path: Path) -> None:
    await a_worker_seals_what_is_new(database, (tmp_path / "one", tmp_path / "other"), 20)


async def test_where_sealing_is_skipped_nothing_is_sealed(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sealer, "seal", lambda *_, **__: Sealing())
    with pytest.raises(AssertionError):
        await a_worker_seals_what_is_new(database, (tmp_path / "one", tmp_path / "other"), 1)


async def test_a_pruned_and_a_restored_database_are_shown_as_what_they_are(database: str, tmp_path: Path) -> None:
    environment = {"DATABASE_URL": database, "COLONY_HOME": str(tmp_path)}
    async with serving(environment, SHORT) as service:
        await completed(service)
        assert sealer(database, tmp_path).seal().leaves == 1
        assert prune(database, 0).missions == 1
        assert not checked(database, tmp_path).findings
        taken = backup(database, tmp_path / "a.backup")
        await completed(service, "L-2")
        assert sealer(database, tmp_path).seal().leaves == 1

    restore(database, taken.file, replace=True)
    let_go(database, {})
    says = [finding.what for finding in checked(database, tmp_path).findings]
    assert "the database ends at root 1, the files at root 2: it was restored on" in says[0]
    assert "the mission is gone" in says[1]
    with pytest.raises(IntegrityBroken, match="does not have root 2"):
        sealer(database, tmp_path).seal()

    acknowledged = sealer(database, tmp_path).seal(restored=True).roots
    assert [(root.number, root.said["restored"]) for root in acknowledged] == [(3, 1)]
    assert not checked(database, tmp_path).findings
    async with serving(environment, SHORT) as service:
        await completed(service, "L-3")
    assert sealer(database, tmp_path).seal().leaves == 1
    found = checked(database, tmp_path)
    assert (found.findings, found.unsealed, found.missions) == ([], 0, 2)
