"""Runs for the SDK's clients: submissions, answers and retries of missions, streamed, waited for and joined."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from contracts.errors import BadInput, Conflict, NotBuilt, NotFound
from server.body import parsed
from server.limits import LimitedStream
from server.openapi import BODY_FAILS, fails, takes, takes_schema
from server.principal import Caller, Operator, Principal, Reader
from server.routes.parts import Body, BoundedRoute, IdempotencyKey
from server.routes.sdk_parts import (
    ANSWERED,
    NO_STORE,
    STREAMED,
    LastEventId,
    Modes,
    RunRef,
    SdkParts,
    ThreadRef,
    modes_of,
    run_headers,
    streamed,
    watched,
)
from server.sdk import run_bodies, shapes
from server.sdk.described import ALONE
from server.sdk.frames import place_of, run_stream
from server.sdk.runs import Started
from server.sdk.service import Sdk
from server.tracing import trace_id_of

router = APIRouter(tags=["runs"], route_class=BoundedRoute)
_BEGIN = fails(NotFound, Conflict, NotBuilt, *BODY_FAILS)
_TAKES = takes(run_bodies.RunCreate, required=True)
_ALONE = takes_schema(ALONE)
_GONE = fails(NotFound)
Cancels = Annotated[bool, Query(description="Whether the run is stopped when the client leaves before its end.")]
CancelAction = Literal["interrupt", "rollback"]


async def _begun(
    request: Request, who: Principal, sdk: Sdk, thread_id: str, asked: run_bodies.RunCreate, tells: run_bodies.Tells
) -> Started:
    row = await sdk.thread_for(who, thread_id, asked)
    return await sdk.start(who, row, asked, trace_id_of(request), tells=tells)


def told_of(asked: run_bodies.RunCreate) -> run_bodies.Tells:
    """Return what a run tells of that nobody streams yet: of everything, unless something is named."""
    return asked.tells if asked.stream_mode else run_bodies.EVERYTHING


def _stream(
    request: Request, who: Principal, sdk: Sdk, run: Started, asked: run_bodies.RunCreate, *, alone: bool
) -> Response:
    below = bool(asked.stream_subgraphs)
    again = {"stream_mode": list(dict.fromkeys(asked.modes)), **({} if below else {"stream_subgraphs": "false"})}
    return streamed(
        request,
        who,
        sdk,
        run.thread_id,
        lambda frames: run_stream(frames, run.run_id, asked.modes, (-1, 0), subgraphs=below),
        run_headers(run.thread_id, run.run_id, "stream", stateless=alone, asked=again),
        _left(sdk, who, run, cancels=asked.on_disconnect == "cancel"),
    )


def _left(sdk: Sdk, who: Principal, run: Started, *, cancels: bool) -> Callable[[], None] | None:
    return partial(sdk.abandon, who, run) if cancels else None


def _answer(
    request: Request, who: Principal, sdk: Sdk, run: Started, *, alone: bool = False, cancels: bool = False
) -> Response:
    headers = {**NO_STORE, **run_headers(run.thread_id, run.run_id, "join", stateless=alone)}
    sent = watched(sdk.answered(who, run), _left(sdk, who, run, cancels=cancels))
    return LimitedStream(sent, request, who, media_type="application/json", headers=headers)


@router.post("/threads/{thread_id:name}/runs", response_model=shapes.Run, responses=_BEGIN, openapi_extra=_TAKES)
async def create(request: Request, thread_id: ThreadRef, who: Caller, sdk: SdkParts, body: Body) -> JSONResponse:
    """Begin a run in a thread."""
    asked = parsed(run_bodies.RunCreate, body)
    run = await _begun(request, who, sdk, thread_id, asked, told_of(asked))
    headers = {"Content-Location": f"/threads/{run.thread_id}/runs/{run.run_id}"}
    return JSONResponse(await sdk.run(who, run.thread_id, run.run_id), headers=headers)


@router.post(
    "/threads/{thread_id:name}/runs/stream",
    response_class=Response,
    responses={**STREAMED, **_BEGIN},
    openapi_extra=_TAKES,
)
async def stream(request: Request, thread_id: ThreadRef, who: Caller, sdk: SdkParts, body: Body) -> Response:
    """Begin a run in a thread and stream it."""
    asked = parsed(run_bodies.RunCreate, body)
    run = await _begun(request, who, sdk, thread_id, asked, asked.tells)
    return _stream(request, who, sdk, run, asked, alone=False)


@router.post(
    "/threads/{thread_id:name}/runs/wait",
    response_class=Response,
    responses={**ANSWERED, **_BEGIN},
    openapi_extra=_TAKES,
)
async def wait(request: Request, thread_id: ThreadRef, who: Caller, sdk: SdkParts, body: Body) -> Response:
    """Begin a run in a thread and wait for what it comes to."""
    asked = parsed(run_bodies.RunCreate, body)
    run = await _begun(request, who, sdk, thread_id, asked, run_bodies.RESULT)
    return _answer(request, who, sdk, run, cancels=asked.on_disconnect == "cancel")


@router.post("/runs", response_model=shapes.Run, responses=_BEGIN, openapi_extra=_ALONE)
async def create_alone(
    request: Request, who: Caller, sdk: SdkParts, body: Body, idempotency_key: IdempotencyKey = None
) -> JSONResponse:
    """Begin a run in a thread of its own."""
    asked = parsed(run_bodies.RunCreate, body)
    run = await sdk.start(who, None, asked, trace_id_of(request), idempotency_key, tells=told_of(asked))
    return JSONResponse(
        await sdk.run(who, run.thread_id, run.run_id), headers={"Content-Location": f"/runs/{run.run_id}"}
    )


@router.post("/runs/stream", response_class=Response, responses={**STREAMED, **_BEGIN}, openapi_extra=_ALONE)
async def stream_alone(
    request: Request, who: Caller, sdk: SdkParts, body: Body, idempotency_key: IdempotencyKey = None
) -> Response:
    """Begin a run in a thread of its own and stream it."""
    asked = parsed(run_bodies.RunCreate, body)
    run = await sdk.start(who, None, asked, trace_id_of(request), idempotency_key, tells=asked.tells)
    return _stream(request, who, sdk, run, asked, alone=True)


@router.post("/runs/wait", response_class=Response, responses={**ANSWERED, **_BEGIN}, openapi_extra=_ALONE)
async def wait_alone(
    request: Request, who: Caller, sdk: SdkParts, body: Body, idempotency_key: IdempotencyKey = None
) -> Response:
    """Begin a run in a thread of its own and wait for what it comes to."""
    asked = parsed(run_bodies.RunCreate, body)
    run = await sdk.start(who, None, asked, trace_id_of(request), idempotency_key, tells=run_bodies.RESULT)
    return _answer(request, who, sdk, run, alone=True, cancels=asked.on_disconnect == "cancel")


@router.get("/threads/{thread_id:name}/runs", response_model=shapes.RunList, responses=fails(NotFound, BadInput))
async def runs(
    thread_id: ThreadRef,
    who: Reader,
    sdk: SdkParts,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 10,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    status: shapes.RunStatus | None = None,
) -> JSONResponse:
    """List a thread's runs, newest first."""
    found = [one for one in await sdk.runs_of(who, thread_id) if status in {None, one["status"]}]
    return JSONResponse(found[offset : offset + limit])


