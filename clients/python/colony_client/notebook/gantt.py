"""A mission's time: stages and tasks as bars, the critical path among them, and the pauses cut out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from colony_client.notebook.course import TIMES, Course, Round, Span, milliseconds
from colony_client.notebook.markup import Markup, Shown, brief, joined, shown, tag

_ROW, _LEFT, _WIDE, _TOP, _PAUSE = 22, 250, 500, 22, 26
_STAGE, _TASK, _CRITICAL, _FAILED, _CUT = "#808080", "#3b7dd8", "#d9822b", "#d0453b", "#c98500"
_INDENT = "  "
_ENDED_BADLY = frozenset({"blocked", "failed"})


@dataclass(frozen=True)
class Bar:
    """One row of the picture; ``worked`` is how long it took without the pauses, in ms."""

    span: Span
    label: str
    colour: str
    worked: float


def timeline(course: Course) -> Shown:
    """Draw when stages and tasks ran; tasks on the critical path are orange: the others had to wait for them."""
    if not course.stages:
        return shown(["Nothing has run yet."], tag("p", "Nothing has run yet."), data={"rounds": []})
    pauses = [pause for pause in course.pauses if pause.took > 0]
    bars = list(_bars(course, pauses))
    begin, end = min(b.span.start for b in bars), max(b.span.end for b in bars)
    place = _scale(begin, end, pauses)
    high = _TOP + _ROW * len(bars) + 6
    drawn = [_row(number, bar, place) for number, bar in enumerate(bars)]
    cuts = [_cut(pause, place, high) for pause in pauses]
    size = (_LEFT + _WIDE + 110, high)
    picture = tag("svg", *cuts, *drawn, viewBox=f"0 0 {size[0]} {size[1]}", width=size[0], height=size[1])
    said = [_said(one) for one in course.rounds]
    waits = [f"Waited {milliseconds(p.took)} for {p.name}." for p in pauses]
    words = [f"{milliseconds(b.worked):>8}  {b.label}" + _star(b) for b in bars]
    data = {"rounds": [_data(one) for one in course.rounds], "paused_ms": sum(p.took for p in pauses)}
    return shown([*words, *said, *waits], picture, *(tag("p", line) for line in [*said, *waits]), data=data)


def _bars(course: Course, pauses: Sequence[Span]) -> Iterator[Bar]:
    """Give the stages in order, each with the tasks that began in it below."""
    for stage in course.stages:
        worked = stage.took - sum(max(0.0, min(stage.end, p.end) - max(stage.start, p.start)) for p in pauses)
        yield Bar(stage, stage.name, _FAILED if stage.name in _ENDED_BADLY else _STAGE, worked)
        for one in course.rounds:
            critical = {task.name for task in one.critical}
            for task in one.tasks:
                if stage.start <= task.start < stage.end:
                    colour = _CRITICAL if task.name in critical else _TASK
                    yield Bar(task, f"{_INDENT}{task.title}", _FAILED if task.failed else colour, task.took)


def _star(bar: Bar) -> str:
    return "  (critical)" if bar.colour == _CRITICAL else ""


def _said(one: Round) -> str:
    chain = " → ".join(task.name for task in one.critical)
    alone, longest = sum(t.took for t in one.tasks), sum(t.took for t in one.critical)
    ratio = f", {one.took / longest:.2f} {TIMES} the critical path" if longest else ""
    return (
        f"{len(one.tasks)} tasks in {milliseconds(one.took)}{ratio} ({milliseconds(longest)}: {chain}); "
        f"one after another they would take {milliseconds(alone)}."
    )


def _data(one: Round) -> dict[str, object]:
    return {
        "tasks": [task.name for task in one.tasks],
        "took_ms": one.took,
        "critical": [task.name for task in one.critical],
        "critical_ms": sum(task.took for task in one.critical),
        "one_after_another_ms": sum(task.took for task in one.tasks),
    }


def _scale(begin: float, end: float, pauses: Sequence[Span]) -> Callable[[float], float]:
    """Return where a moment is drawn: time is to scale, but for the pauses, which are as wide as each other."""
    worked = max(end - begin - sum(p.took for p in pauses), 1e-9)
    per_ms = (_WIDE - _PAUSE * len(pauses)) / worked

    def place(at: float) -> float:
        x, since = float(_LEFT), begin
        for pause in pauses:
            if at <= pause.start:
                break
            x += (pause.start - since) * per_ms + _PAUSE * min(1.0, (at - pause.start) / pause.took)
            since = min(at, pause.end)
        return x + max(at - since, 0.0) * per_ms

    return place


def _row(number: int, bar: Bar, place: Callable[[float], float]) -> Markup:
    y, x = _TOP + _ROW * number, place(bar.span.start)
    wide = max(place(bar.span.end) - x, 2.0)
    task = bar.label.startswith(_INDENT)
    look = {"fill": bar.colour, "fill_opacity": 0.9 if task else 0.45, "rx": 3}
    title = tag("title", f"{bar.label.strip()}: {milliseconds(bar.worked)}")
    return joined(
        tag("rect", title, x=round(x, 1), y=y + 4, width=round(wide, 1), height=_ROW - 8, **look),
        tag("text", brief(bar.label, 38), x=20 if task else 4, y=y + 15, opacity=0.85 if task else 1),
        tag("text", milliseconds(bar.worked), x=round(x + wide + 5, 1), y=y + 15, opacity=0.6),
    )


def _cut(pause: Span, place: Callable[[float], float], high: int) -> Markup:
    x, end = place(pause.start), place(pause.end)
    band = tag("rect", x=round(x, 1), y=_TOP - 4, width=round(end - x, 1), height=high - _TOP, fill=_CUT, opacity=0.16)
    words = f"{milliseconds(pause.took)} for {pause.name}"
    return joined(band, tag("text", words, x=round((x + end) / 2, 1), y=12, text_anchor="middle", fill=_CUT))
