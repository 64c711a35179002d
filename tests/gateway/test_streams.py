"""A stream that breaks on its way: whole events only, and an end that says so."""

import asyncio
from typing import Any

from httpx_sse import aconnect_sse

from tests.gateway.conftest import settings

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


async def test_half_an_event_is_never_passed_on(stand_in: Any, open_product: Any) -> None:
    asked: list[bytes] = []

    async def breaks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(HEAD + chunk(b": colony\n\nid: 4\nevent: a\ndata: 1\n") + chunk(b'\nid: 5\nevent: b\ndata: {"x'))
        await writer.drain()

    client = await open_product(settings(await stand_in(breaks)))
    url = "/api/colony/missions/m/events"
    async with aconnect_sse(client, "GET", url, headers={"Last-Event-ID": "3"}) as source:
        events = [event async for event in source.aiter_sse()]
    assert [(e.id, e.event, e.data) for e in events[:1]] == [("4", "a", "1")]
    assert [e.event for e in events[1:]] == ["colony.degraded"]
    # The last id is still the last whole event's: a reader that comes back misses nothing.
    assert events[-1].id == "4"
    assert events[-1].json()["code"] == "colony_unreachable"
    assert b"last-event-id: 3" in asked[0].lower()
    assert source.response.headers["X-Accel-Buffering"] == "no"


async def test_a_reader_who_leaves_closes_the_stream_at_colony(stand_in: Any, open_product: Any) -> None:
    left = asyncio.Event()

    async def goes_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + chunk(b"id: 1\nevent: a\ndata: 1\n\n"))
        await writer.drain()
        await reader.read()
        left.set()

    client = await open_product(settings(await stand_in(goes_on), timeout_ms=1_000))
    async with aconnect_sse(client, "GET", "/api/colony/missions/m/events") as source:
        async for event in source.aiter_sse():
            assert event.id == "1"
            break
    await asyncio.wait_for(left.wait(), 5)