@router.get("/threads/{thread_id:name}/runs/{run_id:name}", response_model=shapes.Run, responses=_GONE)
async def run(thread_id: ThreadRef, run_id: RunRef, who: Reader, sdk: SdkParts) -> JSONResponse:
    """Return a run."""
    return JSONResponse(await sdk.run(who, thread_id, run_id))


@router.get(
    "/threads/{thread_id:name}/runs/{run_id:name}/join", response_class=Response, responses={**ANSWERED, **_GONE}
)
async def join(request: Request, thread_id: ThreadRef, run_id: RunRef, who: Reader, sdk: SdkParts) -> Response:
    """Wait for what a run comes to."""
    await sdk.run(who, thread_id, run_id)
    return _answer(request, who, sdk, Started(thread_id, run_id))


@router.get(
    "/threads/{thread_id:name}/runs/{run_id:name}/stream",
    response_class=Response,
    responses={**STREAMED, **fails(NotFound, BadInput)},
)
async def join_stream(
    request: Request,
    thread_id: ThreadRef,
    run_id: RunRef,
    who: Reader,
    sdk: SdkParts,
    stream_mode: Modes = None,
    stream_subgraphs: Annotated[bool, Query(description="What subgraphs say, too.")] = True,  # noqa: FBT002
    cancel_on_disconnect: Cancels = False,  # noqa: FBT002
    last_event_id: LastEventId = None,
) -> Response:
    """Stream a run from its start, or from after the last event that was received."""
    await sdk.run(who, thread_id, run_id)
    modes = modes_of(stream_mode, ("values", "updates", "messages", "messages-tuple", "custom"))
    again: dict[str, Any] = {"stream_mode": modes} if stream_mode else {}
    if not stream_subgraphs:
        again["stream_subgraphs"] = "false"
    return streamed(
        request,
        who,
        sdk,
        thread_id,
        lambda frames: run_stream(frames, run_id, modes, place_of(last_event_id), subgraphs=stream_subgraphs),
        run_headers(thread_id, run_id, "stream", asked=again),
        _left(sdk, who, Started(thread_id, run_id), cancels=cancel_on_disconnect),
    )


@router.post(
    "/threads/{thread_id:name}/runs/{run_id:name}/cancel",
    status_code=202,
    response_class=Response,
    responses=fails(NotFound, Conflict, BadInput),
)
async def cancel(
    thread_id: ThreadRef,
    run_id: RunRef,
    who: Operator,
    sdk: SdkParts,
    action: CancelAction = "interrupt",
    wait: Annotated[bool, Query(description="A run is stopped when this is answered, either way.")] = False,  # noqa: ARG001, FBT002
) -> Response:
    """Stop a run."""
    await sdk.cancel(who, thread_id, run_id, action)
    return Response(status_code=202)
