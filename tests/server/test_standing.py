"""A stream ends with the credentials that it was begun with: a revoked key's, an expired token's."""

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from server import standing
from server.standing import Standing
from tests.server.tokens import Issuer
from tests.support import Service, until

API = "/api/colony"
ISSUER = Issuer()
ADA = ISSUER.bearer()
BODY = {"mission_type": "crm_lead_intelligence", "user_goal": "What do they want?", "inputs": {"lead_id": "L-1"}}


class Streaming:
    """Reads a mission's stream in the background."""

    def __init__(self, service: Service, path: str, headers: dict[str, str]) -> None:
        self.text = ""
        self.begun = asyncio.Event()
        self.task = asyncio.create_task(self._read(service.client, path, headers))

    async def _read(self, client: httpx.AsyncClient, path: str, headers: dict[str, str]) -> None:
        async with client.stream("GET", path, headers={**headers, "Accept": "text/event-stream"}, timeout=30) as answer:
            assert answer.status_code == 200
            async for text in answer.aiter_text():
                self.text += text
                if "intent.received" in self.text:
                    self.begun.set()


async def refused(service: Service, headers: dict[str, str]) -> bool:
    return (await service.client.get(f"{API}/missions", headers=headers)).status_code == 401


async def a_stream_ends_with_what_opened_it(service: Service) -> None:
    """The check: after a key was revoked and a token has expired, their streams end and say nothing more."""
    await service.colony.worker.stop()  # type: ignore[union-attr]
    made = (await service.client.post(f"{API}/missions", json=BODY, headers=ADA)).json()
    asked: dict[str, Any] = {"name": "a product", "capabilities": ["mission:read"]}
    key = (await service.client.post(f"{API}/keys", json=asked, headers=ADA)).json()
    by_key, by_token = {"Authorization": f"Bearer {key['key']}"}, ISSUER.bearer(exp=int(time.time()) + 4)
    streams = {
        name: Streaming(service, made["links"]["events"], h) for name, h in {"key": by_key, "token": by_token}.items()
    }
    lasting = Streaming(service, made["links"]["events"], ADA)
    for one in (*streams.values(), lasting):
        await asyncio.wait_for(one.begun.wait(), 10)
    assert (await service.client.delete(f"{API}/keys/{key['key_id']}", headers=ADA)).status_code == 204
    assert await until(lambda: refused(service, by_token), "the token to expire", 10)

    cancelled = await service.client.post(
        f"{API}/missions/{made['mission_id']}/cancel", json={"reason": "x"}, headers=ADA
    )
    assert cancelled.status_code == 202
    await asyncio.wait_for(asyncio.gather(lasting.task, *(one.task for one in streams.values())), 20)
    assert "mission.cancelled" in lasting.text
    assert {name for name, one in streams.items() if "mission.cancelled" in one.text} == set()


async def test_a_stream_ends_with_what_opened_it(serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "_LOOK_S", 0)
    await a_stream_ends_with_what_opened_it(await serve(**ISSUER.settings(tmp_path)))


async def test_without_looking_again_a_revoked_key_reads_on(
    serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def always(_: Standing) -> bool:
        return True

    monkeypatch.setattr(Standing, "holds", always)
    with pytest.raises(AssertionError):
        await a_stream_ends_with_what_opened_it(await serve(**ISSUER.settings(tmp_path)))
