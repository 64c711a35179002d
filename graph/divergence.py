"""Two tapes side by side: whether a replay asked, was answered and made the same, and where it first did not."""

from __future__ import annotations

import difflib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from contracts.registry import Kind
from contracts.stateflow import Stage, Status
from contracts.tape import Channel, Taped
from graph.past import is_cut_off, newest
from graph.tape import STEP

_ORDER = {stage: n for n, stage in enumerate(Stage)}
_MOST_LINES, _LONGEST_LINE = 12, 240
_Name = tuple[Stage, int, str, Channel]


@dataclass(frozen=True)
class Compared:
    """What came of the comparison; ``report`` is plain JSON."""

    identical: bool
    report: dict[str, Any]


@dataclass(frozen=True)
class Ended:
    """How a mission ended, or where it rests."""

    status: Status
    failure: Mapping[str, Any] | None = None

    @property
    def stopped(self) -> bool:
        """Whether it was stopped where it was, by a person or by its time: what it would have done then nobody knows.

        Of an approval that nobody answered a replay knows as much as of one that waits.
        """
        return self.status in _STOPPED or (self.failure or {}).get("code") in _STOPPED_BY

    @property
    def told(self) -> dict[str, Any]:
        """How it ended, as it is compared."""
        return {"status": self.status.value, "code": (self.failure or {}).get("code")}


_STOPPED = frozenset({Status.CANCELLED, Status.EXPIRED, Status.AWAITING_APPROVAL})
_STOPPED_BY = frozenset({"failed_by_operator", "time_budget_exceeded"})


def compared(
    original: Sequence[Taped],
    replay: Sequence[Taped],
    ends: tuple[Ended, Ended],
    begins: tuple[int, Stage] | None = None,
) -> Compared:
    """Hold a replay's tape against its original's.

    Compared are requests by their bytes and artifacts by their hashes, stage by stage, revision by revision and task
    by task; the order between tasks that run side by side is nobody's. Nothing is normalised: no artifact holds a
    mission's id or the hour. What people decided and what was written is played back, and not compared. Where the
    original was stopped it is compared as far as it came.

    Args:
        original: the tape that was played.
        replay: the tape that the replay made.
        ends: how the original ended, and how the replay did.
        begins: revision and stage of the checkpoint that the replay began at.
    """
    was = [
        one for one in original if begins is None or (one.revision, _ORDER[one.stage]) >= (begins[0], _ORDER[begins[1]])
    ]
    is_now, needed = newest(replay), newest(was)
    if not any(map(_is_step, was)):  # recorded before that was noted
        is_now = [one for one in is_now if not _is_step(one)]
    artifacts = [one for one in is_now if one.channel is Channel.ARTIFACT]
    same, differing = _matched(was, is_now)
    missing = _matched(is_now, needed)[1]
    stopped = ends[0].stopped
    if stopped:
        differing, missing = _as_far_as_it_came(differing, missing, is_now, was)
    asked = {_place(one) for one in was if _decides(one)}
    ruled = [one for one in differing if _decides(one) and _place(one) in asked]
    said = {_place(one) for one in ruled}
    missing = [one for one in missing if _place(one) not in said]
    first = next((one for one in differing if one not in ruled), None) or next(iter([*missing, *ruled]), None)
    call = next((one for one in differing if one.channel is not Channel.ARTIFACT), None)
    end = None if stopped or ends[0].told == ends[1].told else _otherwise(*ends, is_now)
    report: dict[str, Any] = {
        "identical": first is None and end is None,
        "artifacts": len(artifacts),
        "artifacts_identical": sum(one.channel is Channel.ARTIFACT for one in same),
        "calls": len(is_now) - len(artifacts),
        "under_other_rules": len(ruled),
        "stopped": stopped,
        "by_stage": _counted(is_now),
        "first_divergence": end if first is None else _divergence(first, was, absent=first in missing),
        "first_call": None if call is None else _divergence(call, was, absent=False),
    }
    return Compared(report["identical"], report)


def _place(one: Taped) -> tuple[Stage, int, str]:
    return (one.stage, one.revision, one.request_sha256)


def _as_far_as_it_came(
    differing: Sequence[Taped], missing: Sequence[Taped], made: Sequence[Taped], was: Sequence[Taped]
) -> tuple[list[Taped], list[Taped]]:
    """Leave out what lies behind the place where the original was stopped: the first requests that it never made.

    Where the original asked something else instead, it was not stopped there. A replay ends at the first such request,
    or at the one that the original's time was up with, so of the tasks beside it nothing can be said.
    """
    instead = {_name(one) for one in missing}
    beyond = [one for one in differing if _is_request(one) and one.answer is None and _name(one) not in instead]
    stages = {(one.stage, one.revision) for one in (*beyond, *filter(is_cut_off, made))}
    kept = {one.task_key for one in beyond} - {""}
    last = max(((one.revision, _ORDER[one.stage]) for one in was), default=(1, 0))
    later = [one for one in differing if _after(one, last)]
    return (
        [one for one in differing if one not in beyond and one not in later],
        [one for one in missing if (one.stage, one.revision) not in stages or one.task_key in kept],
    )


