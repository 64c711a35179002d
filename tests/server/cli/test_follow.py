"""Following a mission through a connection that keeps breaking."""

import asyncio
from contextlib import closing, suppress
from dataclasses import dataclass, field

import pytest

from contracts.errors import NotFound, ServiceUnavailable
from server.cli.api import client_of
from server.cli.follow import until_rest
from tests.support import Service


@dataclass
class Breaking:
    """A proxy that cuts every event stream after so many bytes."""

    port: int
    most: int
    streams: int = 0
    base: str = ""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self.port)
        with closing(writer), closing(upstream_writer), suppress(asyncio.IncompleteReadError, ConnectionError):
            request = await reader.readuntil(b"\r\n\r\n")
            is_stream = b"text/event-stream" in request
            self.streams += is_stream
            upstream_writer.write(request)
            left = self.most if is_stream else 10**9
            while left > 0 and (chunk := await upstream_reader.read(min(left, 1_000))):
                writer.write(chunk)
                await writer.drain()
                left -= len(chunk)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self.relay(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def __aenter__(self) -> "Breaking":
        self._server = await asyncio.start_server(self.accept, "127.0.0.1", 0)
        self.base = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def test_every_event_comes_once_and_in_order_though_the_connection_keeps_breaking(service: Service):
    await service.seed_lead()
    mission_id = await service.submit()
    await service.settled(mission_id)
    recorded = await service.events(mission_id)
    seen: list[int] = []
    async with Breaking(service.client.base_url.port, 8_000) as proxy, client_of(proxy.base, None, 20.0) as api:
        mission = await until_rest(api, mission_id, lambda event: seen.append(event["seq"]))
    assert mission["status"] == "awaiting_approval"
    assert seen == [event["seq"] for event in recorded]
    assert proxy.streams > 3


async def test_a_mission_that_has_ended_is_followed_to_its_end(service: Service):
    mission_id = await service.submit(token_budget=10)
    await service.settled(mission_id)
    seen: list[str] = []
    async with client_of(str(service.client.base_url), None, 20.0) as api:
        mission = await until_rest(api, mission_id, lambda event: seen.append(event["event_type"]))
    assert mission["status"] == "blocked"
    assert seen[-1] == "mission.blocked"


async def test_a_mission_that_is_not_there_is_said_at_once(service: Service):
    async with client_of(str(service.client.base_url), None, 20.0) as api:
        with pytest.raises(NotFound):
            await until_rest(api, "msn_0", lambda _event: None)


async def test_a_service_that_stays_away_is_given_up(service: Service):
    async with Breaking(service.client.base_url.port, 0) as proxy, client_of(proxy.base, None, 0.3) as api:
        with pytest.raises(ServiceUnavailable, match=proxy.base):
            await until_rest(api, "msn_0", lambda _event: None)
