"""The graph, drawn with the nodes that ran, the edges that were taken, and what happened at each node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from colony_client.notebook.course import TIMES, Course, Span, counted, milliseconds
from colony_client.notebook.markup import Markup, Shown, brief, joined, shown, tag
from colony_client.types import Mission

_ROW, _LEFT, _WIDE, _HIGH, _NOTE = 34, 120, 126, 24, 262
_RAN, _FAILED, _WAITS, _IDLE = "#3b7dd8", "#d0453b", "#c98500", "#808080"
_SHOWN = 3
_ENDED_BADLY = frozenset({"blocked", "failed"})


def graph(drawn: Mapping[str, Any], mission: Mission, course: Course) -> Shown:
    """Draw what a mission went through: ``drawn`` are the graph's nodes and edges as the service tells them."""
    nodes = [n["id"] for n in drawn["nodes"] if not n["id"].startswith("__")]
    edges = [(e["source"], e["target"]) for e in drawn["edges"] if {e["source"], e["target"]} <= set(nodes)]
    taken = Counter(pairwise(course.entered))
    rows = {name: number for number, name in enumerate(nodes)}
    marks = {name: _mark(name, mission, course) for name in nodes}
    notes = {name: _note([s for s in course.stages if s.name == name]) for name in nodes}
    # A failure may lead where no edge of the graph does: by its error handler.
    lines = [_edge(rows, a, b, taken[a, b]) for a, b in sorted({*edges, *taken}, key=lambda e: taken[e])]
    boxes = [_node(rows[name], name, marks[name], notes[name], mission) for name in nodes]
    size = (800, _ROW * len(nodes) + 8)
    picture = tag("svg", *lines, *boxes, viewBox=f"0 0 {size[0]} {size[1]}", width=size[0], height=size[1])
    words = [f"{'>' if marks[name] != _IDLE else ' '} {name:<14} {notes[name]}".rstrip() for name in nodes]
    if mission["failure"] is not None:
        words.append(f"{mission['failure']['code']} at {mission['failure']['stage']}: {mission['failure']['reason']}")
    data = {
        "ran": list(course.entered),
        "taken": sorted(taken),
        "failed": mission["failure"] and mission["failure"]["stage"],
    }
    return shown(words, picture, data=data)


def _mark(name: str, mission: Mission, course: Course) -> str:
    """Return a node's colour."""
    failure = mission["failure"]
    if failure is not None and name in {failure["stage"], mission["status"]}:
        return _FAILED
    if name not in course.entered:
        return _IDLE
    if name in _ENDED_BADLY:
        return _FAILED
    return _WAITS if mission["status"] == "awaiting_approval" and name == course.entered[-1] else _RAN


def _note(visits: Sequence[Span]) -> str:
    """Say how long a node took, how often it ran, what the gate said and what happened most."""
    if not visits:
        return ""
    times = f" in {len(visits)} visits" if len(visits) > 1 else ""
    events = [event for visit in visits for event in visit.events]
    said = Counter(
        f"{event['event_type'].removeprefix('gate.')} {event['payload'].get('outcome', '')}"
        for event in events
        if event["event_type"].startswith("gate.")
    )
    gates = [f"{outcome}{_times(n)}" for outcome, n in said.items()]
    rest = {kind: n for kind, n in counted(events).items() if not kind.startswith("gate.")}
    most = sorted(rest.items(), key=lambda one: -one[1])[:_SHOWN]
    happened = [f"{kind}{_times(n)}" for kind, n in most]
    return " · ".join([milliseconds(sum(v.took for v in visits)) + times, *gates, *happened])


def _times(number: int) -> str:
    return f" {TIMES} {number}" if number > 1 else ""


def _edge(rows: Mapping[str, int], source: str, target: str, times: int) -> Markup | None:
    """Draw an edge: straight to the next node, else as an arc on the left whose reach grows with its length."""
    if source not in rows or target not in rows:
        return None
    a, b = (_ROW * rows[name] + _HIGH / 2 + 4 for name in (source, target))
    style: dict[str, Any] = {
        "fill": "none",
        "stroke": _IDLE if not times else _FAILED if target in _ENDED_BADLY else _RAN,
        "stroke_width": 2.2 if times else 1,
        "opacity": 1 if times else 0.28,
    }
    title = tag("title", f"{source} → {target}" + (f", taken {times} {TIMES}" if times else ", not taken"))
    if rows[target] - rows[source] == 1:
        middle = _LEFT + _WIDE / 2
        return tag("path", title, d=f"M{middle} {a + _HIGH / 2}V{b - _HIGH / 2}", **style)
    reach = _LEFT - min(16 + 10 * abs(rows[target] - rows[source]), _LEFT - 8) * 4 / 3
    head = tag("circle", cx=_LEFT, cy=b, r=2.6, fill=style["stroke"], opacity=style["opacity"])
    return joined(tag("path", title, d=f"M{_LEFT} {a}C{reach} {a} {reach} {b} {_LEFT} {b}", **style), head)


def _node(row: int, name: str, colour: str, note: str, mission: Mission) -> Markup:
    y = _ROW * row + 4
    ran = colour != _IDLE
    box = tag(
        "rect",
        x=_LEFT,
        y=y,
        width=_WIDE,
        height=_HIGH,
        rx=6,
        fill=colour,
        fill_opacity=0.22 if ran else 0.05,
        stroke=colour,
        stroke_width=1.6 if ran else 1,
    )
    label = tag("text", name, x=_LEFT + _WIDE / 2, y=y + 16, text_anchor="middle", opacity=1 if ran else 0.5)
    failure = mission["failure"]
    told = f"{failure['code']} — {note}" if failure is not None and failure["stage"] == name else note
    aside = tag("text", brief(told, 84), x=_NOTE, y=y + 16, opacity=0.85)
    return tag("g", tag("title", told or "not reached"), box, label, aside)
