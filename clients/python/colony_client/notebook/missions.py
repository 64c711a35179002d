"""Colony in a notebook: missions that show themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

from colony_client import types
from colony_client.notebook import cards, gantt, graphs, matrices, reports
from colony_client.notebook.course import Course, course_of
from colony_client.notebook.markup import Shown
from colony_client.synchronous import ColonyClient


class Mission:
    """One mission. What it returns displays itself; what it does waits until the mission has settled.

    ``settled`` means that it has ended or waits for a person. Everything raises ``ColonyError`` or ``NotReachable``.

    Args:
        client: the service that has it.
        mission_id: its id.
    """

    def __init__(self, client: ColonyClient, mission_id: str) -> None:
        self.client = client
        self.mission_id = mission_id

    def __repr__(self) -> str:
        return f"{self.mission_id} ({self.status})"

    def _repr_html_(self) -> str:
        return self.show().html

    @property
    def data(self) -> types.Mission:
        """The mission as it is now."""
        return self.client.mission(self.mission_id)

    @property
    def status(self) -> str:
        """Where it stands."""
        return self.data["status"]

    @property
    def course(self) -> Course:
        """What it did when."""
        return course_of(self.events())

    def events(self) -> list[types.Event]:
        """Return everything that was recorded of it."""
        found: list[types.Event] = []
        while page := self.client.events(self.mission_id, found[-1]["seq"] if found else 0)["items"]:
            found += page
        return found

    def artifacts(self, kind: str | None = None) -> list[types.Artifact]:
        """Return what its roles made, of one kind or of all."""
        return self.client.artifacts(self.mission_id, kind)["items"]

    def settled(self) -> Self:
        """Wait until it has ended or waits for a person."""
        self.client.settled(self.mission_id)
        return self

    def show(self) -> Shown:
        """Show where it stands: what it found, what waits for a person, or which role failed and why."""
        return cards.mission_card(self.data)

    def graph(self) -> Shown:
        """Show the graph with the nodes that ran and the edges that were taken."""
        return graphs.graph(self.client.graph(), self.data, self.course)

    def timeline(self) -> Shown:
        """Show its stages and tasks as a Gantt chart, with the critical path."""
        return gantt.timeline(self.course)

    def evidence(self) -> Shown:
        """Show its claims against the sources they quote; every quote is looked up in the stored text again."""
        return matrices.evidence(self.data, self.artifacts("research_artifact"))

    def checkpoints(self) -> Shown:
        """Show its checkpoints, oldest first."""
        return cards.checkpoint_list(self._checkpoints())

    def tree(self) -> Shown:
        """Show it with everything that was replayed or forked from it."""
        return cards.family(self.client.tree(self.mission_id))

    def diff(self, other: Mission | None = None, *, start: str | None = None, end: str | None = None) -> Shown:
        """Show what differs between this mission and another, or between two of its own checkpoints.

        Args:
            other: the other mission; its last checkpoint is compared unless ``end`` names one.
            start: a checkpoint of this mission; otherwise its last one, or its first when there is no other mission.
            end: a checkpoint of the other mission, or of this one when there is none; otherwise the last one.
        """
        whole = self if other is None else other
        own = self._checkpoints() if start is None else []
        start = start or (own[0] if other is None else own[-1])["checkpoint_id"]
        end = end or whole._checkpoints()[-1]["checkpoint_id"]
        return reports.difference(
            self.client.diff(self.mission_id, start=start, end=end, other=whole.mission_id if other else None)
        )

    def report(self) -> Shown:
        """Show what a replay found: identical, or where it first differs, what changed and why."""
        return reports.replayed(self.client.report(self.mission_id))

    def approve(self, decisions: Sequence[Mapping[str, Any]] | None = None, *, reason: str | None = None) -> Self:
        """Answer what is pending, everything as it is shown just now unless ``decisions`` are given."""
        pending = self.data["pending_approval"] if decisions is not None else None
        interrupt_id = pending["interrupt_id"] if pending is not None else None
        self.client.approve(self.mission_id, decisions, interrupt_id=interrupt_id, reason=reason)
        return self.settled()

    def reject(self, reason: str | None = None) -> Self:
        """Turn everything down."""
        self.client.reject(self.mission_id, reason)
        return self.settled()

    def retry(self, reason: str | None = None) -> Self:
        """Let it go on from where it failed or expired."""
        self.client.retry(self.mission_id, reason)
        return self.settled()

    def replay(
        self,
        *,
        mode: Literal["recorded", "live"] = "recorded",
        checkpoint_id: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        on_missing: Literal["report", "live"] | None = None,
    ) -> Mission:
        """Run it again, as a new mission that writes nothing."""
        made = self.client.replay(
            self.mission_id, mode=mode, checkpoint_id=checkpoint_id, overrides=overrides, on_missing=on_missing
        )
        return Mission(self.client, made["mission_id"]).settled()

    def fork(self, checkpoint_id: str, reason: str, updates: Mapping[str, Any] | None = None) -> Mission:
        """Go on from a checkpoint, as a new mission with an approval of its own."""
        made = self.client.fork(self.mission_id, checkpoint_id, reason, updates)
        return Mission(self.client, made["mission_id"]).settled()

    def _checkpoints(self) -> list[types.HistoryCheckpoint]:
        """Return its checkpoints, oldest first."""
        found: list[types.HistoryCheckpoint] = []
        cursor: str | None = None
        while True:
            page = self.client.checkpoints(self.mission_id, cursor=cursor, limit=200)
            found += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return found[::-1]


class Colony:
    """The service, for notebooks.

    Args:
        client: how it is reached; otherwise by ``COLONY_SERVICE_BASE_URL`` and ``COLONY_SERVICE_API_KEY``.
    """

    def __init__(self, client: ColonyClient | None = None) -> None:
        self.client = client or ColonyClient()

    def run(self, mission_type: str, user_goal: str, inputs: Mapping[str, Any], **more: Any) -> Mission:
        """Submit a mission and wait until it has settled; ``more`` are other fields of the request."""
        made = self.client.submit(mission_type, user_goal, inputs, **more)
        return self.mission(made["mission_id"]).settled()

    def mission(self, mission_id: str) -> Mission:
        """Return a mission by its id."""
        return Mission(self.client, mission_id)

    def missions(self, *, status: str | None = None, limit: int = 20) -> Shown:
        """Show missions, newest first."""
        return cards.mission_list(self.client.missions(status=status, limit=limit)["items"])

    def what_if(self, files: Mapping[str, str], *, since_ms: int = 0) -> Shown:
        """Show which past decisions would have been others under other rules; nothing is run or changed.

        Args:
            files: rule files by name, as they would be put in force.
            since_ms: from when on decisions are looked at, in ms since 1970.
        """
        found = self.client.what_if(files, since_ms=since_ms)
        while cursor := found["next_cursor"]:
            page = self.client.what_if(files, since_ms=since_ms, cursor=cursor)
            found = {
                **page,
                "total": found["total"],
                "examined": found["examined"] + page["examined"],
                "questions": found["questions"] + page["questions"],
                "flips": [*found["flips"], *page["flips"]],
                "unanswerable": [*found["unanswerable"], *page["unanswerable"]],
            }
        return reports.hindsight(found)
