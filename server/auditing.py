"""Sealing on a schedule: every worker process tries, one of them does it, and each keeps its own copy of the roots."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import structlog

from adapters.audit.files import RootFiles
from adapters.audit.keys import AuditKey
from adapters.postgres.audit.seal import Sealer, Sealing
from adapters.postgres.vault import Vault, master_keys
from contracts.clock import SystemClock
from contracts.errors import ColonyError
from server.settings import Settings

_log = structlog.get_logger(__name__)
_QUIET_MS = 2_000
_BACK = timedelta(minutes=10)


def audit_key(settings: Settings) -> AuditKey | None:
    """Return the key that roots are signed with; None: this deployment signs none.

    Raises:
        SettingInvalid: the key can't be read or made.
    """
    if settings.audit_key_file is not None:
        return AuditKey.read(settings.audit_key_file)
    return None if settings.deployment_mode.is_production else AuditKey.made(settings.home / "audit-key.pem")


def root_files(settings: Settings) -> RootFiles:
    """Return where roots are kept apart from the database."""
    return RootFiles(settings.audit_dir or settings.home / "audit")


def sealer_for(settings: Settings, dsn: str) -> Sealer:
    """Return what seals this deployment's database.

    Raises:
        SettingInvalid: the key can't be read or made.
    """
    return Sealer(dsn, root_files(settings), audit_key(settings), SystemClock(), vault=audit_vault(settings))


def audit_vault(settings: Settings) -> Vault:
    """Return what opens the events that the audit follows; it judges plaintext by the chain, like anything else.

    Raises:
        SettingInvalid: PAYLOAD_ENCRYPTION_KEY is no key.
    """
    return Vault(master_keys(settings.payload_encryption_key), tolerant=True)


class Auditing:
    """The loop that seals."""

    def __init__(self, settings: Settings, dsn: str) -> None:
        self._settings = settings
        self._dsn = dsn
        self._since: datetime | None = None

    async def run(self) -> None:
        """Seal again and again; what goes wrong is logged, and tried again."""
        every_s = self._settings.audit_interval_ms / 1_000
        if self._settings.deployment_mode.is_production and self._settings.audit_key_file is None:
            _log.warning("audit roots are not signed: set COLONY_AUDIT_KEY_FILE")
        await asyncio.sleep(every_s / 4)
        while True:
            try:
                await self.seal_once()
            except ColonyError as exc:
                _log.error("the audit record could not be sealed", code=exc.code, reason=exc.message)
            await asyncio.sleep(every_s)

    async def seal_once(self) -> Sealing:
        """Seal what is new.

        Raises:
            IntegrityBroken: the database's roots are not those of the files.
            StoreUnavailable: Postgres does not answer.
            SettingInvalid: the key or the files can't be used.
        """
        began = datetime.now(UTC)
        sealer = await asyncio.to_thread(sealer_for, self._settings, self._dsn)
        done = await asyncio.to_thread(sealer.seal, since=self._since, quiet_ms=_QUIET_MS)
        if not done.busy:
            self._since = began - _BACK
        for found in done.findings[:10]:
            _log.error(
                "a mission does not hold and was not sealed",
                mission_id=found.mission_id,
                table=found.table,
                row=found.row,
                what=found.what,
            )
        return done
