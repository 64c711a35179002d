"""Whatever a customer, a page or a model wrote is text in a notebook: it becomes no element, and moves no terminal."""

import asyncio
import json
import unicodedata
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
from colony_client import ColonyClient
from colony_client.notebook import Colony, Mission, Shown, markup

from tests.support import Service

SCRIPT = '"\'><script>alert(1)</script><img src=x onerror=alert(2)></svg><style>*{display:none}</style>&lt;'
TERMINAL = "\x1b[2J\u202egnp.exe\u2066\x9b31m"
HOSTILE = SCRIPT + TERMINAL
DRAWN = {"svg", "g", "rect", "path", "circle", "text", "title"}
ELEMENTS = DRAWN | set(
    "div style p span b br q small code pre h4 ul li table thead tbody tr th td ins del".split()  # noqa: SIM905
)
ATTRIBUTES = set(
    "class viewbox width height x y cx cy r rx d fill stroke stroke-width fill-opacity opacity text-anchor".split()  # noqa: SIM905
)
KEPT = {"timestamp", "event_type", "hash"}
"""Values that the service makes itself, and that are read rather than shown."""


class Read(HTMLParser):
    """What a browser would make of it."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.styles: list[str] = []
        self.text = ""
        self._in_style = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self._in_style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.styles.append(data)
        else:
            self.text += data


class Poisoned(httpx.HTTPTransport):
    """A service every text of which is hostile."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = super().handle_request(request)
        response.read()
        return httpx.Response(response.status_code, json=poisoned(json.loads(response.content)))


def poisoned(value: Any, key: str = "") -> Any:
    match value:
        case dict():
            return {name: poisoned(one, str(name)) for name, one in value.items()}
        case list():
            return [poisoned(one, key) for one in value]
        case str() if key not in KEPT and not key.endswith("_id"):
            return value + HOSTILE
        case _:
            return value


def views(mission: Mission, other: Mission) -> Iterator[tuple[str, Callable[[], Shown]]]:
    colony = Colony(mission.client)
    yield "show", mission.show
    yield "graph", mission.graph
    yield "timeline", mission.timeline
    yield "evidence", mission.evidence
    yield "checkpoints", mission.checkpoints
    yield "tree", mission.tree
    yield "diff", lambda: mission.diff(other)
    yield "report", other.report
    yield "missions", colony.missions
    yield "what_if", lambda: colony.what_if({"release.no-note.cedar": NO_NOTE})


NO_NOTE = """
@id("release.our-no-note")
@reason("no notes")
forbid (principal, action == Action::"release", resource) when { resource.operation == "note" };
"""


def check(name: str, shown: Shown) -> None:
    """Check that a picture is made of its own elements alone, and that nothing in it is acted on."""
    read = Read(shown._repr_html_())
    assert read.elements <= ELEMENTS, (name, read.elements - ELEMENTS)
    assert read.attributes <= ATTRIBUTES, (name, read.attributes - ATTRIBUTES)
    assert len(set(read.styles)) == 1, name
    for text in (repr(shown), read.text):
        acted = {c for c in text if unicodedata.category(c) == "Cc" and c not in "\n\t"} | ({*text} & {*"\u202e\u2066"})
        assert not acted, (name, acted)


async def two_missions(service: Service) -> tuple[str, str, str]:
    """Run a mission about a lead who writes markup, and a replay of it that differs."""
    await service.seed_lead(
        "L-1",
        [
            ("lead", "Hi, I am looking for a 3 bedroom flat in Northgate <script>alert(1)</script>, my budget is 350k."),
            ("agent", "Shall we book a viewing on Friday at 10:00?"),
            ("lead", "Yes, Friday at 10:00 is perfect. <img src=x onerror=alert(2)>"),
        ],
        name="Ada <b onmouseover=alert(3)>Marsh</b>",
    )
    goal = "What <script>alert(4)</script> do we know?"
    mission_id = await service.submit(user_goal=goal)
    await service.settled(mission_id)
    await service.post(mission_id, "approve")
    await service.settled(mission_id)
    words = {"extract_facts": {"instructions": "<script>alert(5)</script> Say {output}."}}
    made = await service.post(mission_id, "replay", overrides={"templates": words})
    replay_id = str(made.json()["mission_id"])
    await service.settled(replay_id)
    return str(service.client.base_url), mission_id, replay_id


def look(url: str, mission_id: str, replay_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with ColonyClient(url) as client:
        mission, replay = Mission(client, mission_id), Mission(client, replay_id)
        honest = {name: view() for name, view in views(mission, replay)}
        for name, shown in honest.items():
            check(name, shown)
        for name in ("show", "evidence", "missions"):
            assert "<script>alert(" in Read(honest[name].html).text, f"{name} leaves out what the lead wrote"
        assert honest["timeline"].data["rounds"][0]["critical"]
        assert honest["graph"].data["ran"][-1] == "finalize"
        assert honest["evidence"].data["found"] == honest["evidence"].data["quotes"] > 3
    with ColonyClient(url, transport=Poisoned()) as client:
        mission, replay = Mission(client, mission_id), Mission(client, replay_id)
        for name, view in views(mission, replay):
            check(name, shown := view())
            assert "<script>alert(1)" in Read(shown.html).text, f"{name} shows nothing of what the service said"
        assert mission.evidence().data["found"] == 0, "a quote that is not in the text is marked as not there"
        monkeypatch.setattr(markup, "escaped", lambda value: markup.Markup(value))  # the saboteur: nothing is escaped
        for name, view in views(mission, replay):
            with pytest.raises(AssertionError):
                check(name, view())


async def test_hostile_text_is_text_in_every_picture(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    url, mission_id, replay_id = await two_missions(service)
    await asyncio.to_thread(look, url, mission_id, replay_id, monkeypatch)
