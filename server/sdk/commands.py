"""Commands of the protocol's third version: a run to begin, an interrupt to answer, a state to look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contracts.errors import BadInput, ColonyError, Conflict, Denied, NotBuilt, NotFound
from graph.snapshots import Shown
from server.body import parsed
from server.principal import Principal
from server.sdk import bodies, run_bodies
from server.sdk.frames import Frame
from server.sdk.runs import Started
from server.sdk.service import Sdk

_CODES = {
    "unknown_command": "unknown_command",
    "not_supported": "not_supported",
    "checkpoint_not_found": "no_such_checkpoint",
    "already_decided": "no_such_interrupt",
    "not_pending": "no_such_interrupt",
    "run_not_found": "no_such_run",
}
_ANSWERED = (BadInput, Conflict, Denied, NotBuilt)
"""Errors that answer the command; others answer the request."""


@dataclass(frozen=True)
class Commands:
    """Carries out commands of one caller on one thread."""

    sdk: Sdk
    who: Principal
    thread_id: str
    trace_id: str

    async def answer(self, body: Mapping[str, Any]) -> Shown:
        """Carry out a command and return its answer.

        Raises:
            BadInput: it is no command at all.
            NotFound: there is no such thread for this tenant.
            Forbidden: the caller may not.
        """
        command = parsed(bodies.ThreadCommand, dict(body))
        number = command.id
        try:
            result, applied = await self._done(command.method, command.params or {})
        except NotFound as exc:
            if exc.code == "thread_not_found":
                raise
            return refused(number, exc)
        except _ANSWERED as exc:
            return refused(number, exc)
        meta = {"meta": {"applied_through_seq": applied}} if applied is not None else {}
        return {"type": "success", "id": number, "result": result, **meta}

    async def _done(self, method: str, params: dict[str, Any]) -> tuple[Shown, int | None]:
        match method:
            case "run.start":
                return await self._begun(await self._head(), await self._start(params))
            case "input.respond":
                return await self._begun(await self._head(), await self._respond(params))
            case "state.get":
                return await self._state(params), None
            case "state.listCheckpoints":
                return await self._checkpoints(params), None
            case "state.fork":
                return await self._begun(None, await self._fork(params))
            case "agent.getTree" | "input.inject" | "subscription.reconnect":
                raise BadInput(f"{method} is not supported", code="not_supported")
            case _:
                raise BadInput(f"{method[:60]} is no command", code="unknown_command")

    async def _head(self) -> int | None:
        """Return the last frame's number before a run of a developer's graph is begun; None for a mission's thread."""
        try:
            return await self.sdk.head(self.who, self.thread_id)
        except NotFound:
            return None

    async def _begun(self, before: int | None, run: Started) -> tuple[Shown, int]:
        """Return a run that was begun, and the last event before it: a stream goes on from there."""
        if before is None:
            shown = await self.sdk.run(self.who, run.thread_id, run.run_id)
            first = int(shown["metadata"].get("first_seq") or 1)
            before = Frame(first, 0, run.run_id, "", None).number - 1
        return {"run_id": run.run_id, "thread_id": run.thread_id}, before

    async def _start(self, params: dict[str, Any]) -> Started:
        named: dict[str, Any] = {
            key: params[key] for key in ("assistant_id", "input", "config", "metadata", "context") if key in params
        }
        body = parsed(run_bodies.RunCreate, {**named, "if_not_exists": "create"})
        row = await self.sdk.thread_for(self.who, self.thread_id, body)
        if await self.sdk.waits(row):  # the protocol's own rule: an input answers an interrupt, if there is one
            resumed = body.model_copy(update={"input": None, "command": run_bodies.Command(resume=body.input)})
            return await self.sdk.start(self.who, row, resumed, self.trace_id, events=True)
        return await self.sdk.start(self.who, row, body, self.trace_id, events=True)

    async def _respond(self, params: dict[str, Any]) -> Started:
        row = await self.sdk.threads.row(self.who, self.thread_id)
        if params.get("update") is not None or params.get("goto") is not None:
            raise BadInput("update and goto are refused: they would bypass the gates", code="command_refused")
        told = params.get("responses") or [params]
        if not isinstance(told, list) or not all(isinstance(one, Mapping) and "response" in one for one in told):
            raise BadInput("params: response is missing", code="response_missing")
        return await self.sdk.respond(
            self.who, row, {str(one.get("interrupt_id") or ""): one["response"] for one in told}
        )

    async def _state(self, params: dict[str, Any]) -> Shown:
        self.who.needs("mission:read")
        state = await self.sdk.state(self.who, await self.sdk.threads.row(self.who, self.thread_id))
        keys = params.get("keys")
        values = state["values"] or {}
        if isinstance(keys, list):
            values = {key: values[key] for key in keys if isinstance(key, str) and key in values}
        return {"values": values, "checkpoint": {"id": state["checkpoint"]["checkpoint_id"], "ns": ""}}

    async def _checkpoints(self, params: dict[str, Any]) -> Shown:
        self.who.needs("mission:read")
        row = await self.sdk.threads.row(self.who, self.thread_id)
        named = {key: params[key] for key in ("limit", "before") if params.get(key) is not None}
        found = await self.sdk.history(self.who, row, parsed(bodies.HistoryAsked, named))
        return {
            "checkpoints": [
                {
                    "id": one["checkpoint"]["checkpoint_id"],
                    "timestamp": one["created_at"],
                    "step": one["metadata"].get("step"),
                    "metadata": one["metadata"],
                }
                for one in found
            ]
        }

    async def _fork(self, params: dict[str, Any]) -> Started:
        row = await self.sdk.threads.row(self.who, self.thread_id)
        named = {"assistant_id": self.sdk.assistant_of(row), "input": params.get("input")}
        body = parsed(run_bodies.RunCreate, {**named, "checkpoint_id": params.get("checkpoint_id")})
        if body.at_checkpoint is None:
            raise BadInput("params: checkpoint_id is missing", code="checkpoint_missing")
        return await self.sdk.start(self.who, row, body, self.trace_id)


def refused(number: int | None, error: ColonyError) -> Shown:
    """Return the answer to a command that was refused: the protocol's kind of error, and the stable code."""
    kind = _CODES.get(error.code, "permission_denied" if isinstance(error, Denied) else "invalid_argument")
    return {"type": "error", "id": number, "error": kind, "message": error.message, "code": error.code}
