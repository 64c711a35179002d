"""Every route that streams, read by two parsers in any pieces: they agree, no id comes twice, and a tail is a tail."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from httpx_sse import EventSource

from server.sdk.frames import MODES
from tests.clients.conftest import CRM, INPUT
from tests.clients.test_extra_graphs import FRESH, GRAPHS
from tests.server.frames import Frame, Parser
from tests.support import Service

pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning")
_PIECES = 30_000
"""How many bytes are read bit by bit."""
CHANNELS = ["values", "updates", "messages", "lifecycle", "input", "checkpoints", "tasks", "custom", "tools"]
MODE = [("stream_mode", mode) for mode in MODES]
Ends = Callable[[Frame], bool]
Route = tuple[str, str, dict[str, Any], Ends]


async def read(service: Service, route: Route, after: str = "") -> tuple[bytes, list[Frame]]:
    """Return what a stream gives up to its end, which is where it is left if it goes on."""
    method, path, more, ends = route
    headers = {"accept": "text/event-stream", **({"last-event-id": after} if after else {})}
    raw, parser, frames = bytearray(), Parser(), []
    async with service.client.stream(method, path, headers=headers, **more) as answer:
        assert answer.status_code == 200, (await answer.aread(), path)
        assert answer.headers["content-type"].startswith("text/event-stream")
        async for chunk in answer.aiter_raw():
            raw += chunk
            frames += parser.feed(chunk)
            if frames and ends(frames[-1]):
                break
    return bytes(raw), frames


async def whole(service: Service, route: Route) -> list[Frame]:
    """Read a stream, with both parsers and in three sizes of pieces; return its frames."""
    raw, frames = await read(service, route)
    begin = raw[: raw.rfind(b"\n\n", 0, _PIECES) + 2] or raw
    for size, told in ((1, begin), (7, begin), (len(raw), raw)):
        pieces = [told[at : at + size] for at in range(0, len(told), size)]
        parser = Parser()
        ours = [one for piece in pieces for one in parser.feed(piece)]
        answer = httpx.Response(200, headers={"content-type": "text/event-stream"}, content=_given(pieces))
        assert ours == [Frame(one.event, one.data, one.id) async for one in EventSource(answer).aiter_sse()]
        assert ours == frames[: len(ours)]
    assert ours == frames
    assert len({frame.id for frame in frames}) == len(frames) > 5
    return frames


async def _given(pieces: list[bytes]) -> Any:
    for piece in pieces:
        yield piece


async def checked(service: Service, route: Route) -> None:
    """Read a stream whole, and from behind some of its frames."""
    frames = await whole(service, route)
    for place in {0, len(frames) // 2, len(frames) - 2}:
        assert (await read(service, route, frames[place].id))[1] == frames[place + 1 :], route[1]


def ended_by(kind: str) -> Ends:
    """Return what tells the end of a stream: an event of this kind."""
    return lambda frame: frame.event == kind


def named(name: str) -> Ends:
    """Return what tells the end of a stream: the event of this id."""
    return lambda frame: frame.id == name


def lifecycle(times: int) -> Ends:
    """Return what tells the end of a thread's events: so many runs have come to rest."""
    seen: set[str] = set()

    def ends(frame: Frame) -> bool:
        if frame.event == "lifecycle" and not json.loads(frame.data)["params"]["namespace"]:
            seen.add(frame.id)
        return len(seen) == times

    return ends


@pytest.mark.parametrize("graph", ["colony", "talker"])
async def test_streams_are_the_same_however_they_are_read(serve, graph: str) -> None:
    service: Service = await serve(COLONY_EXTRA_GRAPHS=str(GRAPHS))
    await service.seed_lead()
    name, asked = (CRM, INPUT) if graph == "colony" else ("talker", FRESH)
    tid = (await service.client.post("/threads", json={})).json()["thread_id"]
    answer = {"decision": "approve"} if graph == "colony" else "yes"
    begin: dict[str, Any] = {"assistant_id": name, "input": asked, "stream_mode": list(MODES)}
    go_on: dict[str, Any] = {"assistant_id": name, "command": {"resume": answer}, "stream_mode": list(MODES)}
    for body in (begin, go_on):
        _, live = await read(service, ("POST", f"/threads/{tid}/runs/stream", {"json": body}, ended_by("end")))
        rid = json.loads(live[0].data)["run_id"]
        kept = [frame for frame in live if "." not in frame.id]
        joined = ("GET", f"/threads/{tid}/runs/{rid}/stream", {"params": MODE}, ended_by("end"))
        assert await whole(service, joined) == kept
        await checked(service, joined)
    assert live[-1].event == "end"
    await checked(service, ("GET", f"/threads/{tid}/stream", {}, named(live[-1].id)))
    for path in (f"/threads/{tid}/stream/events", f"/threads/{tid}/stream"):
        asked: dict[str, Any] = {"channels": CHANNELS}
        frames = await whole(service, ("POST", path, {"json": asked}, lifecycle(4)))
        upto = named(frames[-1].id)
        for place in (0, len(frames) // 2):
            tail, since = frames[place + 1 :], json.loads(frames[place].data)["seq"]
            assert (await read(service, ("POST", path, {"json": asked}, upto), frames[place].id))[1] == tail
            assert (await read(service, ("POST", path, {"json": {**asked, "since": since}}, upto)))[1] == tail
    if graph == "colony":
        await checked(service, ("GET", f"/api/colony/missions/{tid}/events", {}, ended_by("mission.completed")))
