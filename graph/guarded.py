"""The wrapped tools: every call is held against the task's signed pass, argument by argument, and against the rules."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Mapping
from typing import Any

from contracts.canonical import canonical_bytes, clean_text, sha256_hex
from contracts.decisions import Outcome, PolicyDecision
from contracts.errors import ColonyError, PassRefused
from contracts.events import EventType, NewEvent
from contracts.ports import Clock, LedgerPort, Mission, ToolCall, ToolPort
from contracts.stateflow import Stage
from contracts.tape import request_of
from contracts.tasks import LibrarianPass, ToolGrant
from graph.calls import Call, CallsMade
from graph.context import Record
from graph.inforce import Asking, Remembering
from graph.passes import Refused, live, taken_over
from graph.tape import Tape
from graph.tracing import Spanned
from policies.constitution import beyond
from policies.limits import TOOLS
from policies.questions import call_question

_LONGEST_ARGUMENTS = 4_000
_LONGEST_NAME = 64


class GuardedTools:
    """Satisfies ``ToolPort``: a tool is reached only by what a live, signed pass grants this task.

    A pass lives for its time while work goes on: a run that takes a mission up again, hours after its worker died,
    countersigns it for that long once more, else the mission could never go on.
    """

    def __init__(
        self, inner: ToolPort, ledger: LedgerPort, record: Record, clock: Clock, mission: Mission, asking: Asking
    ) -> None:
        self._inner = inner
        self._ledger = ledger
        self._record = record
        self._clock = clock
        self._mission = mission
        self._asking = asking
        self._signer = asking.governance.passes
        self._made: CallsMade | None = None
        self._taking_over = asyncio.Lock()
        self._taken_over = False

    async def call(self, task_key: str, tool: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Call a tool as the pass allows.

        Raises:
            PassRefused: there is no pass that is signed for this run, it has expired, or it grants no such call (any
                more), or the rules in force, or the constitution, don't allow the call now.
            ConstitutionUnverified: none that holds is in force; nothing was called.
        """
        call = Call(task_key, tool, arguments)
        made = await self._calls()
        refusal, decision = await self._refusal(call, made)
        if refusal is not None:
            words = refusal.words if decision is None else "; ".join(decision.reasons)
            named, told = _shown(tool), _short(arguments)
            self._note(_shown(task_key), named, told, "refused", reason=refusal.value, decision=decision)
            raise PassRefused(f"{named} was refused: {words}", code=refusal.value)
        try:
            # The name of a tool that a pass grants; a refused one's may be anything, and nothing is called.
            with Spanned("execute_tool", {"gen_ai.tool.name": tool}):
                answer = await self._inner.call(task_key, tool, arguments)
        except ColonyError as exc:
            # What failed may be tried again; what writes was perhaps done, and has had its one use.
            made.failed(call, again=not _writes(tool))
            self._note(task_key, tool, arguments, "failed", reason=exc.code, decision=decision)
            raise
        made.answered(call)
        # As it came, escapes and all: what the store can't carry as text is cleaned, and counted, in the evidence.
        self._note(
            task_key, tool, arguments, "ok", response=json.dumps(answer, sort_keys=True).encode(), decision=decision
        )
        # A process that dies and comes back must not have forgotten what it used of the pass. The researcher's own
        # reads, one a route card, are stored with its step, which is short and begins again whole.
        if self._record.stage is not Stage.RESEARCHER:
            await self._record.keep(self._ledger)
        return answer

    async def _calls(self) -> CallsMade:
        """Return what was called: by processes before this one, as stored, and by this one."""
        if self._made is None:
            stored = await self._ledger.calls_made()
            # Of several that asked at the same time the first counts on, an empty count included.
            if self._made is None:
                self._made = CallsMade(stored)
        return self._made

    async def _refusal(self, call: Call, made: CallsMade) -> tuple[Refused | None, PolicyDecision | None]:
        """Return why a call may not be made, and what policy said of it, if it came to that.

        One that may be made is counted at once, so that no two share its last use: between the first look at what was
        called and the count nothing is waited for.
        """
        if _said(call.arguments) is None:
            return Refused.NOT_GRANTED, None
        await self._take_over()
        held = await self._ledger.passes()
        ask = await self._asking.renewed()
        one = live(self._signer, self._mission, held, call.task_key, self._clock.now())
        if isinstance(one, Refused):
            return one, None
        grant = _grant(one, call.tool, call.arguments)
        if grant is None:
            return Refused.NOT_GRANTED, None
        counts = self._counts(call, made)
        if counts["times"] >= (1 if _writes(call.tool) else grant.max_calls):
            return Refused.USED_UP, None
        decision = self._decided(call, counts, ask)
        if decision is None or decision.outcome is not Outcome.ALLOW:
            return Refused.BEYOND if decision and beyond(decision) else Refused.FORBIDDEN, decision
        made.begun(call)
        return None, decision

    def _counts(self, call: Call, made: CallsMade) -> Mapping[str, Any]:
        """Return what was called before, which other runs and other tasks have part in: on tape, since rules see it."""

        def count() -> Mapping[str, Any]:
            done, in_mission = sorted(made.done_by(call.task_key)), sorted(made.done())
            calls = {"times": made.times(call), "calls": made.calls_of(call.task_key)}
            return {**calls, "done": done, "done_in_mission": in_mission}

        return Tape(self._record).counted(call.task_key, request_of(call.tool, dict(call.arguments)), count)

    def _decided(self, call: Call, counts: Mapping[str, Any], ask: Remembering) -> PolicyDecision | None:
        envelope = self._record.envelope or self._mission.envelope
        if envelope is None:
            return None
        question = call_question(
            envelope,
            call.task_key,
            call.tool,
            done=counts["done"],
            done_in_mission=counts["done_in_mission"],
            calls=counts["calls"],
            research_enabled=self._asking.governance.research_enabled,
        )
        decision = ask(question)
        self._record.decisions.append(decision)
        return decision

    async def _take_over(self) -> None:
        """Countersign what an earlier run was granted, once in this run and before its first call."""
        async with self._taking_over:
            if self._taken_over:
                return
            seals = taken_over(self._signer, self._mission, await self._ledger.passes(), self._clock.now())
            if seals:
                payload = {"task_keys": [s.task_key for s in seals], "epoch": self._mission.epoch}
                async with self._ledger.unit() as unit:
                    await unit.seal(seals)
                    unit.record(NewEvent(event_type=EventType.PASS_RENEWED, payload=payload))
            self._taken_over = True

    def _note(
        self,
        task_key: str,
        tool: str,
        arguments: Mapping[str, Any],
        status: str,
        *,
        response: bytes | None = None,
        reason: str | None = None,
        decision: PolicyDecision | None = None,
    ) -> None:
        # A call made again, in another run or revision, is another call: it may be answered otherwise.
        call_id = "tc_" + secrets.token_hex(12)
        name = decision.decision_id if decision else None
        self._record.tools.append(ToolCall(call_id, task_key, tool, dict(arguments), status, response, reason, name))


def _grant(one: LibrarianPass, tool: str, arguments: Mapping[str, Any]) -> ToolGrant | None:
    """Return the grant that covers a call exactly: the same arguments, no more, no fewer, of the same types."""
    asked = _said(arguments)
    return next((g for g in one.grants if g.tool == tool and canonical_bytes(g.arguments) == asked), None)


def _writes(tool: str) -> bool:
    """Tell whether a tool changes anything; one that nobody knows may."""
    return tool not in TOOLS or TOOLS[tool].writes


def _short(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return refused arguments as they are recorded: whoever asks for what isn't granted can't fill the record."""
    said = _said(arguments)
    if said is None:
        return {"unreadable": True}
    return arguments if len(said) <= _LONGEST_ARGUMENTS else {"sha256": sha256_hex(said), "bytes": len(said)}


def _said(arguments: Mapping[str, Any]) -> bytes | None:
    """Return arguments as they are compared; None for what no pass can grant, since nobody could store it."""
    try:
        said = canonical_bytes(dict(arguments))
    except (ValueError, TypeError, RecursionError):
        return None
    return None if b"\\u0000" in said else said


def _shown(name: str) -> str:
    return clean_text(name[:_LONGEST_NAME])[0]
