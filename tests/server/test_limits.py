"""What one caller and one tenant may ask: beyond it 429 with when to come back, and everybody else goes on."""

import gzip
import time
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from server.limits import Buckets, Limits
from tests.server.tokens import Issuer
from tests.support import GOAL, Service, until

API = "/api/colony"
BODY = {"mission_type": "crm_lead_intelligence", "user_goal": GOAL, "inputs": {"lead_id": "L-1"}}
ISSUER = Issuer()
# Good for as long as the tests run, which is longer than a token is good for otherwise.
ADA, BEA, EVE = (
    ISSUER.bearer(sub=sub, tenant=tenant, exp=int(time.time()) + 7_200)
    for sub, tenant in (("ada", "acme"), ("bea", "acme"), ("eve", "e"))
)


def refusal(answer: httpx.Response) -> int:
    """Return after how many seconds a refused caller may come back."""
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited"), answer.text
    return int(answer.headers["Retry-After"])


def test_a_bucket_fills_again_as_time_goes_by() -> None:
    now = 0.0
    buckets = Buckets(60, lambda: now)
    assert [buckets.take("a") for _ in range(20)] == [0.0] * 20
    assert buckets.take("a") == pytest.approx(1.0)
    assert buckets.take("b") == 0.0
    now = 0.5
    assert buckets.take("a") == pytest.approx(0.5)
    now = 1.0
    assert buckets.take("a") == 0.0
    assert buckets.take("a") == pytest.approx(1.0)
    now = 1_000.0
    assert [buckets.take("a") > 0 for _ in range(21)] == [False] * 20 + [True]


def test_callers_that_were_not_seen_for_long_are_forgotten() -> None:
    buckets = Buckets(3, lambda: 0.0)
    assert buckets.take("a") == 0.0
    assert buckets.take("a") == pytest.approx(20.0)
    for n in range(10_000):
        buckets.take(n)
    assert buckets.take("a") == 0.0


async def who_asks_too_often_waits(service: Service) -> None:
    """The check: of 22 requests at once a caller that has 60 a minute gets 20, its tenant goes on, others do."""
    answers = [await service.client.get(f"{API}/missions", headers=ADA) for _ in range(30)]
    let_in = sum(answer.status_code == 200 for answer in answers)
    assert 20 <= let_in < 30
    assert 1 <= refusal(answers[-1]) <= 2
    for other in (BEA, EVE):
        assert (await service.client.get(f"{API}/missions", headers=other)).status_code == 200
    metrics = (await service.client.get(f"{API}/metrics")).text
    assert f'colony_http_refused_total{{limit="principal_rate"}} {30.0 - let_in}' in metrics
    assert 'colony_http_refused_total{limit="tenant_rate"} 0.0' in metrics


async def test_who_asks_too_often_waits(serve, tmp_path: Path) -> None:
    await who_asks_too_often_waits(await serve(**ISSUER.settings(tmp_path), COLONY_RATE_PER_PRINCIPAL="60"))


async def test_without_the_limit_nobody_waits(serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Limits, "admit", lambda self, who: None)
    with pytest.raises(AssertionError):
        await who_asks_too_often_waits(await serve(**ISSUER.settings(tmp_path), COLONY_RATE_PER_PRINCIPAL="60"))


async def test_a_tenant_is_bounded_over_all_its_callers(serve, tmp_path: Path) -> None:
    service: Service = await serve(**ISSUER.settings(tmp_path), COLONY_RATE_PER_TENANT="30")
    callers = [ISSUER.bearer(sub=f"caller-{n}") for n in range(15)]
    answers = [await service.client.get(f"{API}/missions", headers=caller) for caller in callers]
    assert answers[0].status_code == 200
    assert 1 <= refusal(answers[-1]) <= 2
    assert (await service.client.get(f"{API}/missions", headers=EVE)).status_code == 200


