"""The tape: all that nodes ask of the outside goes through it, is recorded, and in a replay is answered by it."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from contracts import errors
from contracts.base import Contract
from contracts.canonical import canonical_bytes
from contracts.decisions import ApprovalDecision, PolicyDecision
from contracts.errors import ColonyError, FenceLost, RecordingMissing, StoreUnavailable
from contracts.lineage import Rehearsal
from contracts.ports import CatalogPort, Clock, SourceCard, ToolPort
from contracts.registry import kind_of
from contracts.stateflow import Stage
from contracts.tape import Channel, Said, Taped, request_of
from contracts.tasks import PheromoneSignal

Ask = Callable[[], Awaitable[bytes]]
_Key = tuple[Channel, Stage, int, str, str]
_NEVER_ANSWERED = (FenceLost, StoreUnavailable)
_CUT_OFF = b"cut off"
_PEOPLE = frozenset({Channel.PERSON, Channel.WRITE})


def newest(tape: Iterable[Taped]) -> list[Taped]:
    """Return what led to what is stored: a step or task that was run again was answered anew, by its last run.

    People answer between two runs of the gate, which is no reason to forget the first.
    """
    kept = list(tape)
    last: dict[tuple[Stage, int, str, bool], int] = defaultdict(int)
    for one in kept:
        last[_run(one)] = max(last[_run(one)], one.epoch)
    return [one for one in kept if one.epoch == last[_run(one)]]


def _run(one: Taped) -> tuple[Stage, int, str, bool]:
    return (one.stage, one.revision, one.task_key, one.channel is Channel.PERSON)


@dataclass
class Past:
    """The tape of the mission that is run again; ``asks`` are the rules that stand in the place of those in force."""

    rehearsal: Rehearsal
    tape: Sequence[Taped]
    asks: Any = None
    _answers: dict[_Key, deque[Taped]] = field(init=False, default_factory=lambda: defaultdict(deque))

    def __post_init__(self) -> None:
        for one in newest(self.tape):
            if one.channel is not Channel.ARTIFACT and one.answer is not None:
                self._answers[_key(one)].append(one)

    def decision(self) -> ApprovalDecision | None:
        """Return what people decided then, the last time that they were asked."""
        found = [one for one in newest(self.tape) if one.channel is Channel.PERSON and one.answer is not None]
        return ApprovalDecision.model_validate_json(found[-1].answer or b"") if found else None

    def answer(self, asked: Taped) -> bytes | None:
        """Return what was answered; the nth time that it is asked what was answered then. None: it is to be asked.

        Raises:
            RecordingMissing: it was never asked, and the replay is to say so.
        """
        live = self.rehearsal.mode == "live" and asked.channel not in _PEOPLE
        found = None if live else self._answers.get(_key(asked))
        if found:
            return found.popleft().answer
        if live or self.rehearsal.on_missing == "live" or asked.channel in _PEOPLE:
            return None
        raise RecordingMissing(
            f"{self.rehearsal.of} was never asked this ({asked.channel.value}"
            f"{f' of {asked.task_key}' if asked.task_key else ''}, request {asked.request_sha256[:16]})"
        )


def _key(one: Taped) -> _Key:
    return (one.channel, one.stage, one.revision, one.task_key, one.request_sha256)


class Taping:
    """What tapes need of the record of a run."""

    stage: Stage
    revision: int
    taped: list[Taped]
    past: Past | None


@dataclass(frozen=True)
class Tape:
    """Satisfies ``TapePort`` for one run."""

    record: Taping

    async def through(self, channel: Channel, task_key: str, request: bytes, ask: Ask) -> Said:
        """Return the answer to a request, recorded; in a replay the one that was recorded then.

        Raises:
            RecordingMissing: a replay has no answer, and is to say so.
            TimeoutError: there was no time for the answer then.
        """
        found = self._recalled(channel, task_key, request)
        if found is not None:
            return found
        asked = self._asked(channel, task_key, request)
        try:
            content = await ask()
        except asyncio.CancelledError:
            self._keep(asked, _CUT_OFF)
            raise
        self._keep(asked, content)
        return Said(content)

    def at_once(self, channel: Channel, task_key: str, request: bytes, make: Callable[[], bytes]) -> Said:
        """Do the same for what is answered at once."""
        found = self._recalled(channel, task_key, request)
        if found is not None:
            return found
        content = make()
        self._keep(self._asked(channel, task_key, request), content)
        return Said(content)

    def kept(self, channel: Channel, task_key: str, request: bytes, answer: bytes) -> None:
        """Record what was answered elsewhere."""
        self._keep(self._asked(channel, task_key, request), answer)

    def _asked(self, channel: Channel, task_key: str, request: bytes) -> Taped:
        return Taped(channel, self.record.stage, self.record.revision, task_key, request, None)

    def _recalled(self, channel: Channel, task_key: str, request: bytes) -> Said | None:
        past = self.record.past
        if past is None:
            return None
        asked = self._asked(channel, task_key, request)
        try:
            answer = past.answer(asked)
        except RecordingMissing:
            self.record.taped.append(asked)
            raise
        if answer is None:
            return None
        self._keep(asked, answer)
        if answer == _CUT_OFF:
            raise TimeoutError  # whoever waited for it then had no more time
        return Said(answer, recorded=True)

    def _keep(self, asked: Taped, answer: bytes) -> None:
        self.record.taped.append(
            Taped(asked.channel, asked.stage, asked.revision, asked.task_key, asked.request, answer)
        )


async def answered(
    tape: Tape, channel: Channel, task_key: str, request: bytes, ask: Callable[[], Awaitable[Any]]
) -> Any:
    """Return the plain JSON that ``ask`` gives, through the tape; an error of Colony's own tree is an answer, too.

    Raises:
        ColonyError: as it was raised.
        RecordingMissing: a replay has no answer, and is to say so.
    """

    async def whole() -> bytes:
        try:
            return json.dumps({"answer": await ask()}, sort_keys=True).encode()
        except _NEVER_ANSWERED:
            raise
        except ColonyError as exc:
            raised = {"type": type(exc).__name__, "code": exc.code, "message": exc.message, "hint": exc.hint}
            return canonical_bytes({"error": raised})

    said = json.loads((await tape.through(channel, task_key, request, whole)).content)
    if "error" in said:
        raise _error(said["error"])
    return said["answer"]


def _error(said: Mapping[str, str]) -> ColonyError:
    kind = getattr(errors, said["type"], ColonyError)
    return kind(said["message"], code=said["code"], hint=said["hint"])


@dataclass(frozen=True)
class TapedTools:
    """Satisfies ``ToolPort``: the tools themselves, on tape. The pass is checked before."""

    inner: ToolPort
    tape: Tape

    async def call(self, task_key: str, tool: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Call a tool, or return what it answered."""
        request = request_of(tool, dict(arguments))

        async def ask() -> Any:
            return dict(await self.inner.call(task_key, tool, arguments))

        found: Mapping[str, Any] = await answered(self.tape, Channel.TOOL, task_key, request, ask)
        return found


