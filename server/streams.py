"""Events as a stream: what is stored first, then what comes, by seq, until the mission has ended."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

from adapters.postgres.deltas import DeltaFeed
from adapters.postgres.doorbell import Doorbell
from adapters.postgres.reader import MissionReader
from contracts.errors import StoreUnavailable
from contracts.stateflow import ENDED, Status

HEARTBEAT_S = 15.0
_PAGE = 500
_STORE_AWAY_S = 1.0


def frame(event: dict[str, Any]) -> bytes:
    """Return one event as a server-sent event: ``id`` is its seq."""
    data = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    return f"id: {event['seq']}\nevent: {event['event_type']}\ndata: {data}\n\n".encode()


def delta_frame(delta: dict[str, Any]) -> bytes:
    """Return a piece of a model's answer as a server-sent event: it has no id, for it is not stored."""
    return f"event: message.delta\ndata: {json.dumps(delta, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()


async def stream(
    reader: MissionReader,
    doorbell: Doorbell,
    feed: DeltaFeed,
    tenant_id: str,
    mission_id: str,
    after: int,
    *,
    heartbeat_s: float = HEARTBEAT_S,
) -> AsyncIterator[bytes]:
    """Give a mission's events after a seq, and a comment whenever nothing was sent for ``heartbeat_s``.

    Pieces of models' answers come in between as they are said, best effort. No connection is held between two events.
    Ends when the mission has ended and everything was sent, and when the process closes. While the store is away it
    waits: the events are there when it is back.
    """
    yield b": colony\n\n"
    sent = time.monotonic()
    async with doorbell.waiter(mission_id) as rung, feed.listening(tenant_id, mission_id, rung) as heard:
        while not doorbell.closing:
            rung.clear()
            patience_s = heartbeat_s
            try:
                events = await reader.events(tenant_id, mission_id, after, _PAGE)
                ended = not events and await _ended(reader, tenant_id, mission_id, after)
            except StoreUnavailable:
                events, ended, patience_s = [], False, _STORE_AWAY_S
            while heard:
                yield delta_frame(heard.popleft())
                sent = time.monotonic()
            for event in events:
                yield frame(event)
                after, sent = event["seq"], time.monotonic()
            if events:
                continue
            if ended:
                return
            if time.monotonic() - sent >= heartbeat_s:
                yield b": heartbeat\n\n"
                sent = time.monotonic()
            await _either(rung, min(patience_s, sent + heartbeat_s - time.monotonic()))


async def _either(rung: asyncio.Event, most_s: float) -> None:
    try:
        await asyncio.wait_for(rung.wait(), most_s)
    except TimeoutError:
        return


async def _ended(reader: MissionReader, tenant_id: str, mission_id: str, after: int) -> bool:
    if after <= 0:
        return False
    row = await reader.mission(tenant_id, mission_id)
    # A seq from the future is not this mission's: its stream just waits. An answer that was refused may come last.
    return row["seq"] == after and Status(row["status"]) in ENDED
