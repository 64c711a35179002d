"""The tape: all that nodes ask of the outside goes through it, is recorded, and in a replay is answered by it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contracts import errors
from contracts.base import Contract
from contracts.canonical import canonical_bytes, digest
from contracts.decisions import PolicyDecision
from contracts.errors import ColonyError, FenceLost, RecordingMissing, StoreUnavailable
from contracts.ports import CatalogPort, Clock, SourceCard, ToolPort
from contracts.registry import kind_of
from contracts.stateflow import Stage
from contracts.tape import PUT_ASIDE, Channel, Said, Taped, request_of
from contracts.tasks import PheromoneSignal
from graph.past import ASIDE, BROKE, CUT_OFF, Past

Ask = Callable[[], Awaitable[bytes]]
_NEVER_ANSWERED = (FenceLost, StoreUnavailable)


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
            CutOff: there was no time for the answer then.
            Broke: what was to answer broke then.
        """
        found = self._recalled(channel, task_key, request)
        if found is not None and self.record.past is not None:
            return Said(await self.record.past.played(found), recorded=True)
        asked = self._asked(channel, task_key, request)
        content: bytes | None = BROKE
        try:
            content = await ask()
        except asyncio.CancelledError as exc:
            content = ASIDE if PUT_ASIDE in exc.args else CUT_OFF
            raise
        except ColonyError:  # no answer, and this run stops
            content = None
            raise
        finally:
            if content is not None:
                self._keep(asked, content)
        return Said(content)

    def at_once(self, channel: Channel, task_key: str, request: bytes, make: Callable[[], bytes]) -> Said:
        """Do the same for what is answered at once."""
        found = self._recalled(channel, task_key, request)
        if found is not None:
            return Said(found.answer or b"", recorded=True)
        content = make()
        self._keep(self._asked(channel, task_key, request), content)
        return Said(content)

    def counted(self, task_key: str, request: bytes, count: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        """Return what is known of the calls made; in a replay what was known then, which other runs had part in."""
        asked, past = self._asked(Channel.COUNTED, task_key, request), self.record.past
        known = None if past is None else past.known(asked)
        content = canonical_bytes(dict(count())) if known is None else known.answer or b""
        self._keep(asked, content)
        found: Mapping[str, Any] = json.loads(content)
        return found

    def kept(self, channel: Channel, task_key: str, request: bytes, answer: bytes) -> None:
        """Record what was answered elsewhere."""
        self._keep(self._asked(channel, task_key, request), answer)

    def _asked(self, channel: Channel, task_key: str, request: bytes) -> Taped:
        return Taped(channel, self.record.stage, self.record.revision, task_key, request, None)

    def _recalled(self, channel: Channel, task_key: str, request: bytes) -> Taped | None:
        past = self.record.past
        if past is None:
            return None
        asked = self._asked(channel, task_key, request)
        try:
            found = past.answer(asked)
        except RecordingMissing:
            self.record.taped.append(asked)
            raise
        if found is not None:
            self._keep(asked, found.answer or b"")
        return found

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
            return raised(exc)

    content = (await tape.through(channel, task_key, request, whole)).content
    if (error := error_in(content)) is not None:
        raise error
    return json.loads(content)["answer"]


def raised(error: ColonyError) -> bytes:
    """Return how an error of Colony's own tree is recorded: it is an answer, too."""
    said = {"type": type(error).__name__, "code": error.code, "message": error.message, "hint": error.hint}
    return canonical_bytes({"error": said})


def error_in(content: bytes) -> ColonyError | None:
    """Return the error that was recorded as an answer, if it is one."""
    said = json.loads(content)
    if not isinstance(said, dict) or "error" not in said:
        return None
    kind = getattr(errors, said["error"]["type"], ColonyError)
    return kind(said["error"]["message"], code=said["error"]["code"], hint=said["error"]["hint"])


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


def noted(record: Taping, contracts: Iterable[Contract]) -> None:
    """Note on the tape that artifacts were made."""
    for one in contracts:
        note = made(one, record.stage, record.revision)
        record.taped.append(note)
        if record.past is not None:
            record.past.known(note)


STEP = "step"
"""What a role said beside its artifacts is noted like one, under this name."""


def said(record: Taping, *what: Any) -> None:
    """Note what a step said, in plain JSON: its hash alone is kept."""
    note = Taped(
        Channel.ARTIFACT, record.stage, record.revision, "", request_of(STEP, ""), None, answer_sha256=digest(what)
    )
    record.taped.append(note)
    if record.past is not None:
        record.past.known(note)


def made(contract: Contract, stage: Stage, revision: int) -> Taped:
    """Return the note that an artifact was made; its bytes are kept with it."""
    task_key = str(getattr(contract, "task_key", ""))
    named = [kind_of(contract).value, task_key]
    if isinstance(contract, PolicyDecision):
        # Under other rules the same answer to the same question is another artifact: it is told apart by this.
        named += [contract.question_sha256, contract.outcome.value]
    name, sha256 = request_of(*named), contract.sha256()
    return Taped(Channel.ARTIFACT, stage, revision, task_key, name, None, answer_sha256=sha256)
