"""The past of a mission that is run again: what its original was answered, in the order and as often as it asked."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from contracts.decisions import ApprovalDecision
from contracts.errors import RecordingMissing
from contracts.lineage import Rehearsal
from contracts.stateflow import Stage
from contracts.tape import PUT_ASIDE, Channel, Taped

CUT_OFF, ASIDE, BROKE = b"cut off", PUT_ASIDE.encode(), b"broke"
"""What is recorded where nothing was answered: time was up, another task failed, or what was to answer broke."""
PEOPLE = frozenset({Channel.PERSON, Channel.WRITE})
_LOOK_S, _LONGEST_S = 0.01, 5.0
_Key = tuple[Channel, Stage, int, str, str]


class CutOff(TimeoutError):
    """Whoever waited for this answer had no more time then."""


class Broke(Exception):
    """What was to answer broke then, of a defect."""


def is_cut_off(one: Taped) -> bool:
    """Tell whether nobody had the time to wait for an answer."""
    return one.answer in {CUT_OFF, ASIDE}


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
    _newest: list[Taped] = field(init=False)
    _answers: dict[_Key, deque[Taped]] = field(init=False, default_factory=lambda: defaultdict(deque))
    _to_come: dict[int, Taped] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._newest = newest(self.tape)
        self._to_come = {id(one): one for one in self._newest}
        for one in self._newest:
            if one.channel is Channel.ARTIFACT or one.answer is not None:
                self._answers[_key(one)].append(one)

    def decision(self) -> ApprovalDecision | None:
        """Return what people decided then, the last time that they were asked."""
        found = [one for one in self._newest if one.channel is Channel.PERSON and one.answer is not None]
        return ApprovalDecision.model_validate_json(found[-1].answer or b"") if found else None

    def known(self, asked: Taped) -> Taped | None:
        """Return what was recorded of this then, the nth time that it comes the nth; None: nothing, or all is live."""
        live = self.rehearsal.mode == "live" and asked.channel not in PEOPLE
        found = None if live else self._answers.get(_key(asked))
        if not found:
            return None
        self._to_come.pop(id(found[0]), None)
        return found.popleft()

    def answer(self, asked: Taped) -> Taped | None:
        """Return what was answered then; None: it is to be asked.

        Raises:
            RecordingMissing: it was never asked, and the replay is to say so.
        """
        found = self.known(asked)
        if found is not None or asked.channel in PEOPLE or "live" in {self.rehearsal.mode, self.rehearsal.on_missing}:
            return found
        raise RecordingMissing(
            f"{self.rehearsal.of} was never asked this ({asked.channel.value}"
            f"{f' of {asked.task_key}' if asked.task_key else ''}, request {asked.request_sha256[:16]})"
        )

    async def played(self, found: Taped) -> bytes:
        """Return a recorded answer, or let what came of there being none come again, after what came before it.

        Raises:
            CutOff: there was no time for the answer.
            Broke: what was to answer broke.
            RecordingMissing: it was stopped by the failure of another task, which does not come again.
        """
        if found.answer == BROKE:
            raise Broke
        if is_cut_off(found):
            waited = 0.0
            while waited < _LONGEST_S and (found.answer == ASIDE or any(self._before(found))):
                await asyncio.sleep(_LOOK_S)
                waited += _LOOK_S
            if found.answer == CUT_OFF:
                raise CutOff
            raise RecordingMissing("another task's failure stopped its original here, and did not come again")
        return found.answer or b""

    def _before(self, found: Taped) -> Iterator[Taped]:
        for one in self._newest:
            if one is found:
                return
            if id(one) in self._to_come and (one.stage, one.revision) == (found.stage, found.revision):
                yield one


def _key(one: Taped) -> _Key:
    return (one.channel, one.stage, one.revision, one.task_key, one.request_sha256)
