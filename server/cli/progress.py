"""How far a mission is, folded from its events: stages as they are entered, and a row for every task."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from contracts.clock import SystemClock
from contracts.events import TERMINAL_EVENTS, EventType
from server.cli.output import one_line, plain_text

if TYPE_CHECKING:
    from rich.console import RenderableType

State = Literal["waiting", "running", "done", "failed", "asks"]
_MARKS: dict[State, tuple[str, str]] = {
    "waiting": ("·", "dim"),
    "running": ("▸", "bold yellow"),
    "done": ("✔", "green"),
    "failed": ("✘", "bold red"),
    "asks": ("?", "bold magenta"),
}
_NOTES = 5
_TERMINAL = {event.value for event in TERMINAL_EVENTS}
_NOTED = {EventType.TOOL_DENIED, EventType.REVIEW_REVISED, EventType.BUDGET_EXCEEDED, EventType.MISSION_RESUMED}
_NOTED |= {EventType.MISSION_RETRIED, EventType.APPROVAL_DECIDED, EventType.WRITEBACK_APPLIED}
_NOTED |= {EventType.WRITEBACK_CONFLICTED, EventType.WRITEBACK_FAILED, EventType.WRITEBACK_UNKNOWN}


@dataclass
class Step:
    """One stage or task, and when it began and ended."""

    name: str
    state: State = "waiting"
    began: datetime | None = None
    ended: datetime | None = None
    note: str = ""

    def seconds(self) -> float | None:
        """Return how long it took, or has taken so far."""
        if self.began is None:
            return None
        return max(0.0, ((self.ended or SystemClock().now()) - self.began).total_seconds())


@dataclass
class Progress:
    """A mission's progress; ``take`` is given its events in order."""

    began: datetime | None = None
    stages: list[Step] = field(default_factory=list)
    tasks: dict[str, Step] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def take(self, event: dict[str, Any]) -> str | None:
        """Fold one event in; returns the line to print for it where there is no terminal, if it is worth one."""
        kind, payload = event["event_type"], event["payload"]
        at = datetime.fromisoformat(event["timestamp"])
        self.began = self.began or at
        line = self._fold(kind, payload, at)
        return None if line is None else f"{(at - self.began).total_seconds():8.3f} s  {one_line(line)}"

    def _fold(self, kind: str, payload: dict[str, Any], at: datetime) -> str | None:
        match kind:
            case EventType.STAGE_ENTERED:
                self._leave("done", at)
                self.stages.append(Step(payload["stage"], "running", at))
                return f"stage  {payload['stage']}"
            case EventType.PLAN_CREATED:
                self.tasks |= {t["task_key"]: Step(t["task_key"]) for t in payload["tasks"]}
            case EventType.TASK_STARTED:
                self.tasks[payload["task_key"]] = Step(payload["task_key"], "running", at)
            case EventType.TASK_COMPLETED | EventType.TASK_FAILED:
                return self._task_ended(payload, "done" if kind == EventType.TASK_COMPLETED else "failed", at)
            case EventType.APPROVAL_REQUESTED:
                self._leave("asks", at)
                return "waits for a person"
            case _ if kind in _TERMINAL:
                self._leave("done" if kind == EventType.MISSION_COMPLETED else "failed", at)
                return " ".join(filter(None, (kind, str(payload.get("reason", "")))))
            case _:
                return self._note(kind, payload)
        return None

    def _leave(self, state: State, at: datetime) -> None:
        if self.stages and self.stages[-1].state in {"running", "asks"}:
            self.stages[-1].state = state
            self.stages[-1].ended = at

    def _task_ended(self, payload: dict[str, Any], state: State, at: datetime) -> str:
        key = payload["task_key"]
        step = self.tasks.setdefault(key, Step(key, began=at))
        step.state, step.ended = state, at
        counts = [
            f"{n} {what}{'s' if n > 1 else ''}" for what in ("claim", "proposal") if (n := payload.get(f"{what}s"))
        ]
        step.note = ", ".join(counts) or str(payload.get("reason", ""))
        return f"task   {key} {state}" + (f": {step.note}" if step.note else "")

    def _note(self, kind: str, payload: dict[str, Any]) -> str | None:
        if kind.startswith("gate.") and payload.get("outcome") in {"blocked", "escalated"}:
            text = f"{kind} {payload['outcome']}: " + "; ".join(payload["reasons"])
        elif kind in _NOTED:
            what = payload.get("reason") or payload.get("verdict") or payload.get("operation") or ""
            text = f"{kind} {what}".strip()
        else:
            return None
        self.notes.append(text)
        return text

    def rendered(self) -> RenderableType:
        """Return the whole as it is now, for a terminal."""
        from rich.console import Group
        from rich.table import Table

        grid = Table.grid(padding=(0, 2))
        for indent, step in self._rows():
            mark, style = _MARKS[step.state]
            took = step.seconds()
            grid.add_row(
                plain_text(f"{indent}{mark} {step.name}", style),
                plain_text("" if took is None else f"{took:.2f} s", "dim"),
                plain_text(step.note, "dim"),
            )
        return Group(grid, *(plain_text(f"! {one_line(note)}", "magenta") for note in list(self.notes)[-_NOTES:]))

    def _rows(self) -> Iterator[tuple[str, Step]]:
        shown = False
        for step in list(self.stages):
            yield "", step
            if step.name == "workers" and not shown:
                shown = True
                yield from (("   ", task) for task in list(self.tasks.values()))
        if not shown and self.stages and self.stages[-1].state == "running":
            yield from (("   ", task) for task in list(self.tasks.values()))
