"""The wrapped models: every request within the mission's budget, a fallback only where policy lets the prompt go."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from contracts.base import ArtifactId, Value
from contracts.canonical import digest
from contracts.decisions import Outcome
from contracts.errors import BudgetExceeded, ColonyError, ModelFailed, ProviderFailed
from contracts.events import EventType, NewEvent
from contracts.mission import ModelTier
from contracts.ports import (
    Allowance,
    EvidenceBlock,
    Mission,
    ModelCall,
    OnDelta,
    Prompt,
    TierPort,
    ToolAnswer,
    Toolbox,
    ToolOffer,
)
from contracts.registry import artifact_id
from contracts.stateflow import Layer
from contracts.tape import Channel, Said
from contracts.tasks import PLANNING, PromptPackage
from graph.context import Record
from graph.gates import event_of
from graph.inforce import Asking
from graph.taint import UNKNOWN
from graph.tape import Tape
from graph.tracing import Spanned, note_usage
from policies.questions import routing_question

FilledT = TypeVar("FilledT", bound=Value)
Keep = Callable[[], Awaitable[None]]
# An answer that may not even have this many tokens is of no use.
LEAST_ANSWER = 256


class Budget:
    """Satisfies ``MeterPort`` for one run of a mission, which has one driver at a time.

    What is spent and set aside never exceeds the budget by more than the calls under way turn out to be longer than
    they were counted. What is set aside is stored before a call goes out, so a process that dies loses none of it, and
    it stays so: nobody can say what its calls used.

    Args:
        mission: the mission as it was claimed.
        record: where calls are noted.
        keep: stores the record.
    """

    def __init__(self, mission: Mission, record: Record, keep: Keep) -> None:
        self._mission = mission
        self._record = record
        self.keep = keep
        self._left = mission.token_budget - mission.tokens_spent - record.reserved
        self._under_way = 0
        self._named = 0
        self._freed = asyncio.Event()
        self._tape = Tape(record)

    async def answered(self, task_key: str, request: bytes, ask: Callable[[], Awaitable[bytes]]) -> Said:
        """Return the answer to a request, through the mission's tape.

        Raises:
            RecordingMissing: a replay has no answer to it, and is to say so.
        """
        return await self._tape.through(Channel.MODEL, task_key, request, ask)

    async def reserve(self, tokens_in: int, most_out: int) -> Allowance:
        """Set tokens aside; while other calls hold what is missing, wait for them to settle.

        Raises:
            BudgetExceeded: nothing is under way, and what is left can't cover the prompt and an answer of use.
            FenceLost: another process has taken the mission over.
            StoreUnavailable: Postgres does not answer.
        """
        least = tokens_in + min(most_out, LEAST_ANSWER)
        while least > self._left:
            if not self._under_way:
                raise BudgetExceeded("the mission's token budget is used up", code="token_budget_exceeded")
            self._freed.clear()
            await self._freed.wait()
        self._named += 1
        name = digest([self._mission.mission_id, self._mission.epoch, self._named])
        allowance = Allowance(f"mc_{name[:24]}", tokens_in, min(most_out, self._left - tokens_in))
        self._move(allowance.tokens_in + allowance.most_out)
        self._under_way += 1
        stored = False
        try:
            await self.keep()
            stored = True
        finally:
            if not stored:
                self._free(allowance)
        return allowance

    def settle(self, allowance: Allowance, call: ModelCall) -> None:
        """Give back what was set aside, charge what was used, and keep the call for the record."""
        self._left -= call.tokens_in + call.tokens_out
        self._record.models.append(call)
        note_usage(call)
        self._free(allowance)

    def _free(self, allowance: Allowance) -> None:
        self._move(-(allowance.tokens_in + allowance.most_out))
        self._under_way -= 1
        self._freed.set()

    def _move(self, tokens: int) -> None:
        self._left -= tokens
        self._record.reserved += tokens


class _Watched:
    """Satisfies ``Toolbox``: notes what a model reads by tools."""

    def __init__(self, inner: Toolbox, read: set[ArtifactId]) -> None:
        self._inner = inner
        self._read = read

    @property
    def rounds(self) -> int:
        """How often a model may ask for tools before it must answer."""
        return self._inner.rounds

    def offers(self) -> Sequence[ToolOffer]:
        """Return the calls that a model is told of."""
        return self._inner.offers()

    async def use(self, tool: str, arguments: Mapping[str, Any]) -> ToolAnswer:
        """Make a call, if the pass grants it."""
        answer = await self._inner.use(tool, arguments)
        self._read.update(_source_of(block) for block in answer.evidence)
        return answer


def _source_of(block: EvidenceBlock) -> ArtifactId:
    return ArtifactId(block.artifact_id) if block.artifact_id else UNKNOWN


class GuardedModel:
    """Satisfies ``ModelPort``: asks the package's tier, and when its provider fails the fallback that policy allows."""

    def __init__(
        self,
        models: TierPort,
        budget: Budget,
        record: Record,
        asking: Asking,
        on_delta: OnDelta | None = None,
    ) -> None:
        self._models = models
        self._budget = budget
        self._record = record
        self._asking = asking
        self._on_delta = on_delta

    async def fill(self, output: type[FilledT], prompt: Prompt, *, tools: Toolbox | None = None) -> FilledT:
        """Ask for the schema to be filled; what the calls cost is stored when this returns or raises an error.

        Raises:
            ModelFailed: no tier that the prompt may go to gave a usable answer.
            BudgetExceeded: the mission's tokens don't cover the call.
            ConstitutionUnverified: none that holds is in force; nothing was asked.
        """
        read = {_source_of(block) for block in prompt.evidence}
        self._record.read.setdefault(prompt.package.task_key, []).append(read)
        tools = _Watched(tools, read) if tools is not None else None
        try:
            filled = await self._asked(output, prompt, tools)
        except ColonyError:
            await self._budget.keep()
            raise
        await self._budget.keep()
        return filled

    async def _asked(self, output: type[FilledT], prompt: Prompt, tools: Toolbox | None) -> FilledT:
        tried = [prompt.package.tier]
        await self._asking.limits()
        # A plan is made before anything is read: none grows from what others wrote.
        if prompt.package.task_key == PLANNING and (prompt.evidence or not await self._may_plan(prompt.package)):
            raise ModelFailed("policy lets no model plan this mission", code="policy_denied")
        while True:
            try:
                with Spanned("chat", {"gen_ai.operation.name": "chat", "colony.tier": tried[-1].value}):
                    return await self._models.fill(tried[-1], output, prompt, self._budget, self._on_delta, tools)
            except ProviderFailed as exc:
                fallback = self._models.fallback(tried[-1])
                if (
                    fallback is None
                    or fallback in tried
                    or not await self._may_go(prompt.package, tried[-1], fallback, exc)
                ):
                    raise
                tried.append(fallback)

    async def _may_plan(self, package: PromptPackage) -> bool:
        """Ask about the tier of the planner's own prompt, which no gate has seen: the others' pass one beforehand."""
        if self._record.envelope is None:
            return False
        facts = self._asking.governance.facts_of(package.tier)
        ask = await self._asking.renewed()
        decision = ask(routing_question(self._record.envelope, package, facts))
        self._record.decisions.append(decision)
        if decision.outcome is not Outcome.ALLOW:
            return False
        self._record.events.append(event_of(Layer.ROUTING, decision, package.task_key))
        return True

    async def _may_go(self, package: PromptPackage, was: ModelTier, to: ModelTier, failed: ProviderFailed) -> bool:
        if self._record.envelope is None:
            return False
        moved = package.model_copy(update={"tier": to})
        facts = self._asking.governance.facts_of(to)
        ask = await self._asking.renewed()
        decision = ask(routing_question(self._record.envelope, moved, facts))
        name = artifact_id(decision)
        payload = {
            "task_key": package.task_key,
            "from": was.value,
            "to": to.value,
            "code": failed.code,
            "outcome": "passed" if decision.outcome is Outcome.ALLOW else "blocked",
            "decision_id": name,
            "reasons": list(decision.reasons),
        }
        self._record.decisions.append(decision)
        self._record.events.append(NewEvent(event_type=EventType.MODEL_FALLBACK, payload=payload, artifact_id=name))
        return decision.outcome is Outcome.ALLOW
