"""Runs of missions: a submission, an answer, a retry or a fork, each through the one service layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from contracts.decisions import ProposalAnswer, Verdict
from contracts.errors import BadInput, Conflict, NotFound
from contracts.mission import MissionClass, MissionRequest
from contracts.stateflow import ENDED, Status
from graph.snapshots import Shown
from server.answering import ApprovalAnswer
from server.body import parsed
from server.missions import MissionService
from server.principal import Principal
from server.sdk import run_bodies
from server.sdk.assistants import GRAPH, class_of
from server.sdk.missions import MissionViews
from server.sdk.stretches import Run, assistant_name, run_name, runs_of
from server.sdk.threads import Row

_MOST_EVENTS = 100_000
_RETRIED = {Status.FAILED, Status.EXPIRED}
_REJECTS_ALL = {"items": {"properties": {"verdict": {"const": Verdict.REJECT.value}}}}
# What the description says of `contradicts`.
_AGREES: dict[str, Any] = {
    "anyOf": [
        {"properties": {"decision": {"const": "approve"}}},
        {"properties": {"decision": {"const": "reject"}, "decisions": _REJECTS_ALL}},
    ]
}


class Resume(BaseModel):
    """An answer to the release gate, as ``command.resume`` carries it."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=_AGREES)

    decision: str = Field(pattern="^(approve|reject)$")
    decisions: tuple[ProposalAnswer, ...] | None = Field(default=None, max_length=100)
    reason: str | None = Field(default=None, max_length=2_000)
    interrupt_id: str | None = Field(default=None, max_length=200)

    @property
    def contradicts(self) -> bool:
        """Whether it rejects the whole and not every proposal within."""
        within = self.decisions or ()
        return self.decision == "reject" and any(one.verdict is not Verdict.REJECT for one in within)


@dataclass(frozen=True)
class Started:
    """A run that was begun, and the thread it is in: a fork's is a new one."""

    thread_id: str
    run_id: str


@dataclass(frozen=True)
class MissionRuns:
    """Begins, shows and stops the runs of missions."""

    service: MissionService
    views: MissionViews

    async def start(
        self, who: Principal, row: Row | None, body: run_bodies.RunCreate, trace_id: str, key: str | None = None
    ) -> Started:
        """Begin a run in a thread, or in one of its own.

        Raises:
            BadInput: the input or the command can't be used.
            Conflict: the thread is in no state for it.
            NotFound: there is no such assistant or checkpoint.
        """
        kind = class_of(body.assistant_id)
        only_what_is_governed(body)
        if row is None or row["mission_id"] is None:
            return await self._submit(who, row, kind, body, trace_id, key)
        if kind is not None and kind.value != row["mission_type"]:
            raise Conflict(f"the thread is a {row['mission_type']} mission", code="assistant_mismatch")
        if body.at_checkpoint is not None and body.command is None:
            return await self._fork(who, row["mission_id"], body.at_checkpoint, body.input, trace_id, key)
        if body.command is not None:
            return await self.resume(who, row["mission_id"], body.command.resume)
        if body.input is None and Status(row["mission_status"]) in _RETRIED:
            await self.service.retry(who, row["mission_id"], "a run without input")
            return await self._newest(who, row["mission_id"])
        raise _no_room(Status(row["mission_status"]), fresh=body.input is not None)

    async def _submit(
        self,
        who: Principal,
        row: Row | None,
        kind: MissionClass | None,
        body: run_bodies.RunCreate,
        trace: str,
        key: str | None,
    ) -> Started:
        who.needs("mission:submit")
        if body.command is not None:
            raise Conflict("the thread waits for no answer", code="not_pending")
        request = request_of(kind, body.input)
        mission_id = row["thread_id"] if row is not None else str(uuid4())
        done = await self.service.submit(who, request, key, trace, mission_id=mission_id)
        return Started(done.mission_id, run_name(done.mission_id, 1))

    async def resume(self, who: Principal, mission_id: str, resume: Any, interrupt_id: str | None = None) -> Started:
        """Take a person's answer, by exactly the rules of an approval over REST.

        Raises:
            BadInput: it is no answer.
            Conflict: the mission does not wait for it.
        """
        await self.service.answering.entitle(who, mission_id)
        answer = resume_of(resume, interrupt_id)
        if answer.contradicts:
            raise BadInput("command.resume: it rejects, and approves within", code="resume_invalid")
        about = answer.interrupt_id
        if answer.decision == "reject" and answer.decisions is None:
            await self.service.answering.reject(who, mission_id, answer.reason, interrupt_id=about)
        else:
            if about is None and answer.decisions is not None:  # whose hashes say which question is meant
                about = next(iter(await self.views.questions(who.tenant_id, mission_id, pending=True)), None)
            told = ApprovalAnswer(interrupt_id=about, decisions=answer.decisions, reason=answer.reason)
            await self.service.approve(who, mission_id, told)
        return await self._newest(who, mission_id)

    async def _fork(
        self, who: Principal, mission_id: str, checkpoint_id: str, updates: Any, trace_id: str, key: str | None
    ) -> Started:
        if updates is not None and not isinstance(updates, Mapping):
            raise BadInput("input: a fork's changes are channels with their values", code="invalid_input")
        reason = "a run from a checkpoint, begun by a client of its thread"
        fork = await self.service.lineages.fork(who, mission_id, checkpoint_id, updates or {}, reason, trace_id, key)
        return Started(fork, run_name(fork, 1))

    async def _newest(self, who: Principal, mission_id: str) -> Started:
        return Started(mission_id, (await self.runs(who, mission_id))[-1].run_id)

    async def runs(self, who: Principal, mission_id: str) -> list[Run]:
        """Return a mission's runs, oldest first."""
        return runs_of(mission_id, await self.views.reader.events(who.tenant_id, mission_id, 0, _MOST_EVENTS))

    async def run(self, who: Principal, mission_id: str, run_id: str) -> Run:
        """Return one run.

        Raises:
            NotFound: the thread has no such run.
        """
        found = next((one for one in await self.runs(who, mission_id) if one.run_id == run_id), None)
        if found is None:
            raise run_not_found()
        return found

    async def cancel(self, who: Principal, mission_id: str, run_id: str, action: str) -> None:
        """Stop the mission that a run is of.

        Raises:
            Conflict: it has ended, or has begun to write; or what a mission did is to be rolled back.
        """
        who.needs("mission:operate")
        await self.run(who, mission_id, run_id)
        if action == "rollback":
            raise Conflict("what a mission did is on record and is not rolled back", code="rollback_unsupported")
        await self.service.cancel(who, mission_id, "cancelled by a client of its thread")