def _after(one: Taped, last: tuple[int, int]) -> bool:
    """Tell whether something belongs to a stage that the original never came to, or to a write that it never made."""
    at = (one.revision, _ORDER[one.stage])
    return at > last or (at == last and one.channel is Channel.WRITE)


def _is_request(one: Taped) -> bool:
    return one.channel is not Channel.ARTIFACT


def _otherwise(original: Ended, replay: Ended, made: Sequence[Taped]) -> dict[str, Any]:
    """Say that a replay that made the same ended otherwise."""
    last = made[-1] if made else None
    return {
        "stage": str((replay.failure or original.failure or {}).get("stage") or (last.stage if last else "")),
        "revision": last.revision if last else 1,
        "task_key": None,
        "channel": "end",
        "call": "the mission's end",
        "expected": original.told,
        "found": replay.told,
    }


def _matched(there: Iterable[Taped], here: Iterable[Taped]) -> tuple[list[Taped], list[Taped]]:
    """Return which of ``here`` are also there, as often, and which are not, in their order."""
    left = Counter(_identity(one) for one in there)
    same: list[Taped] = []
    differing: list[Taped] = []
    for one in here:
        if one.channel in _PLAYED:
            continue
        name = _identity(one)
        # An artifact that is made again is the same artifact; a request that is sent again is another one.
        unanswered = one.answer is None and one.channel is not Channel.ARTIFACT
        if left[name] > 0 and not unanswered:
            left[name] -= one.channel is not Channel.ARTIFACT
            same.append(one)
        else:
            differing.append(one)
    return same, differing


def _decides(one: Taped) -> bool:
    return _makes(one) == Kind.POLICY_DECISION


def _is_step(one: Taped) -> bool:
    return _makes(one) == STEP


def _makes(one: Taped) -> str | None:
    return str(json.loads(one.request)[0]) if one.channel is Channel.ARTIFACT else None


_PLAYED = frozenset({Channel.PERSON, Channel.COUNTED})


def _name(one: Taped) -> _Name:
    return (one.stage, one.revision, one.task_key, one.channel)


def _identity(one: Taped) -> tuple[_Name, str, str | None]:
    made = one.answer_sha256 if one.channel is Channel.ARTIFACT else None
    return (_name(one), one.request_sha256, made)


def _counted(tape: Iterable[Taped]) -> dict[str, dict[str, int]]:
    counted: dict[str, Counter[str]] = defaultdict(Counter)
    for one in tape:
        counted[one.stage.value][one.channel.value] += 1
    return {stage: dict(sorted(channels.items())) for stage, channels in counted.items()}


def _divergence(one: Taped, was: Sequence[Taped], *, absent: bool) -> dict[str, Any]:
    """Say what differs first, beside what stood in its place."""
    peers = [other for other in newest(was) if _name(other) == _name(one)]
    peers = [other for other in peers if _makes(other) == _makes(one)]
    other = None if absent else _closest(one, peers)
    told: dict[str, Any] = {
        "stage": one.stage.value,
        "revision": one.revision,
        "task_key": one.task_key or None,
        "channel": one.channel.value,
        "call": _called(one),
        "expected": _shown(one) if absent else _shown(other) if other else None,
        "found": None if absent else _shown(one),
    }
    if other is not None and one.channel is not Channel.ARTIFACT:
        told["diff"] = list(_diff(_lines(other.request), _lines(one.request)))
    return told


def _closest(one: Taped, peers: Sequence[Taped]) -> Taped | None:
    lines = set(_lines(one.request))
    return max(peers, key=lambda other: len(lines & set(_lines(other.request))), default=None)


def _shown(one: Taped) -> dict[str, Any]:
    if one.channel is Channel.ARTIFACT:
        return {"sha256": one.answer_sha256}
    return {"request_sha256": one.request_sha256, "bytes": len(one.request)}


def _called(one: Taped) -> str:
    """Return the call's name, for people."""
    said = json.loads(one.request)
    match one.channel:
        case Channel.MODEL:
            return f"model: fill {said['schema']}"
        case Channel.TOOL:
            return f"tool: {said[0]}"
        case Channel.ARTIFACT:
            return "what the step said" if said[0] == STEP else f"artifact: {said[0]}"
        case _:
            return one.channel.value


def _lines(request: bytes) -> list[str]:
    """Return a request one value a line, so that a word that was changed is a line that differs."""
    return list(_leaves(json.loads(request), ""))


def _leaves(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, str) and value[:1] in {"{", "["}:
        with suppress(ValueError):
            value = json.loads(value)
    match value:
        case dict():
            for key in sorted(value):
                yield from _leaves(value[key], f"{path}.{key}" if path else str(key))
        case list():
            for n, held in enumerate(value):
                yield from _leaves(held, f"{path}[{n}]")
        case str():
            for line in value.splitlines() or [""]:
                yield f"{path}: {line}"
        case _:
            yield f"{path}: {json.dumps(value)}"


def _diff(before: list[str], after: list[str]) -> Iterator[str]:
    told = 0
    for line in difflib.unified_diff(before, after, n=0, lineterm=""):
        if line.startswith(("---", "+++", "@@")):
            continue
        if told == _MOST_LINES:
            yield "…"
            return
        told += 1
        yield line[:_LONGEST_LINE]
