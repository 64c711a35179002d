"""The service does not start as a role that row-level security would not bind."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from psycopg.conninfo import make_conninfo

from adapters.postgres.pools import open_pool
from adapters.postgres.provision import LOGIN_ROLES, dsns_for
from contracts.errors import SettingInvalid
from tests.adapters.postgres.backdoor import Backdoor

POWERS = {
    "superuser": ("alter role {role} superuser", "is a superuser"),
    "bypass": ("alter role {role} bypassrls", "bypasses row-level security"),
    "makes-roles": ("alter role {role} createrole", "may make roles"),
    "owner": ("alter table colony_events owner to {role}", "owns colony_events"),
    "member-of-the-owner": ("grant colony_owner to {role}", "belongs to colony_owner"),
    "member-of-system": ("grant colony_system to {role}", "belongs to colony_system"),
    "acts-as-the-owner": (
        "grant colony_owner to {role}; alter role {role} set role = colony_owner",
        "the database role colony_owner, which owns",
    ),
}


@pytest.fixture
def role(database: str) -> Iterator[str]:
    """A role as the service's own, and gone afterwards: roles belong to the whole cluster."""
    name, back = f"r_{uuid4().hex[:12]}", Backdoor(database)
    back.run(f"create role {name} login noinherit password 'p'")
    yield name
    back.run(f"reassign owned by {name} to colony_owner", f"drop owned by {name}", f"drop role {name}")


@pytest.mark.parametrize("power", POWERS)
async def test_a_role_that_could_see_past_row_level_security_is_refused(database: str, role: str, power: str) -> None:
    sabotage, said = POWERS[power]
    dsn = make_conninfo(database, user=role, password="p")
    pool = await open_pool(dsn, name="start", most=1)
    await pool.close()
    Backdoor(database).run(sabotage.format(role=role))
    with pytest.raises(SettingInvalid, match=said) as refused:
        await open_pool(dsn, name="start", most=1)
    assert refused.value.code == "role_too_powerful"


async def test_the_administrator_is_refused(database: str) -> None:
    with pytest.raises(SettingInvalid, match="is a superuser"):
        await open_pool(database, name="start", most=1)


@pytest.mark.parametrize("own", [role.removeprefix("colony_") for role in LOGIN_ROLES])
async def test_the_service_s_own_roles_have_no_power(database: str, own: str) -> None:
    pool = await open_pool(getattr(dsns_for(database), own), name="start", most=1)
    await pool.close()
