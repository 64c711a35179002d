"""What a mission did when, read from its events: stages, tasks, pauses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from colony_client.types import Event

_PAUSES = frozenset(
    {"approval.requested", *(f"mission.{how}" for how in ("failed", "expired", "blocked", "completed", "rejected"))}
)
_GOES_ON = frozenset({"approval.decided", "mission.resumed", "mission.retried", "stage.entered", "mission.cancelled"})
TIMES = "\N{MULTIPLICATION SIGN}"
_TASK_ENDS = frozenset({"task.completed", "task.failed"})


@dataclass
class Span:
    """Something that took time; ``start`` and ``end`` in ms since the mission's first event."""

    name: str
    start: float
    end: float
    title: str = ""
    failed: bool = False
    events: list[Event] = field(default_factory=list)

    @property
    def took(self) -> float:
        """How long it took, in ms."""
        return self.end - self.start


@dataclass(frozen=True)
class Round:
    """One run of the task graph: its tasks as they ran, and what each waits for."""

    tasks: tuple[Span, ...]
    after: Mapping[str, Sequence[str]]

    @property
    def took(self) -> float:
        """From the first start to the last end, in ms."""
        return max(t.end for t in self.tasks) - min(t.start for t in self.tasks)

    @property
    def critical(self) -> tuple[Span, ...]:
        """The longest chain of tasks that had to wait for one another: no number of workers is faster than that."""
        by_key = {task.name: task for task in self.tasks}
        best: dict[str, tuple[float, tuple[str, ...]]] = {}

        def chain(key: str, above: frozenset[str]) -> tuple[float, tuple[str, ...]]:
            if key not in best:
                before = [k for k in self.after.get(key, ()) if k in by_key and k not in above]
                longest = max((chain(k, above | {key}) for k in before), default=(0.0, ()))
                best[key] = (longest[0] + by_key[key].took, (*longest[1], key))
            return best[key]

        return tuple(by_key[key] for key in max(chain(key, frozenset()) for key in by_key)[1])


@dataclass(frozen=True)
class Course:
    """A mission's course; pauses are when it waited for a person or for an operator."""

    stages: tuple[Span, ...]
    rounds: tuple[Round, ...]
    pauses: tuple[Span, ...]

    @property
    def entered(self) -> tuple[str, ...]:
        """The stages in the order they were entered."""
        return tuple(stage.name for stage in self.stages)


def course_of(events: Sequence[Event]) -> Course:
    """Read a mission's course from its events, ordered by seq."""
    if not events:
        return Course((), (), ())
    began = _moment(events[0])
    at = [(_moment(event) - began) * 1000 for event in events]
    timed = list(zip(at, events, strict=True))
    return Course(tuple(_stages(timed)), tuple(_rounds(timed)), tuple(_pauses(timed)))


Timed = Sequence[tuple[float, Event]]


def _moment(event: Event) -> float:
    return datetime.fromisoformat(event["timestamp"]).timestamp()


def _stages(timed: Timed) -> Iterator[Span]:
    now: Span | None = None
    failed = ""
    for at, event in timed:
        kind, told = event["event_type"], event["payload"]
        to = str(told.get("stage", "")) if kind == "stage.entered" else failed if kind == "mission.retried" else ""
        if to:
            if now is not None:
                now.end = at
                yield now
            now = Span(to, at, at)
        if now is not None:
            now.events.append(event)
            now.end = at
        if kind in _PAUSES:
            # A retry enters no stage: it goes on in the one that this names.
            failed = str(told.get("stage") or (now.name if now is not None else ""))
    if now is not None:
        yield now


def _pauses(timed: Timed) -> Iterator[Span]:
    since: tuple[float, str] | None = None
    for at, event in timed:
        kind = event["event_type"]
        if since is not None and kind in _GOES_ON:
            yield Span(since[1], since[0], at)
            since = None
        if kind in _PAUSES:
            since = (at, "a person" if kind == "approval.requested" else "an operator")


def _rounds(timed: Timed) -> Iterator[Round]:
    after: dict[str, list[str]] = {}
    ran: dict[str, Span] = {}
    for at, event in timed:
        kind, told = event["event_type"], event["payload"]
        key = str(told.get("task_key", ""))
        if kind == "plan.created":
            after = {str(t.get("task_key")): list(t.get("depends_on", ())) for t in told.get("tasks", ())}
        elif kind == "dataplane.dispatched" and ran:
            yield Round(tuple(ran.values()), after)
            ran = {}
        elif kind == "task.started":
            ran[key] = Span(key, at, at, str(told.get("title", key)))
        elif kind in _TASK_ENDS and key in ran:
            ran[key].end, ran[key].failed = at, kind == "task.failed"
    if ran:
        yield Round(tuple(ran.values()), after)


def counted(events: Iterable[Event]) -> dict[str, int]:
    """Count events by type, without those that only say where the mission is."""
    found: dict[str, int] = {}
    for event in events:
        if event["event_type"] != "stage.entered":
            found[event["event_type"]] = found.get(event["event_type"], 0) + 1
    return found


def milliseconds(ms: float) -> str:
    """Return a duration as people read it."""
    return f"{ms:.0f} ms" if ms < 1_000 else f"{ms / 1000:.1f} s"
