"""The constitution over REST: proposed and agreed to by different people, under keys that the deployment trusts."""

import base64
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.postgres.provision import Dsns
from contracts.constitution import Constitution
from graph.constitution import raw, signed
from policies.constitution import SHIPPED
from server.principal import CAPABILITIES
from tests.conftest import SHORT
from tests.constitution import INTRUDER, SIGNER, next_version
from tests.server.tokens import Issuer
from tests.support import Service, serving

API = "/api/colony/constitution"
ISSUER = Issuer()
SECOND = next_version(SHIPPED, {"effects": ("note",)})


@pytest.fixture
async def production(serve, tmp_path: Path) -> Service:
    return await serve(**ISSUER.settings(tmp_path))  # type: ignore[no-any-return]


def by(person: str, **claims: Any) -> dict[str, str]:
    return ISSUER.bearer(sub=person, **claims)


def body(one: Constitution, key: Ed25519PrivateKey = SIGNER) -> dict[str, Any]:
    return signed(one, key).model_dump(mode="json")


async def proposed(service: Service, person: str, one: Constitution, key: Ed25519PrivateKey = SIGNER) -> Any:
    return await service.client.post(API, json=body(one, key), headers=by(person))


async def answered(service: Service, person: str, one: Constitution, verb: str = "approve", **claims: Any) -> Any:
    return await service.client.post(f"{API}/{one.sha256()}/{verb}", json={}, headers=by(person, **claims))


async def version_in_force(service: Service) -> int:
    state = (await service.client.get(API, headers=by("ada"))).json()
    assert state["status"] == "in_force", state
    return int(state["constitution"]["version"])


async def test_two_different_people_put_one_in_force_and_nobody_alone(production: Service) -> None:
    made = await proposed(production, "ada", SECOND)
    assert (made.status_code, made.json()["status"], made.json()["agreed"]) == (201, "proposed", 1)
    again = await answered(production, "ada", SECOND)
    assert (again.status_code, again.json()["status"], again.json()["agreed"]) == (200, "proposed", 1)
    assert await version_in_force(production) == 1
    second = await answered(production, "bob", SECOND)
    assert (second.status_code, second.json()["status"], second.json()["agreed"]) == (200, "in_force", 2)
    assert await version_in_force(production) == 2
    told = [(entry["event"], entry["actor_id"]) for entry in second.json()["log"]]
    assert told == [("proposed", "ada"), ("approved", "bob"), ("activated", "bob")]
    once_more = await answered(production, "eve", SECOND)
    assert (once_more.status_code, once_more.json()["code"]) == (409, "already_decided")
    listed = (await production.client.get(f"{API}/versions", headers=by("x", tenant="other"))).json()["items"]
    assert [(v["version"], v["status"]) for v in listed] == [(1, "superseded"), (2, "in_force")]
    assert {entry["actor_id"] for entry in listed[1]["log"]} == {None}


async def test_what_is_rejected_or_overtaken_is_never_activated(production: Service) -> None:
    for one, person in ((SECOND, "ada"), (next_version(SHIPPED, {"high_risk_people": 3}), "ada")):
        assert (await proposed(production, person, one)).status_code == 201
    other = next_version(SHIPPED, {"high_risk_people": 3})
    assert (await answered(production, "bob", SECOND, "reject")).json()["status"] == "rejected"
    refused = await answered(production, "bob", SECOND)
    assert (refused.status_code, refused.json()["code"]) == (409, "already_decided")
    assert (await proposed(production, "eve", SECOND)).json()["code"] == "already_proposed"
    late = other.model_copy(update={"version": 3})
    assert (await proposed(production, "ada", late)).status_code == 201
    assert (await answered(production, "bob", other)).json()["status"] == "in_force"
    overtaken = await answered(production, "bob", late)
    assert (overtaken.status_code, overtaken.json()["code"]) == (409, "constitution_stale")
    lower = next_version(other).model_copy(update={"version": 1})
    assert (await proposed(production, "ada", lower)).json()["code"] == "constitution_stale"
    more = next_version(other).model_copy(update={"people": 3})
    assert (await proposed(production, "ada", more)).status_code == 201
    assert (await answered(production, "bob", more)).json()["status"] == "proposed"
    again = await answered(production, "bob", more, tenant="umbrella")
    assert (again.json()["status"], again.json()["agreed"]) == ("proposed", 2), "one person in two tenants is two"
    assert (await answered(production, "eve", more)).json()["status"] == "in_force"
    fewer = next_version(more).model_copy(update={"people": 2})
    assert (await proposed(production, "ada", fewer)).status_code == 201
    assert (await answered(production, "bob", fewer)).json()["status"] == "proposed"


