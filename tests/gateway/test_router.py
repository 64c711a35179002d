"""A product's backend with Colony's router in it, over HTTP, against the real service."""

import json
from typing import Any

import httpx
import pytest
from httpx_sse import aconnect_sse
from pydantic import SecretStr

from colony_gateway import Accepted, Caller, ColonyGateway, Mission, MissionPage, MissionRequest, Problem
from tests.gateway.conftest import settings
from tests.gateway.test_degraded import BODY, TRACE, TRACEPARENT
from tests.server.tokens import Issuer
from tests.support import Service, until

API = "/api/colony/missions"


async def mounted(service: Service, open_product: Any) -> httpx.AsyncClient:
    return await open_product(settings(str(service.client.base_url).rstrip("/"), api_key=None))  # type: ignore[no-any-return]


async def settled(client: httpx.AsyncClient, mission_id: str) -> dict[str, Any]:
    async def at_rest() -> dict[str, Any] | None:
        mission = dict((await client.get(f"{API}/{mission_id}")).json())
        return mission if mission["status"] not in {"received", "running"} else None

    return dict(await until(at_rest, "the mission to settle"))


async def streamed(client: httpx.AsyncClient, mission_id: str, **headers: str) -> list[tuple[str, dict[str, Any]]]:
    async with aconnect_sse(client, "GET", f"{API}/{mission_id}/events", headers=headers) as source:
        return [(event.id, json.loads(event.data)) async for event in source.aiter_sse()]


async def test_a_mission_from_the_product_and_back(service: Service, open_product: Any) -> None:
    await service.seed_lead()
    client = await mounted(service, open_product)
    headers = {"Idempotency-Key": "one", "traceparent": TRACEPARENT}
    submitted = await client.post(API, json=BODY, headers=headers)
    assert submitted.status_code == 202
    assert submitted.json()["trace_id"] == TRACE
    again = await client.post(API, json=BODY, headers=headers)
    assert again.json() == submitted.json()
    other = await client.post(API, json=BODY | {"user_goal": "Something else"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")

    mission_id = submitted.json()["mission_id"]
    assert (await settled(client, mission_id))["status"] == "awaiting_approval"
    assert len((await client.get("/api/colony/approvals")).json()["items"]) == 1
    assert (await client.post(f"{API}/{mission_id}/approve", json={})).status_code == 202
    assert (await settled(client, mission_id))["status"] == "completed"
    listed = (await client.get(API, params={"status": "completed", "limit": "1"})).json()
    assert [m["mission_id"] for m in listed["items"]] == [mission_id]
    assert (await client.post(f"{API}/{mission_id}/cancel", json={"reason": "late"})).status_code == 409

    events = await streamed(client, mission_id)
    assert [seq for seq, _ in events] == [str(n) for n in range(1, len(events) + 1)]
    assert events[-1][1]["event_type"] == "mission.completed"
    assert [e for _, e in events] == await service.events(mission_id)
    assert await streamed(client, mission_id, **{"Last-Event-ID": str(len(events) - 3)}) == events[-3:]
    plain = (await client.get(f"{API}/{mission_id}/events", params={"after": len(events) - 1})).json()
    assert [e["event_type"] for e in plain["items"]] == ["mission.completed"]


async def test_a_stranger_to_the_product_gets_nowhere(service: Service, open_product: Any) -> None:
    client = await mounted(service, open_product)
    assert (await client.get(API, headers={"Authorization": "Bearer stranger"})).status_code == 401


async def test_refusals_pass_as_they_are(service: Service, open_product: Any) -> None:
    client = await mounted(service, open_product)
    missing = await client.get(f"{API}/msn_none")
    assert (missing.status_code, missing.json()["code"]) == (404, "mission_not_found")
    sse = await client.get(f"{API}/msn_none/events", headers={"Accept": "text/event-stream"})
    assert (sse.status_code, sse.json()["code"]) == (404, "mission_not_found")
    assert (await client.get(f"{API}/..%2e/events")).status_code == 404
    assert (await client.post(API, content=b"{", headers={"Content-Type": "application/json"})).status_code == 400
    assert (await client.post(API, content=b"x" * 1_100_000)).status_code == 413
    assert (await client.post(API, content=b"a=b", headers={"Content-Type": "text/plain"})).status_code == 415


async def test_tenants_stay_apart(serve: Any, open_product: Any, tmp_path: Any) -> None:
    """Users' own tokens go on; and a key never answers for another tenant than the one that is meant."""
    issuer = Issuer()
    service = await serve(**issuer.settings(tmp_path))
    base = str(service.client.base_url).rstrip("/")
    acme, other = (SecretStr(issuer.token(tenant=tenant)) for tenant in ("acme", "other"))

    async def as_acme() -> Caller:
        return Caller(bearer=acme, tenant="acme")

    client = await open_product(settings(base), as_acme)
    mission_id = (await client.post(API, json=BODY)).json()["mission_id"]
    async with ColonyGateway(settings(base, api_key=other)) as gateway:
        assert isinstance(mission := await gateway.mission(mission_id, Caller(bearer=acme)), Mission)
        assert mission.mission_id == mission_id
        assert isinstance(mine := await gateway.missions(), MissionPage)
        assert mine.items == ()
        assert isinstance(hidden := await gateway.mission(mission_id), Problem)
        assert hidden.status == 404
        meant = await gateway.mission(mission_id, Caller(tenant="acme"))
        assert isinstance(meant, Problem)
        assert (meant.status, meant.code) == (403, "tenant_mismatch")
        request = MissionRequest(mission_type="crm_lead_intelligence", user_goal="?", inputs={"lead_id": "L-1"})
        assert isinstance(await gateway.submit(request), Accepted)


async def test_without_an_authentication_there_is_no_router() -> None:
    from colony_gateway import colony_router

    with pytest.raises(TypeError):
        colony_router(settings("http://127.0.0.1:9"))  # type: ignore[call-arg]
