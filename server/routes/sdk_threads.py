"""Threads for the SDK's clients: missions, and threads without one yet."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import StringConstraints

from contracts.errors import BadInput, Conflict, NotFound
from server.body import parsed
from server.openapi import BODY_FAILS, STREAM, fails, takes
from server.principal import Operator, Reader, Submitter
from server.routes.parts import Body, BoundedRoute
from server.routes.sdk_parts import EVENTS, NO_STORE, LastEventId, SdkParts, ThreadRef, modes_of, streamed
from server.sdk import bodies, shapes
from server.sdk.body_parts import CheckpointRef
from server.sdk.frames import MODES, place_of, thread_stream, wanted

router = APIRouter(tags=["threads"], route_class=BoundedRoute)
_GONE = fails(NotFound)
_READ = fails(NotFound, BadInput)
_STATE = {**fails(NotFound, *BODY_FAILS)}
Below = Annotated[bool, Query(description="Whether the states of the graphs below are told, too.")]


@router.post(
    "/threads",
    response_model=shapes.Thread,
    responses=fails(Conflict, *BODY_FAILS),
    openapi_extra=takes(bodies.ThreadCreate),
)
async def create(who: Submitter, sdk: SdkParts, body: Body) -> JSONResponse:
    """Begin a thread. It becomes a mission with its first run."""
    row = await sdk.threads.create(who, parsed(bodies.ThreadCreate, body))
    return JSONResponse(await sdk.threads.shown(who, row))


@router.post(
    "/threads/search",
    response_model=shapes.ThreadList,
    responses=fails(*BODY_FAILS),
    openapi_extra=takes(bodies.ThreadSearch),
)
async def search(who: Reader, sdk: SdkParts, body: Body) -> JSONResponse:
    """List threads, newest first; how many there are in all is in `X-Pagination-Total`."""
    asked = parsed(bodies.ThreadSearch, body)
    found, total = await sdk.threads.search(who, asked)
    headers = {"X-Pagination-Total": str(total)}
    if asked.offset + len(found) < total:
        headers["X-Pagination-Next"] = str(asked.offset + len(found))
    return JSONResponse(found, headers=headers)


@router.post(
    "/threads/count",
    response_model=shapes.Count,
    responses=fails(*BODY_FAILS),
    openapi_extra=takes(bodies.ThreadCount),
)
async def count(who: Reader, sdk: SdkParts, body: Body) -> JSONResponse:
    """Count threads."""
    return JSONResponse(await sdk.threads.count(who, parsed(bodies.ThreadCount, body)))


@router.post(
    "/threads/prune",
    response_model=shapes.Pruned,
    responses=fails(*BODY_FAILS),
    openapi_extra=takes(bodies.ThreadPrune, required=True),
)
async def prune(who: Submitter, sdk: SdkParts, body: Body) -> JSONResponse:
    """Forget threads; missions, and what is not there, are passed over."""
    pruned = 0
    for thread_id in parsed(bodies.ThreadPrune, body).thread_ids:
        with suppress(NotFound, Conflict):
            await sdk.store.delete(who.tenant_id, thread_id)
            pruned += 1
    return JSONResponse({"pruned_count": pruned})


@router.get("/threads/{thread_id:name}", response_model=shapes.Thread, responses=_GONE)
async def thread(thread_id: ThreadRef, who: Reader, sdk: SdkParts) -> JSONResponse:
    """Return a thread with its state."""
    return JSONResponse(await sdk.threads.shown(who, await sdk.threads.row(who, thread_id)))


@router.patch(
    "/threads/{thread_id:name}",
    response_model=shapes.Thread,
    responses=_STATE,
    openapi_extra=takes(bodies.ThreadPatch),
)
async def patch(thread_id: ThreadRef, who: Submitter, sdk: SdkParts, body: Body) -> JSONResponse:
    """Merge metadata into a thread's."""
    asked = parsed(bodies.ThreadPatch, body)
    await sdk.store.patch(who.tenant_id, who.actor_id, thread_id, asked.metadata or {}, asked.ttl_min)
    return JSONResponse(await sdk.threads.shown(who, await sdk.threads.row(who, thread_id)))


@router.delete("/threads/{thread_id:name}", status_code=204, responses=fails(NotFound, Conflict))
async def delete(thread_id: ThreadRef, who: Submitter, sdk: SdkParts) -> Response:
    """Forget a thread that is no mission; a mission's record is kept."""
    await sdk.store.delete(who.tenant_id, thread_id)
    return Response(status_code=204)


@router.post("/threads/{thread_id:name}/copy", response_model=shapes.Thread, responses=fails(NotFound, Conflict))
async def copy(thread_id: ThreadRef, who: Submitter, sdk: SdkParts) -> JSONResponse:
    """Begin a second thread with the same notes; a mission is forked instead."""
    row = await sdk.threads.copy(who, await sdk.threads.row(who, thread_id))
    return JSONResponse(await sdk.threads.shown(who, row))


