"""The wrapped tools: every call is held against the task's pass, argument by argument."""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from contracts.canonical import canonical_bytes, digest
from contracts.errors import ColonyError, PassRefused
from contracts.ports import Clock, LedgerPort, ToolCall, ToolPort
from contracts.stateflow import Stage
from contracts.tasks import LibrarianPass, ToolGrant
from graph.context import Record
from graph.tracing import Spanned


class GuardedTools:
    """Satisfies ``ToolPort``: a tool is reached only by what a live pass grants this task, argument by argument.

    A pass lives for its time while work goes on: a run that takes a mission up again, hours after its worker died,
    holds it for that long once more, else the mission could never go on.
    """

    def __init__(self, inner: ToolPort, ledger: LedgerPort, record: Record, clock: Clock) -> None:
        self._inner = inner
        self._ledger = ledger
        self._record = record
        self._clock = clock
        self._began = clock.now()
        self._used: Counter[str] | None = None

    async def call(self, task_key: str, tool: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Call a tool as the pass allows.

        Raises:
            PassRefused: there is no pass, it has expired, or it grants no such call (any more).
        """
        name = digest([task_key, tool, arguments])
        used = await self._calls()
        refusal = await self._refusal(task_key, tool, arguments, used[name])
        if refusal is not None:
            self._note(task_key, tool, arguments, "refused", reason=refusal)
            raise PassRefused(f"{tool} was refused: {refusal}")
        try:
            # The name of a tool that a pass grants; a refused one's may be anything, and nothing is called.
            with Spanned("execute_tool", {"gen_ai.tool.name": tool}):
                answer = await self._inner.call(task_key, tool, arguments)
        except ColonyError as exc:
            self._note(task_key, tool, arguments, "failed", reason=exc.code)
            raise
        used[name] += 1
        # As it came, escapes and all: what the store can't carry as text is cleaned, and counted, in the evidence.
        self._note(task_key, tool, arguments, "ok", response=json.dumps(answer, sort_keys=True).encode())
        # A process that dies and comes back must not have forgotten what it used of the pass. The researcher's own
        # reads, one a route card, are stored with its step, which is short and begins again whole.
        if self._record.stage is not Stage.RESEARCHER:
            await self._record.keep(self._ledger)
        return answer

    async def _calls(self) -> Counter[str]:
        """Return how often each call was made: by processes before this one, as stored, and by this one."""
        if self._used is None:
            stored = await self._ledger.calls_made()
            # Of two that asked at the same time the first counts on.
            self._used = self._used or Counter({digest(list(call[:3])): call[3] for call in stored})
        return self._used

    async def _refusal(self, task_key: str, tool: str, arguments: Mapping[str, Any], used: int) -> str | None:
        held = [(p, until) for p, until in await self._ledger.passes() if p.task_key == task_key]
        if not held:
            return "the task holds no pass"
        now = self._clock.now()
        live = [p for p, until in held if max(until, self._began + timedelta(milliseconds=p.ttl_ms)) > now]
        if not live:
            return "the task's pass has expired"
        grant = _grant(live[-1], tool, arguments)
        if grant is None:
            return "the pass grants no such call with these arguments"
        return "the pass's calls are used up" if used >= grant.max_calls else None

    def _note(
        self,
        task_key: str,
        tool: str,
        arguments: Mapping[str, Any],
        status: str,
        *,
        response: bytes | None = None,
        reason: str | None = None,
    ) -> None:
        # A call made again, in another run or revision, is another call: it may be answered otherwise.
        call_id = "tc_" + secrets.token_hex(12)
        self._record.tools.append(ToolCall(call_id, task_key, tool, dict(arguments), status, response, reason))


def _grant(one: LibrarianPass, tool: str, arguments: Mapping[str, Any]) -> ToolGrant | None:
    """Return the grant that covers a call exactly: the same arguments, no more, no fewer, of the same types."""
    asked = canonical_bytes(dict(arguments))
    return next((g for g in one.grants if g.tool == tool and canonical_bytes(g.arguments) == asked), None)
