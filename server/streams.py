"""Events as a stream: what is stored first, then what comes, by seq, until the mission has ended."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from adapters.postgres.doorbell import Doorbell
from adapters.postgres.reader import MissionReader
from contracts.events import TERMINAL_EVENTS, EventType

HEARTBEAT_S = 15.0
_PAGE = 500
_TERMINAL = {event.value for event in TERMINAL_EVENTS}


def frame(event: dict[str, Any]) -> bytes:
    """Return one event as a server-sent event: ``id`` is its seq."""
    data = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    return f"id: {event['seq']}\nevent: {event['event_type']}\ndata: {data}\n\n".encode()


async def stream(
    reader: MissionReader, doorbell: Doorbell, tenant_id: str, mission_id: str, after: int
) -> AsyncIterator[bytes]:
    """Give a mission's events after a seq; no connection is held between two of them.

    Ends when a terminal event is the mission's last, and when the process closes.
    """
    yield b": colony\n\n"
    async with doorbell.waiter(mission_id) as rung:
        while not doorbell.closing:
            rung.clear()
            events = await reader.events(tenant_id, mission_id, after, _PAGE)
            for event in events:
                yield frame(event)
                after = event["seq"]
            if len(events) == _PAGE:
                continue
            if await _ended(reader, tenant_id, mission_id, after, events):
                return
            try:
                await asyncio.wait_for(rung.wait(), HEARTBEAT_S)
            except TimeoutError:
                yield b": heartbeat\n\n"


async def _ended(
    reader: MissionReader, tenant_id: str, mission_id: str, after: int, events: list[dict[str, Any]]
) -> bool:
    if events:
        return EventType(events[-1]["event_type"]).value in _TERMINAL
    if after <= 0:
        return False
    last = await reader.events(tenant_id, mission_id, after - 1, 1)
    # A seq from the future is not this mission's: its stream just waits.
    return bool(last) and last[0]["event_type"] in _TERMINAL