@dataclass(frozen=True)
class TapedCatalog:
    """Satisfies ``CatalogPort``: what past missions left, on tape."""

    inner: CatalogPort
    tape: Tape

    def sources(self) -> Sequence[SourceCard]:
        """Return the source catalog, which is code."""
        return self.inner.sources()

    async def signals(self, mission_type: str) -> Sequence[tuple[PheromoneSignal, datetime]]:
        """Return the tenant's signals for a mission class."""

        async def ask() -> Any:
            found = await self.inner.signals(mission_type)
            return [[signal.model_dump(mode="json"), left_at.isoformat()] for signal, left_at in found]

        said = await answered(self.tape, Channel.SIGNALS, "", request_of(mission_type), ask)
        return [(PheromoneSignal.model_validate(signal), datetime.fromisoformat(at)) for signal, at in said]


@dataclass(frozen=True)
class TapedClock:
    """Satisfies ``Clock``: the moment that nodes see, on tape."""

    inner: Clock
    tape: Tape

    def now(self) -> datetime:
        """Return the present moment, or the one that it was."""
        said = self.tape.at_once(Channel.CLOCK, "", request_of("now"), lambda: self.inner.now().isoformat().encode())
        return datetime.fromisoformat(said.content.decode())


def made(contract: Contract, stage: Stage, revision: int) -> Taped:
    """Return the note that an artifact was made; its bytes are kept with it."""
    task_key = str(getattr(contract, "task_key", ""))
    named = [kind_of(contract).value, task_key]
    if isinstance(contract, PolicyDecision):
        # Under other rules the same answer to the same question is another artifact: it is told apart by this.
        named += [contract.question_sha256, contract.outcome.value]
    name, sha256 = request_of(*named), contract.sha256()
    return Taped(Channel.ARTIFACT, stage, revision, task_key, name, None, answer_sha256=sha256)
