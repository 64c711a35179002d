"""Which database a process works on, brought to the present schema."""

from __future__ import annotations

from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass

from adapters.postgres.cluster import open_cluster
from adapters.postgres.encryption import vault_for
from adapters.postgres.provision import Dsns, dsns_for, migrate
from adapters.postgres.secrets import Secrets, read_secrets
from adapters.postgres.vault import Vault, master_keys
from contracts.errors import SettingInvalid
from server.constitution import founded
from server.settings import Settings


@dataclass(frozen=True)
class Database:
    """A database at the present schema: where each role logs in, what is signed with, how payloads are sealed."""

    dsns: Dsns
    secrets: Secrets
    vault: Vault


def database(settings: Settings, stack: AsyncExitStack) -> Database:
    """Open the embedded cluster or use ``DATABASE_URL``, and bring the database to the present schema.

    Raises:
        SettingInvalid: the URL, the home or the encryption key can't be used.
        StoreUnavailable: Postgres does not answer.
        StoreCorrupted: the embedded data folder can't be started from.
    """
    keys = master_keys(settings.payload_encryption_key)
    admin = administrator(settings, stack)
    migrate(admin)
    secrets = read_secrets(admin)
    founded(admin, settings, secrets)
    return Database(dsns_for(admin), secrets, vault_for(admin, keys))


def administrator(settings: Settings, stack: AsyncExitStack | ExitStack) -> str:
    """Return the administrator's DSN: ``DATABASE_URL``, or that of the embedded cluster, which is started if need be.

    Raises:
        SettingInvalid: the home can't be used.
        StoreUnavailable: the embedded Postgres does not start.
        StoreCorrupted: the embedded data folder can't be started from.
    """
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise SettingInvalid(
            "COLONY_HOME can't be made", hint="It must be a folder, or a path where one can be created."
        ) from exc
    return stack.enter_context(open_cluster(settings.home.resolve())).dsn