async def test_streams_are_bounded_and_a_closed_one_makes_room(serve, tmp_path: Path) -> None:
    limits = {"COLONY_STREAMS_PER_PRINCIPAL": "2", "COLONY_STREAMS_PER_TENANT": "3"}
    service: Service = await serve(**ISSUER.settings(tmp_path), **limits)
    await service.colony.worker.stop()  # type: ignore[union-attr]
    made = await service.client.post(f"{API}/missions", json=BODY, headers=ADA)
    path = made.json()["links"]["events"]

    async def opened(stack: AsyncExitStack, caller: dict[str, str]) -> httpx.Response:
        asked = service.client.stream("GET", path, headers={**caller, "Accept": "text/event-stream"})
        answer = await stack.enter_async_context(asked)
        if answer.status_code != 200:
            await answer.aread()
        return answer

    async with AsyncExitStack() as streams:
        for _ in range(2):
            assert (await opened(streams, ADA)).status_code == 200
        assert refusal(await opened(streams, ADA)) >= 1
        assert (await service.client.get(path, headers=ADA)).status_code == 200, "as a list it holds no place"
        assert (await opened(streams, BEA)).status_code == 200
        assert "tenant" in (await opened(streams, ISSUER.bearer(sub="cid"))).json()["detail"]
        metrics = (await service.client.get(f"{API}/metrics")).text
        assert 'colony_http_refused_total{limit="principal_streams"} 1.0' in metrics
        assert 'colony_http_refused_total{limit="tenant_streams"} 1.0' in metrics

    async def room() -> bool:
        async with AsyncExitStack() as stack:
            return (await opened(stack, ADA)).status_code == 200

    assert await until(room, "the places to be free again", 10)


async def test_a_developer_s_own_machine_has_no_limit(serve) -> None:
    service: Service = await serve(COLONY_RATE_PER_PRINCIPAL="1", COLONY_RATE_PER_TENANT="1")
    for _ in range(5):
        assert (await service.client.get(f"{API}/missions")).status_code == 200


async def test_a_compressed_body_is_not_unpacked(service: Service) -> None:
    bomb = gzip.compress(b'{"user_goal": "' + b"a" * 50_000_000 + b'"}', 1)
    assert len(bomb) < 1_048_576
    for encoding in ("gzip", "deflate", "br", "zstd", "x-gzip", "identity, gzip"):
        headers = {"Content-Encoding": encoding, "Content-Type": "application/json"}
        answer = await service.client.post(f"{API}/missions", content=bomb, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (415, "encoding_unsupported"), encoding


async def test_another_tenant_s_mission_is_answered_as_one_that_does_not_exist(serve, tmp_path: Path) -> None:
    service: Service = await serve(**ISSUER.settings(tmp_path))
    made = (await service.client.post(f"{API}/missions", json=BODY, headers=ADA)).json()["mission_id"]
    described = (await service.client.get("/openapi.json")).json()["paths"]
    calls = {(m, p) for p, operations in described.items() for m in operations if "{mission_id}" in p}
    calls |= {(method, f"{API}/missions/{{mission_id}}/{path}") for method, path in UNDESCRIBED}
    assert len(calls) > 12
    for method, path in sorted(calls):
        seen = []
        for mission_id in (made, "msn_" + "0" * 32):
            where = path.replace("{mission_id}", mission_id)
            answer = await service.client.request(method, where, headers=EVE, json={} if method == "post" else None)
            seen.append((answer.status_code, answer.json()["code"], answer.json()["detail"].replace(mission_id, "")))
        assert seen[0] == seen[1], (method, path)
        assert seen[0][0] in {404, 422, 501}, (method, path, seen)
    mine = await service.client.get(f"{API}/missions/{made}", headers=ADA)
    assert mine.status_code == 200


UNDESCRIBED = (("get", "checkpoints"), ("get", "checkpoints/c"), ("get", "diff"), ("post", "replay"), ("post", "fork"))
