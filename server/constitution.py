"""Which keys this deployment trusts constitutions by, and what a developer mode begins with."""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import TypeAdapter

from adapters.postgres.constitutions import found
from adapters.postgres.secrets import Secrets
from contracts.errors import SettingInvalid
from graph.constitution import Guard, key_id, raw, signed
from policies.constitution import developers
from server.settings import Settings

_log = structlog.get_logger(__name__)
_SEEN: TypeAdapter[dict[str, tuple[int, str]]] = TypeAdapter(dict[str, tuple[int, str]])


def own_key(secrets: Secrets) -> Ed25519PrivateKey:
    """Return the key of a developer mode: made from what the database keeps for its owner, so that it goes with it."""
    seed = hmac.new(secrets.passes, b"colony.constitution.own.v1", hashlib.sha256).digest()
    return Ed25519PrivateKey.from_private_bytes(seed)


def _has_own(settings: Settings) -> bool:
    return not settings.constitution_keys and not settings.deployment_mode.is_production


class SeenFile:
    """Satisfies ``SeenPort`` by a file under COLONY_HOME, where nobody reaches it through the database.

    Args:
        file: holds ``{database: [version, sha256]}``.
        database: names the database, by what only its owner can read.
    """

    def __init__(self, file: Path, database: str) -> None:
        self._file = file
        self._database = database

    def last(self) -> tuple[int, str] | None:
        """Return version and hash, if one was seen.

        Raises:
            SettingInvalid: the file can't be read.
        """
        seen = self._all().get(self._database)
        return None if seen is None else (seen[0], seen[1])

    def saw(self, version: int, sha256: str) -> None:
        """Remember that one is in force, unless a higher version was seen meanwhile."""
        kept = self._all()
        if kept.get(self._database, (0, ""))[0] >= version:
            return
        part = self._file.with_name(f"{self._file.name}.{os.getpid()}")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(_SEEN.dump_json({**kept, self._database: (version, sha256)}).decode(), encoding="utf-8")
            part.replace(self._file)
        except OSError as exc:
            _log.warning("the constitution's version can't be remembered", file=str(self._file), error=exc.strerror)

    def _all(self) -> dict[str, tuple[int, str]]:
        try:
            return _SEEN.validate_json(self._file.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as exc:
            raise SettingInvalid(
                f"{self._file} can't be read",
                hint="It remembers which constitution was in force: see docs/runbooks/constitution.md.",
            ) from exc


def guard_for(settings: Settings, secrets: Secrets) -> Guard:
    """Return what verifies constitutions here: by CONSTITUTION_PUBLIC_KEY; a developer mode without it by its own.

    Raises:
        SettingInvalid: what was remembered of earlier ones can't be read.
    """
    public = raw(own_key(secrets))
    seen = SeenFile(settings.home / "constitution.json", key_id(public))
    if not _has_own(settings):
        return Guard(settings.constitution_keys, seen=seen)
    return Guard([public], own=key_id(public), seen=seen)


def founded(admin_dsn: str, settings: Settings, secrets: Secrets) -> None:
    """Sign and put in force the constitution that a developer mode begins with, unless there is one.

    Raises:
        StoreUnavailable: Postgres does not answer.
    """
    if _has_own(settings):
        first = developers(alone=settings.deployment_mode.trusts_loopback)
        found(admin_dsn, signed(first, own_key(secrets)))