def run_not_found() -> NotFound:
    """Return the error for a run that is not there."""
    return NotFound("the thread has no such run", code="run_not_found")


def shown_run(row: Row, run: Run) -> Shown:
    """Return a mission's run."""
    return {
        "run_id": run.run_id,
        "thread_id": row["thread_id"],
        "assistant_id": assistant_name(row["mission_type"]),
        "created_at": run.created_at,
        "updated_at": run.updated_at,
        "status": run.status,
        "metadata": {
            "graph_id": GRAPH,
            "mission_type": row["mission_type"],
            "first_seq": run.first,
            "last_seq": run.last,
        },
        "kwargs": {},
        "multitask_strategy": "reject",
    }


def request_of(kind: MissionClass | None, given: Any) -> MissionRequest:
    """Return the submission that a run's input is.

    Raises:
        BadInput: it is none.
    """
    if not isinstance(given, Mapping):
        raise BadInput(
            "input: a mission begins with {user_goal, inputs}",
            code="input_missing" if given is None else "invalid_input",
            hint="GET /assistants/{id}/schemas tells what the assistant takes.",
        )
    named = given.get("mission_type", kind.value if kind else None)
    if named is None or (kind is not None and named != kind.value):
        raise BadInput("input: mission_type is not the assistant's", code="assistant_mismatch")
    return parsed(MissionRequest, {"origin_surface": "sdk", **given, "mission_type": named})


def resume_of(resume: Any, interrupt_id: str | None) -> Resume:
    """Return the answer that ``command.resume`` carries, by itself or under its interrupt's id.

    Raises:
        BadInput: it carries none.
    """
    if isinstance(resume, Mapping) and len(resume) == 1 and "decision" not in resume:
        (named, below), *_ = resume.items()
        if isinstance(below, Mapping):
            resume, interrupt_id = below, str(named)
    if not isinstance(resume, Mapping):
        raise BadInput(
            "command.resume: an answer is {decision: approve | reject, decisions?, reason?}", code="resume_invalid"
        )
    answer = parsed(Resume, dict(resume))
    if interrupt_id is None:
        return answer
    if answer.interrupt_id not in {None, interrupt_id}:
        raise BadInput("command.resume: it names two interrupts", code="resume_invalid")
    return answer.model_copy(update={"interrupt_id": interrupt_id})


def only_what_is_governed(body: run_bodies.RunCreate) -> None:
    """Refuse what would let a client move a mission past its gate, and what is not done here.

    Raises:
        BadInput: the run asks for it.
    """
    command = body.command
    if command is not None and (command.update is not None or command.goto is not None):
        raise BadInput(
            "command.update and command.goto are refused: they would bypass the mission's gates",
            code="command_refused",
            hint="Answer with command.resume, or fork from a checkpoint_id.",
        )
    if command is not None and (body.input is not None or command.resume is None):
        raise BadInput("a run has either an input or a command with resume", code="command_invalid")
    for name in ("interrupt_before", "interrupt_after", "webhook", "after_seconds"):
        if getattr(body, name):
            raise BadInput(f"{name} is not supported for missions", code=f"{name}_unsupported")


def _no_room(status: Status, *, fresh: bool) -> Conflict:
    if status is Status.AWAITING_APPROVAL:
        hint = "Answer with command.resume; a plain run would drop the question."
        return Conflict("the thread waits for a person's answer", code="awaiting_approval", hint=hint)
    if status in ENDED:
        hint = "A thread is one mission: begin another thread, or fork from a checkpoint_id."
        return Conflict(f"the thread's mission is {status.value}", code="mission_ended", hint=hint if fresh else "")
    return Conflict("a run is under way in this thread", code="thread_busy", hint="Join it, or cancel it first.")
