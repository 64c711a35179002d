"""Assistants for the SDK's clients: the mission classes."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response

from contracts.errors import BadInput, Conflict, NotFound
from graph import schemas, snapshots
from graph.plain import plain
from server.body import parsed
from server.openapi import BODY_FAILS, fails, takes
from server.principal import Principal, Reader, Submitter
from server.routes.parts import Body, BoundedRoute
from server.routes.sdk_parts import SdkParts
from server.sdk import assistants, bodies, shapes
from server.sdk.extra_assistants import GraphAssistants
from server.sdk.service import Sdk

router = APIRouter(tags=["assistants"], route_class=BoundedRoute)
Deep = Annotated[bool, Query(description="Whether those below them are told, too.")]


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
async def search(who: Reader, sdk: SdkParts, body: Body) -> JSONResponse:
    """List assistants."""
    asked = parsed(bodies.AssistantSearch, body)
    found = await _found(who, sdk, asked)
    end = asked.offset + asked.limit
    page = found[asked.offset : end]
    if asked.select is not None:
        page = [{key: one[key] for key in asked.select if key in one} for one in page]
    headers = {"X-Pagination-Total": str(len(found))}
    if end < len(found):
        headers["X-Pagination-Next"] = str(end)
    return JSONResponse(page, headers=headers)


@router.post(
    "/assistants/count",
    response_model=shapes.Count,
    responses=fails(*BODY_FAILS),
    openapi_extra=takes(bodies.AssistantSearch),
)
async def count(who: Reader, sdk: SdkParts, body: Body) -> JSONResponse:
    """Count assistants."""
    return JSONResponse(len(await _found(who, sdk, parsed(bodies.AssistantSearch, body))))


async def _found(who: Principal, sdk: Sdk, asked: bodies.AssistantSearch) -> list[dict[str, Any]]:
    wanted = (asked.metadata or {}).items()
    extra = await sdk.extra.assistants.listed(who) if sdk.extra is not None else []
    found = [
        one
        for one in (*extra, *assistants.listed())
        if asked.graph_id in {None, one["graph_id"]}
        and (asked.name or "").lower() in one["name"].lower()
        and all(one["metadata"].get(key) == value for key, value in wanted)
    ]
    if (field := asked.sort_by) is not None:
        found.sort(key=lambda one: one[field], reverse=asked.sort_order != "asc")
    return found


def _made(sdk: Sdk) -> GraphAssistants:
    if sdk.extra is None:
        raise Conflict(
            "assistants are the mission classes, and no others can be made",
            code="assistants_fixed",
            hint="What differs from one mission to the next belongs into its inputs.",
        )
    return sdk.extra.assistants


@router.post(
    "/assistants",
    response_model=shapes.Assistant,
    responses=fails(NotFound, Conflict, *BODY_FAILS),
    openapi_extra=takes(bodies.AssistantCreate, required=True),
)
async def make(who: Submitter, sdk: SdkParts, body: Body) -> JSONResponse:
    """Keep an assistant of a developer's own graph."""
    asked, made = parsed(bodies.AssistantCreate, body), _made(sdk)
    if asked.if_exists == "do_nothing" and asked.assistant_id and (known := await made.find(who, asked.assistant_id)):
        return JSONResponse(known)
    return JSONResponse(await made.make(who, asked.graph_id, asked.assistant_id, asked.told))


@router.patch(
    "/assistants/{assistant_id:name}",
    response_model=shapes.Assistant,
    responses=fails(NotFound, Conflict, *BODY_FAILS),
    openapi_extra=takes(bodies.AssistantChange),
)
async def change(assistant_id: str, who: Submitter, sdk: SdkParts, body: Body) -> JSONResponse:
    """Change an assistant of a developer's own graph."""
    asked = parsed(bodies.AssistantChange, body)
    found = await _made(sdk).change(who, checked(assistant_id), asked.graph_id, asked.told)
    if found is None:
        raise assistants.assistant_not_found()
    return JSONResponse(found)


@router.post(
    "/assistants/{assistant_id:name}/versions",
    response_model=shapes.AssistantVersions,
    responses=fails(NotFound, *BODY_FAILS),
    openapi_extra=takes(bodies.VersionsAsked),
)
async def versions(assistant_id: str, who: Reader, sdk: SdkParts, body: Body) -> JSONResponse:
    """List an assistant's versions, newest first; what is shipped has one."""
    asked = parsed(bodies.VersionsAsked, body)
    shown = await _shown(who, sdk, assistant_id)
    kept: list[dict[str, Any]] = []
    if sdk.extra is not None:
        kept = await sdk.extra.assistants.versions(who, assistant_id, **asked.model_dump())
    return JSONResponse(kept if kept or shown["metadata"].get("created_by") != "system" else [shown])


