"""Following a mission's events over SSE, however often the connection breaks."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import httpx

from contracts.errors import Unavailable
from contracts.events import TERMINAL_EVENTS, EventType
from contracts.stateflow import ENDED
from server.cli.api import BASE, Api, at
from server.cli.sse import Decoder

SILENCE_S = 45.0
"""Three missed heartbeats: the connection is dead, whatever TCP thinks."""
_PAUSE_S = 0.2
_MOST_PAUSE_S = 2.0
_LOOK_S = 0.05
_TERMINAL = {event.value for event in TERMINAL_EVENTS}
Event = dict[str, Any]


class _Contact:
    """When the service was last there."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._lost: float | None = None
        self._pause = _PAUSE_S

    def heard(self) -> None:
        """Note a sign of life."""
        self._lost, self._pause = None, _PAUSE_S

    async def wait(self, cause: Exception | None) -> None:
        """Wait before the next attempt.

        Raises:
            ServiceUnavailable: it has been away for too long.
        """
        now = time.monotonic()
        self._lost = now if self._lost is None else self._lost
        if now - self._lost > self._api.timeout_s:
            raise self._api.unavailable() from cause
        await asyncio.sleep(self._pause)
        self._pause = min(self._pause * 2, _MOST_PAUSE_S)


async def events(api: Api, mission_id: str, after: int = 0) -> AsyncGenerator[Event]:
    """Yield recorded events after a seq, each once and in order, until the mission has ended.

    Raises:
        ServiceUnavailable: the service has not answered for the length of COLONY_TIMEOUT_MS.
        ColonyError: the service refused, as for a mission that is not there.
    """
    contact = _Contact(api)
    while True:
        cause: Exception | None = None
        last = ""
        try:
            async for event in _connection(api, mission_id, after, contact):
                if event["seq"] > after:
                    after, last = event["seq"], event["event_type"]
                    yield event
            if last in _TERMINAL:
                return
            # Cut off, by a service that is going down: what came after may be there already.
            ended = (await api.mission(mission_id))["status"] in ENDED
            for event in await api.events(mission_id, after):
                after = event["seq"]
                yield event
            if ended:
                return
        except (httpx.RequestError, Unavailable) as exc:
            cause = exc
        await contact.wait(cause)


async def _connection(api: Api, mission_id: str, after: int, contact: _Contact) -> AsyncIterator[Event]:
    headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
    timeout = httpx.Timeout(api.timeout_s, read=SILENCE_S)
    async with api.client.stream("GET", BASE + at(mission_id, "events"), headers=headers, timeout=timeout) as answer:
        if not answer.is_success:
            await answer.aread()
            raise api.error(answer)
        decoder = Decoder()
        async for chunk in answer.aiter_bytes():
            contact.heard()
            for sent in decoder.feed(chunk):
                event = json.loads(sent.data)
                if "seq" in event:  # what has no seq is a glimpse of work in progress
                    yield event


async def until_rest(api: Api, mission_id: str, told: Callable[[Event], None], after: int = 0) -> dict[str, Any]:
    """Tell each event, until the mission has ended or waits for a person; returns it as it is then."""
    asked: str | None = None
    async with aclosing(events(api, mission_id, after)) as stream:
        coming: asyncio.Future[Event] = asyncio.ensure_future(anext(stream))
        try:
            while True:
                # The question is on record a moment before the mission is put to rest.
                done, _ = await asyncio.wait({coming}, timeout=_LOOK_S if asked else None)
                if not done:
                    mission = await api.mission(mission_id)
                    if _waits(mission, asked):
                        return mission
                    continue
                try:
                    event = coming.result()
                except StopAsyncIteration:
                    return await api.mission(mission_id)
                asked = _question(event) or (asked if event["event_type"] != EventType.APPROVAL_DECIDED else None)
                told(event)
                coming = asyncio.ensure_future(anext(stream))
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)


def _question(event: Event) -> str | None:
    if event["event_type"] != EventType.APPROVAL_REQUESTED:
        return None
    return str(event["payload"]["interrupt_id"])


def _waits(mission: dict[str, Any], interrupt_id: str | None) -> bool:
    pending = mission["pending_approval"]
    return pending is not None and pending["interrupt_id"] == interrupt_id