async def test_what_nobody_trusted_signed_is_not_even_proposed(production: Service) -> None:
    refused = await proposed(production, "ada", SECOND, Ed25519PrivateKey.generate())
    assert (refused.status_code, refused.json()["code"]) == (409, "constitution_unverified")
    swapped = {**body(SECOND), "constitution": body(next_version(SHIPPED))["constitution"]}
    refused = await production.client.post(API, json=swapped, headers=by("ada"))
    assert (refused.status_code, refused.json()["code"]) == (409, "constitution_unverified")
    unknown = await production.client.post(f"{API}/{'0' * 64}/approve", json={}, headers=by("ada"))
    assert unknown.status_code == 404
    without = sorted(CAPABILITIES - {"constitution:manage"})
    for method, path in (("POST", API), ("GET", f"{API}/versions"), ("POST", f"{API}/{'0' * 64}/approve")):
        answer = await production.client.request(method, path, headers=by("ada", capabilities=without))
        assert (answer.status_code, answer.json()["code"]) == (403, "capability_missing"), path


async def refuses_missions(service: Service, hint: str) -> str:
    """The check: it is ready and says what is down, and a mission ends at its admission with what to do."""
    ready = await service.client.get("/api/colony/health/ready")
    down = {"status": "down", "code": "constitution_unverified"}
    assert (ready.status_code, ready.json()["status"], ready.json()["parts"]["constitution"]) == (200, "degraded", down)
    service.client.headers.update(by("ada"))
    mission_id = await service.submit()
    failure = (await service.settled(mission_id))["failure"]
    assert (failure["code"], failure["stage"]) == ("constitution_unverified", "admission")
    assert hint in failure["hint"]
    return mission_id


async def test_production_refuses_missions_until_people_have_activated_one(database: str, tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    keys = f"{base64.b64encode(raw(key)).decode()},{base64.b64encode(raw(SIGNER)).decode()}"
    base = {"DATABASE_URL": database, "COLONY_HOME": str(tmp_path), **ISSUER.settings(tmp_path)}
    async with serving({**base, "CONSTITUTION_PUBLIC_KEY": ""}, SHORT) as service:
        await refuses_missions(service, "CONSTITUTION_PUBLIC_KEY")
    async with serving({**base, "CONSTITUTION_PUBLIC_KEY": keys}, SHORT) as service:
        mission_id = await refuses_missions(service, "colony constitution activate")
        assert (await proposed(service, "ada", SHIPPED, key)).status_code == 201
        assert (await answered(service, "bob", SHIPPED)).json()["status"] == "in_force"
        assert (await service.client.get("/api/colony/health/ready")).json()["status"] == "ok"
        assert (await service.post(mission_id, "retry")).status_code == 202
        assert (await service.settled(mission_id))["failure"]["code"] != "constitution_unverified"


async def test_what_an_intruder_activates_is_not_in_force(production: Service, database: str) -> None:
    """He may own the database: as many different people as the document asks for must be there."""
    assert (await proposed(production, "ada", SECOND)).status_code == 201
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(
            f"{INTRUDER}; insert into colony_constitution_log (tenant_id, sha256, event, actor_id) "
            f"values ('acme', '{SECOND.sha256()}', 'activated', 'mallory')"
        )
    state = (await production.client.get(API, headers=by("ada"))).json()
    assert (state["status"], state["reason"]) == ("unverified", "too few people agreed to the constitution in force")


async def test_a_script_on_the_service_s_connection_learns_nobody_s_name(production: Service, dsns: Dsns) -> None:
    assert (await proposed(production, "ada", SECOND)).status_code == 201
    with psycopg.connect(dsns.app, autocommit=True) as script:
        shown = script.execute("select log::text from colony_constitution_versions(null)").fetchall()
        assert len(shown) == 2
        assert not any(name in row[0] for row in shown for name in ("ada", "ann", "bob"))
        for statement in (
            "select * from colony_constitutions",
            "insert into colony_constitution_log (sha256, event, actor_id) values ('', 'activated', 'mallory')",
            "select colony_found_constitution('', 1, '', '', '')",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                script.execute(statement)