@router.post(
    "/assistants/{assistant_id:name}/latest",
    response_model=shapes.Assistant,
    responses=fails(NotFound, Conflict, *BODY_FAILS),
    openapi_extra=takes(bodies.VersionNamed, required=True),
)
async def use(assistant_id: str, who: Submitter, sdk: SdkParts, body: Body) -> JSONResponse:
    """Go back to a version of an assistant of a developer's own graph."""
    asked = parsed(bodies.VersionNamed, body)
    found = await _made(sdk).use(who, checked(assistant_id), asked.version)
    if found is None:
        raise assistants.assistant_not_found()
    return JSONResponse(found)


@router.delete("/assistants/{assistant_id:name}", status_code=204, responses=fails(NotFound, Conflict))
async def forget(assistant_id: str, who: Submitter, sdk: SdkParts) -> Response:
    """Forget an assistant of a developer's own graph."""
    if not await _made(sdk).forget(who, checked(assistant_id)):
        raise assistants.assistant_not_found()
    return Response(status_code=204)


def checked(assistant_id: str) -> str:
    """Return an assistant's id if it can be one.

    Raises:
        NotFound: no assistant has such an id.
    """
    if not assistant_id.isprintable():
        raise assistants.assistant_not_found()
    return assistant_id


async def _graph(who: Principal, sdk: Sdk, assistant_id: str) -> str | None:
    checked(assistant_id)
    return await sdk.extra.assistants.graph_of(who, assistant_id) if sdk.extra is not None else None


@router.get("/assistants/{assistant_id:name}", response_model=shapes.Assistant, responses=fails(NotFound))
async def assistant(assistant_id: str, who: Reader, sdk: SdkParts) -> JSONResponse:
    """Return one assistant."""
    return JSONResponse(await _shown(who, sdk, assistant_id))


async def _shown(who: Principal, sdk: Sdk, assistant_id: str) -> dict[str, Any]:
    if sdk.extra is not None and (found := await sdk.extra.assistants.find(who, checked(assistant_id))) is not None:
        return found
    kind = assistants.class_of(assistant_id)
    if kind is None:
        raise assistants.assistant_not_found()
    return assistants.shown(kind)


def depth_of(xray: str) -> int | bool:
    """Return how deep subgraphs are drawn."""
    return int(xray) if xray.isdigit() else xray.lower() == "true"


@router.get("/assistants/{assistant_id:name}/graph", response_model=shapes.Graph, responses=fails(NotFound, BadInput))
async def graph(
    assistant_id: str,
    who: Reader,
    sdk: SdkParts,
    xray: Annotated[str, Query(pattern="^(true|false|True|False|[0-9]{1,2})$")] = "false",
) -> JSONResponse:
    """Return an assistant's graph: its nodes and edges."""
    name = await _graph(who, sdk, assistant_id)
    if name is not None and sdk.extra is not None:
        return JSONResponse(plain(await sdk.extra.drawn(who, name, xray=depth_of(xray))))
    assistants.class_of(assistant_id)
    return JSONResponse(schemas.drawn(snapshots.mission_graph(), xray=depth_of(xray)))


@router.get("/assistants/{assistant_id:name}/schemas", response_model=shapes.Schemas, responses=fails(NotFound))
async def schemas_of(assistant_id: str, who: Reader, sdk: SdkParts) -> JSONResponse:
    """Return what an assistant takes and what its state is, as JSON schemas."""
    name = await _graph(who, sdk, assistant_id)
    if name is not None and sdk.extra is not None:
        return JSONResponse(plain(await sdk.extra.schemas(who, name)))
    return JSONResponse(assistants.schemas_of(assistants.class_of(assistant_id)))


@router.get(
    "/assistants/{assistant_id:name}/subgraphs", response_model=shapes.AnyObject, responses=fails(NotFound, BadInput)
)
async def subgraphs(assistant_id: str, who: Reader, sdk: SdkParts, recurse: Deep = False) -> JSONResponse:  # noqa: FBT002
    """Return the schemas of an assistant's subgraphs: the governed graph has none."""
    return JSONResponse(await _below(who, sdk, assistant_id, None, deep=recurse))


@router.get(
    "/assistants/{assistant_id:name}/subgraphs/{namespace:path}",
    response_model=shapes.AnyObject,
    responses=fails(NotFound),
    include_in_schema=False,
)
async def subgraph(
    assistant_id: str,
    namespace: str,
    who: Reader,
    sdk: SdkParts,
    recurse: Deep = False,  # noqa: FBT002
) -> JSONResponse:
    """Return the schemas of an assistant's subgraph under a namespace."""
    return JSONResponse(await _below(who, sdk, assistant_id, namespace, deep=recurse))


async def _below(who: Principal, sdk: Sdk, assistant_id: str, within: str | None, *, deep: bool) -> Any:
    name = await _graph(who, sdk, assistant_id)
    if name is not None and sdk.extra is not None:
        return plain(await sdk.extra.subgraphs(who, name, within, deep=deep))
    assistants.class_of(assistant_id)
    return {}
