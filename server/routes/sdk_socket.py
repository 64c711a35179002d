"""A thread's events over a WebSocket: one subscription, by the same rules as the stream over HTTP."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast
from uuid import uuid4

from fastapi import APIRouter, Request, WebSocket, WebSocketDisconnect

from adapters.postgres.threads import thread_not_found
from contracts.errors import BadInput, ColonyError
from server.body import parsed
from server.ending import ended
from server.errors import status_for
from server.principal import Principal, principal_of
from server.sdk import bodies
from server.sdk.commands import refused
from server.sdk.events import events
from server.sdk.service import Sdk
from server.standing import Standing

router = APIRouter(tags=["events"])
_REFUSED = 4_000
_LONGEST_ID = 200


@router.websocket("/threads/{thread_id:name}/stream/events")
async def socket(websocket: WebSocket, thread_id: str) -> None:
    """Send a thread's events to whoever subscribes to them."""
    sdk: Sdk = websocket.app.state.colony.sdk
    try:
        # Who asks is told by the handshake's headers, which a WebSocket has like any request.
        who = await principal_of(cast("Request", websocket))
        who.needs("mission:read")
        if len(thread_id) > _LONGEST_ID or not thread_id.isprintable():
            raise thread_not_found()
        await sdk.threads.row(who, thread_id)
        with websocket.app.state.limits.streaming(who):
            await websocket.accept()
            await _served(websocket, sdk, who, thread_id)
    except ColonyError as exc:
        await websocket.close(_REFUSED + status_for(type(exc)).value, exc.code)
    except WebSocketDisconnect:
        return


async def _served(websocket: WebSocket, sdk: Sdk, who: Principal, thread_id: str) -> None:
    asked, number = await _subscribed(websocket)
    result = {"subscription_id": str(uuid4()), "replayed_events": 0}
    await websocket.send_json({"type": "success", "id": number, "result": result})
    sending = asyncio.create_task(_sent(websocket, sdk, who, thread_id, asked))
    hearing = asyncio.create_task(_heard(websocket))
    try:
        await asyncio.wait([sending, hearing], return_when=asyncio.FIRST_COMPLETED)
    finally:
        await ended(sending, hearing)
    if not hearing.cancelled() and hearing.exception() is not None:
        return
    await websocket.close()


async def _subscribed(websocket: WebSocket) -> tuple[bodies.EventsAsked, int | None]:
    """Wait for the subscription; other commands are told that they go over HTTP."""
    while True:
        command = await _command(websocket)
        if command.method == "subscription.subscribe":
            return parsed(bodies.EventsAsked, command.params or {}), command.id
        await websocket.send_json(refused(command.id, _OVER_HTTP))


_OVER_HTTP = BadInput("commands are taken over HTTP", code="not_supported")


async def _command(websocket: WebSocket) -> bodies.ThreadCommand:
    try:
        told = json.loads(await websocket.receive_text())
    except (ValueError, KeyError, RecursionError) as exc:
        raise BadInput("a frame is not a command") from exc
    if not isinstance(told, dict):
        raise BadInput("a frame is not a command")
    return parsed(bodies.ThreadCommand, told)


async def _sent(websocket: WebSocket, sdk: Sdk, who: Principal, thread_id: str, asked: Any) -> None:
    async with sdk.listening(who, thread_id) as frames:
        standing = Standing(cast("Request", websocket))
        async for event in events(frames, asked):
            if not await standing.holds():
                return
            if event is not None:
                await websocket.send_json(event)


async def _heard(websocket: WebSocket) -> None:
    while True:
        command = await _command(websocket)
        await websocket.send_json(refused(command.id, _OVER_HTTP))
