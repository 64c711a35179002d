"""What a deployment signs with: the same for every process, and for the administrator's eyes only."""

import pytest

from adapters.postgres.provision import LOGIN_ROLES
from adapters.postgres.secrets import read_secrets
from tests.adapters.postgres.backdoor import Backdoor, outcome


def test_every_process_reads_the_same_secrets_and_no_two_purposes_share_one(database: str) -> None:
    secrets = read_secrets(database)
    assert secrets == read_secrets(database)
    assert secrets.tenants != secrets.passes
    assert {len(secrets.tenants), len(secrets.passes)} == {32}


def test_a_secret_is_never_shown(database: str) -> None:
    secrets = read_secrets(database)
    assert secrets.tenants.hex() not in repr(secrets)
    assert repr(secrets) == "Secrets()"


@pytest.mark.parametrize("role", [*LOGIN_ROLES, "colony_system", "colony_pruner", "colony_sealer"])
def test_no_role_that_the_service_runs_as_reads_them(database: str, role: str) -> None:
    with Backdoor(database).undone() as conn:
        conn.execute(f"set local role {role}")
        assert outcome(conn, "select secret from colony_secrets") == "42501"
