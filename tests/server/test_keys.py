"""API keys: made once, stored as a hash, no more than their maker, revoked at once; and all of it is on record."""

from pathlib import Path
from typing import Any

import psycopg
import pytest

from adapters.postgres.provision import Dsns
from colony_gateway import ColonyGateway, GatewaySettings
from server.principal import CAPABILITIES
from tests.adapters.postgres.backdoor import Backdoor, outcome, stamp
from tests.server.cli.conftest import run
from tests.server.tokens import Issuer
from tests.support import Service

KEYS = "/api/colony/keys"
MISSIONS = "/api/colony/missions"
ISSUER = Issuer()


@pytest.fixture
async def production(serve, tmp_path: Path) -> Service:
    return await serve(**ISSUER.settings(tmp_path))  # type: ignore[no-any-return]


def by(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def made(service: Service, headers: dict[str, str], *capabilities: str, **more: Any) -> dict[str, Any]:
    body = {"name": "a product", "capabilities": capabilities or ["mission:read"], **more}
    answer = await service.client.post(KEYS, json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def status(service: Service, key: str, path: str = MISSIONS) -> int:
    return (await service.client.get(path, headers=by(key))).status_code


async def test_the_first_key_is_made_in_the_database_and_works_for_command_and_gateway(
    production: Service, database: str, tmp_path: Path
) -> None:
    base = {"DATABASE_URL": database, "COLONY_DEPLOYMENT_MODE": "production", "COLONY_HOME": str(tmp_path)}
    first = await run("keys", "create", "--tenant", "acme", "--name", "crm", "--json", cwd=tmp_path, **base)
    assert first.code == 0, first.err
    key = first.document["key"]
    asked = {"COLONY_SERVICE_API_KEY": key, "COLONY_SERVICE_BASE_URL": str(production.client.base_url)}
    listed = await run("missions", "list", "--json", cwd=tmp_path, **asked)
    assert (listed.code, listed.document["items"]) == (0, []), listed.err
    async with ColonyGateway(GatewaySettings.from_environment(asked)) as gateway:
        page = await gateway.missions()
        assert page.items == ()  # type: ignore[union-attr]
    revoked = await run("keys", "revoke", first.document["key_id"], "--tenant", "acme", cwd=tmp_path, **base)
    assert revoked.code == 0, revoked.err
    assert await status(production, key) == 401
    refused = await run("missions", "list", cwd=tmp_path, **asked)
    assert refused.code == 1
    assert key not in refused.out + refused.err
    shown = await run("keys", "list", "--tenant", "acme", "--json", cwd=tmp_path, **base)
    assert [k["revoked_at"] is not None for k in shown.document["items"]] == [True]
    assert key.removeprefix(first.document["key_id"] + "_") not in shown.out
    wrong = await run("keys", "create", "-c", "world:rule", cwd=tmp_path, **base)
    assert wrong.code == 2
    wrong.error("invalid_input")


async def test_a_key_is_shown_once_and_stored_as_a_hash(production: Service, database: str) -> None:
    key = await made(production, ISSUER.bearer())
    secret = key["key"].removeprefix(key["key_id"] + "_")
    assert len(secret) == 43
    listed = await production.client.get(KEYS, headers=ISSUER.bearer())
    assert secret not in listed.text
    assert listed.json()["items"][0] == {name: value for name, value in key.items() if name != "key"}
    rows = Backdoor(database).rows(
        "select k::text as key, e::text as event from colony_api_keys k, colony_key_events e"
    )
    assert len(rows) == 1
    assert not any(secret in row["key"] + row["event"] for row in rows)


async def test_a_key_has_no_capability_that_its_maker_lacks_and_acts_as_its_maker(production: Service) -> None:
    maker = ISSUER.bearer(capabilities=["key:manage", "mission:read"])
    asked = {"name": "more", "capabilities": ["mission:read", "mission:approve"]}
    refused = await production.client.post(KEYS, json=asked, headers=maker)
    assert (refused.status_code, refused.json()["code"]) == (403, "capability_missing")
    key = await made(production, maker, "mission:read", "key:manage")
    assert key["actor_id"] == "ada"
    refused = await production.client.post(KEYS, json=asked, headers=by(key["key"]))
    assert (refused.status_code, refused.json()["code"]) == (403, "capability_missing")
    assert (await production.client.post(MISSIONS, json={}, headers=by(key["key"]))).status_code == 403
    assert await status(production, key["key"]) == 200


async def test_a_key_ends_with_its_revocation_its_time_or_the_key_that_made_it(
    production: Service, database: str
) -> None:
    parent = await made(production, ISSUER.bearer(), "mission:read", "key:manage", expires_in_days=1)
    child = await made(production, by(parent["key"]), "mission:read", "key:manage", expires_in_days=30)
    grandchild = await made(production, by(child["key"]))
    other = await made(production, ISSUER.bearer())
    assert child["expires_at"] == parent["expires_at"] == grandchild["expires_at"]
    for key in (parent, child, grandchild, other):
        assert await status(production, key["key"]) == 200
    Backdoor(database).run(f"update colony_api_keys set expires_at = now() where key_id = '{grandchild['key_id']}'")
    assert await status(production, grandchild["key"]) == 401
    gone = await production.client.delete(f"{KEYS}/{parent['key_id']}", headers=ISSUER.bearer())
    assert gone.status_code == 204
    assert [await status(production, k["key"]) for k in (parent, child, other)] == [401, 401, 200]
    again = await production.client.delete(f"{KEYS}/{parent['key_id']}", headers=ISSUER.bearer())
    assert again.status_code == 204
    said = Backdoor(database).rows("select event_type, count(*) as n from colony_key_events group by 1 order by 1")
    assert [(row["event_type"], row["n"]) for row in said] == [("key.created", 4), ("key.revoked", 3)]


async def test_a_key_is_its_tenant_s_alone(production: Service) -> None:
    key = await made(production, ISSUER.bearer(), *sorted(CAPABILITIES))
    umbrella = ISSUER.bearer(tenant="umbrella")
    assert (await production.client.get(KEYS, headers=umbrella)).json() == {"items": []}
    foreign = await production.client.delete(f"{KEYS}/{key['key_id']}", headers=umbrella)
    unknown = await production.client.delete(f"{KEYS}/ck_ffffffffffffffff", headers=umbrella)
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.json()["code"] == unknown.json()["code"] == "key_not_found"
    meant = {**by(key["key"]), "X-Colony-Tenant": "umbrella"}
    assert (await production.client.get(MISSIONS, headers=meant)).status_code == 403
    assert await status(production, key["key"]) == 200


async def test_a_key_that_is_not_quite_one_is_refused(production: Service, database: str) -> None:
    one, two = await made(production, ISSUER.bearer()), await made(production, ISSUER.bearer())
    secret = one["key"].removeprefix(one["key_id"] + "_")
    digest = Backdoor(database).rows("select encode(secret_sha256, 'hex') as h from colony_api_keys limit 1")[0]["h"]
    for wrong in (
        one["key"][:-1] + ("A" if one["key"][-1] != "A" else "B"),
        one["key"] + "A",
        f"{two['key_id']}_{secret}",
        f"{one['key_id']}_{digest[:43]}",
        f"{one['key_id']}_",
        one["key_id"],
        "ck_' or true --_" + secret,
        one["key"].upper(),
    ):
        assert await status(production, wrong) == 401, wrong


async def test_a_key_s_use_is_noted(production: Service, database: str) -> None:
    key = await made(production, ISSUER.bearer())
    assert key["last_used_at"] is None
    await status(production, key["key"])
    assert (await production.client.get(KEYS, headers=ISSUER.bearer())).json()["items"][0]["last_used_at"] is not None
    noted = Backdoor(database).rows("select last_used_at from colony_api_keys")
    await status(production, key["key"])
    assert Backdoor(database).rows("select last_used_at from colony_api_keys") == noted, "to the minute, not each time"


def revocation_stands(database: str) -> None:
    """The check: the service can neither read a hash, nor undo a revocation, nor write or change the record."""
    with Backdoor(database).undone() as conn:
        stamp(conn, "acme")
        conn.execute(
            "insert into colony_api_keys (key_id, name, actor_id, capabilities, secret_sha256, made_by, revoked_at, "
            "revoked_by) values ('ck_0', 'n', 'ada', '{}', sha256('x'), 'ada', now(), 'ada')"
        )
        conn.execute("set local role colony_app")
        for statement in (
            "select secret_sha256 from colony_api_keys",
            "update colony_api_keys set capabilities = '{key:manage}'",
            "update colony_api_keys set tenant_id = 'umbrella'",
            "update colony_api_keys set expires_at = null",
            "delete from colony_api_keys",
            "insert into colony_key_events (tenant_id, key_id, event_type, actor_id, payload) "
            "values ('acme', 'k', 'key.revoked', 'x', '{}')",
            "update colony_key_events set actor_id = 'x'",
            "delete from colony_key_events",
            "truncate colony_key_events",
        ):
            assert outcome(conn, statement) == "42501", statement
        assert outcome(conn, "update colony_api_keys set revoked_at = null, revoked_by = null") == "CO003"
        assert conn.execute("select from colony_look_up_key('ck_0', sha256('x'))").rowcount == 0


def test_a_revocation_stands(database: str) -> None:
    revocation_stands(database)


@pytest.mark.parametrize(
    "sabotage",
    [
        pytest.param("drop trigger record on colony_api_keys", id="no-record"),
        pytest.param("grant delete on colony_key_events to colony_app", id="the-record-can-be-cut"),
        pytest.param("grant select on colony_api_keys to colony_app", id="hashes-can-be-read"),
    ],
)
def test_without_its_mechanism_a_revocation_does_not_stand(database: str, sabotage: str) -> None:
    Backdoor(database).run(sabotage)
    with pytest.raises(AssertionError):
        revocation_stands(database)


async def test_without_the_look_up_s_conditions_a_wrong_or_revoked_key_gets_in(
    production: Service, database: str, dsns: Dsns
) -> None:
    key = await made(production, ISSUER.bearer())
    await production.client.delete(f"{KEYS}/{key['key_id']}", headers=ISSUER.bearer())
    assert await status(production, key["key"]) == 401
    source = Backdoor(database).rows("select pg_get_functiondef('colony_look_up_key'::regproc) as f")[0]["f"]
    Backdoor(database).run(source.replace("and k.revoked_at is null", ""))
    assert await status(production, key["key"]) == 200
    Backdoor(database).run(
        source.replace("and sha256(k.secret_sha256) = sha256(digest)", "").replace("and k.revoked_at is null", "")
    )
    assert await status(production, key["key"][:-2] + "AA") == 200
    with psycopg.connect(dsns.app) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute(source)
