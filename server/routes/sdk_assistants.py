"""Assistants for the SDK's clients: the mission classes."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from contracts.classes import CLASSES
from contracts.errors import BadInput, NotFound
from graph import schemas, snapshots
from server.body import parsed
from server.openapi import BODY_FAILS, fails, takes
from server.principal import Reader
from server.routes.parts import Body, BoundedRoute
from server.sdk import assistants, bodies, shapes

router = APIRouter(tags=["assistants"], route_class=BoundedRoute)


@router.get("/ok", response_model=shapes.Health)
async def ok() -> JSONResponse:
    """Say that the process is up."""
    return JSONResponse({"ok": True})


@router.get("/info", response_model=shapes.Info)
async def info() -> JSONResponse:
    """Say what this server is."""
    flags = {"assistants": True, "crons": False, "langsmith": False, "store": True, "governed": True}
    return JSONResponse({"version": "0.1.0", "host": {"kind": "colony"}, "flags": flags})


@router.post(
    "/assistants/search",
    response_model=shapes.AssistantList,
    responses=fails(*BODY_FAILS),
    openapi_extra=takes(bodies.AssistantSearch),
)
async def search(who: Reader, body: Body) -> JSONResponse:  # noqa: ARG001
    """List assistants."""
    found = _found(parsed(bodies.AssistantSearch, body))
    asked = parsed(bodies.AssistantSearch, body)
    page = found[asked.offset : asked.offset + asked.limit]
    return JSONResponse(page, headers={"X-Pagination-Total": str(len(found))})


@router.post(
    "/assistants/count",
    response_model=shapes.Count,
    responses=fails(*BODY_FAILS),
    openapi_extra=takes(bodies.AssistantSearch),
)
async def count(who: Reader, body: Body) -> JSONResponse:  # noqa: ARG001
    """Count assistants."""
    return JSONResponse(len(_found(parsed(bodies.AssistantSearch, body))))


def _found(asked: bodies.AssistantSearch) -> list[dict[str, Any]]:
    wanted = (asked.metadata or {}).items()
    return [
        one
        for one in assistants.listed()
        if asked.graph_id in {None, one["graph_id"]}
        and (asked.name or "").lower() in one["name"]
        and all(one["metadata"].get(key) == value for key, value in wanted)
    ]


@router.get("/assistants/{assistant_id:name}", response_model=shapes.Assistant, responses=fails(NotFound))
async def assistant(assistant_id: str, who: Reader) -> JSONResponse:  # noqa: ARG001
    """Return one assistant."""
    kind = assistants.class_of(assistant_id)
    if kind is None:
        raise assistants.assistant_not_found()
    return JSONResponse(assistants.shown(kind))


def depth_of(xray: str) -> int | bool:
    """Return how deep subgraphs are drawn."""
    return int(xray) if xray.isdigit() else xray.lower() == "true"


@router.get("/assistants/{assistant_id:name}/graph", response_model=shapes.Graph, responses=fails(NotFound, BadInput))
async def graph(
    assistant_id: str,
    who: Reader,  # noqa: ARG001
    xray: Annotated[str, Query(pattern="^(true|false|True|False|[0-9]{1,2})$")] = "false",
) -> JSONResponse:
    """Return an assistant's graph: its nodes and edges."""
    assistants.class_of(assistant_id)
    return JSONResponse(schemas.drawn(snapshots.mission_graph(), xray=depth_of(xray)))


@router.get("/assistants/{assistant_id:name}/schemas", response_model=shapes.Schemas, responses=fails(NotFound))
async def schemas_of(assistant_id: str, who: Reader) -> JSONResponse:  # noqa: ARG001
    """Return what an assistant takes and what its state is, as JSON schemas."""
    kind = assistants.class_of(assistant_id)
    return JSONResponse(assistants.schemas_of(kind if kind is not None else next(iter(CLASSES))))


@router.get("/assistants/{assistant_id:name}/subgraphs", response_model=shapes.AnyObject, responses=fails(NotFound))
async def subgraphs(assistant_id: str, who: Reader) -> JSONResponse:  # noqa: ARG001
    """Return an assistant's subgraphs: the governed graph has none."""
    assistants.class_of(assistant_id)
    return JSONResponse({})
