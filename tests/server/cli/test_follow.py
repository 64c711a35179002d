"""Following a mission through a connection that keeps breaking."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress

import pytest

from contracts.errors import NotFound, ServiceUnavailable
from server.cli.api import client_of
from server.cli.follow import until_rest
from tests.support import Service


@asynccontextmanager
async def breaking(port: int, most: int) -> AsyncIterator[str]:
    """A proxy that cuts every connection after so many bytes of answers."""
    tasks: set[asyncio.Task[None]] = set()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", port)
        with closing(writer), closing(upstream_writer), suppress(asyncio.IncompleteReadError, ConnectionError):
            upstream_writer.write(await reader.readuntil(b"\r\n\r\n"))
            left = most
            while left > 0 and (chunk := await upstream_reader.read(min(left, 1_000))):
                writer.write(chunk)
                await writer.drain()
                left -= len(chunk)

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(relay(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_every_event_comes_once_and_in_order_though_the_connection_keeps_breaking(service: Service):
    await service.seed_lead()
    mission_id = await service.submit()
    whole = await service.settled(mission_id)
    recorded = await service.events(mission_id)
    enough = len(str(whole)) * 2  # for the mission itself, but not for all its events
    seen: list[int] = []
    async with (
        breaking(service.client.base_url.port, enough) as base,
        client_of(base, None, 20.0) as api,
    ):
        mission = await until_rest(api, mission_id, lambda event: seen.append(event["seq"]))
    assert mission["status"] == "awaiting_approval"
    assert seen == [event["seq"] for event in recorded]


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
    async with breaking(service.client.base_url.port, 0) as base, client_of(base, None, 0.3) as api:
        with pytest.raises(ServiceUnavailable, match=base):
            await until_rest(api, "msn_0", lambda _event: None)