@router.get("/threads/{thread_id:name}/state", response_model=shapes.ThreadState, responses=_READ)
async def state(thread_id: ThreadRef, who: Reader, sdk: SdkParts, subgraphs: Below = False) -> JSONResponse:  # noqa: FBT002
    """Return a thread's present state."""
    row = await sdk.threads.row(who, thread_id)
    return JSONResponse(await sdk.threads.state(who, row, subgraphs=subgraphs))


@router.get("/threads/{thread_id:name}/state/{checkpoint_id:name}", response_model=shapes.ThreadState, responses=_READ)
async def state_at(
    thread_id: ThreadRef,
    checkpoint_id: str,
    who: Reader,
    sdk: SdkParts,
    subgraphs: Below = False,  # noqa: FBT002
) -> JSONResponse:
    """Return a thread's state at a checkpoint."""
    row = await sdk.threads.row(who, thread_id)
    return JSONResponse(await sdk.threads.state(who, row, _named(checkpoint_id), subgraphs=subgraphs))


@router.post(
    "/threads/{thread_id:name}/state/checkpoint",
    response_model=shapes.ThreadState,
    responses={**_STATE, **fails(Conflict)},
    openapi_extra=takes(bodies.StateAt, required=True),
)
async def state_of(thread_id: ThreadRef, who: Reader, sdk: SdkParts, body: Body) -> JSONResponse:
    """Return a thread's state at a checkpoint that the body names."""
    asked = parsed(bodies.StateAt, body)
    row = await sdk.threads.row(who, thread_id)
    try:
        return JSONResponse(await sdk.threads.state(who, row, asked.checkpoint, subgraphs=asked.subgraphs))
    except NotFound as exc:
        # What the address names is there; what the body names does not fit it.
        raise Conflict(exc.message, code=exc.code) from exc


def _named(checkpoint_id: str) -> CheckpointRef:
    if len(checkpoint_id) > 100 or not checkpoint_id.isprintable():
        raise NotFound("the thread has no such checkpoint", code="checkpoint_not_found")
    return CheckpointRef.model_construct(checkpoint_id=checkpoint_id)


@router.post(
    "/threads/{thread_id:name}/state",
    response_model=shapes.Updated,
    responses=fails(NotFound, Conflict, *BODY_FAILS),
    openapi_extra=takes(bodies.StateUpdate),
)
async def update(thread_id: ThreadRef, who: Operator, sdk: SdkParts, body: Body) -> JSONResponse:
    """Write into a thread's state: refused for missions, whose gates it would bypass."""
    row = await sdk.threads.row(who, thread_id)
    return JSONResponse(await sdk.update_state(who, row, parsed(bodies.StateUpdate, body)))


@router.post(
    "/threads/{thread_id:name}/history",
    response_model=shapes.ThreadStates,
    responses=_STATE,
    openapi_extra=takes(bodies.HistoryAsked),
)
async def history(thread_id: ThreadRef, who: Reader, sdk: SdkParts, body: Body) -> JSONResponse:
    """Return a thread's checkpoints, newest first."""
    row = await sdk.threads.row(who, thread_id)
    return JSONResponse(await sdk.threads.history(who, row, parsed(bodies.HistoryAsked, body)))


@router.get(
    "/threads/{thread_id:name}/history", response_model=shapes.ThreadStates, responses=fails(NotFound, BadInput)
)
async def history_of(
    thread_id: ThreadRef,
    who: Reader,
    sdk: SdkParts,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 10,
    before: Annotated[str | None, Query(pattern=r"^[\x21-\x7e]{1,100}$")] = None,
) -> JSONResponse:
    """Return a thread's checkpoints, newest first."""
    row = await sdk.threads.row(who, thread_id)
    asked = bodies.HistoryAsked(limit=limit, before=before)
    return JSONResponse(await sdk.threads.history(who, row, asked))


_KINDS: dict[str, tuple[str, ...]] = {
    "run_modes": (*sorted(wanted([m for m in MODES if m not in {"debug", "events"}])), "metadata", "error", "end"),
    "lifecycle": ("lifecycle",),
    "state_update": ("values",),
}
_KIND = "(run_modes|lifecycle|state_update)"
ThreadMode = Annotated[str, StringConstraints(pattern=rf'^({_KIND}|\["{_KIND}"(,"{_KIND}")*\])$')]


@router.get(
    "/threads/{thread_id:name}/stream",
    response_class=Response,
    responses={
        200: {
            "description": "What the thread says over all its runs.",
            "content": EVENTS,
        },
        **fails(NotFound, BadInput),
    },
)
async def stream(
    request: Request,
    thread_id: ThreadRef,
    who: Reader,
    sdk: SdkParts,
    stream_mode: Annotated[list[ThreadMode] | None, Query(max_length=3)] = None,
    last_event_id: LastEventId = None,
) -> Response:
    """Stream what a thread says, over all its runs."""
    row = await sdk.threads.row(who, thread_id)
    if row["mission_id"] is None and row["graph_id"] is None:  # nothing is said in it, and nobody can have missed any
        return Response(b": colony\n\n", media_type=STREAM, headers=NO_STORE)
    methods = {method for mode in modes_of(stream_mode, ("run_modes",)) for method in _KINDS[mode]}
    return streamed(
        request, who, sdk, thread_id, lambda frames: thread_stream(frames, methods, place_of(last_event_id))
    )
