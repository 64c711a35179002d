"""Points at which a worker can be killed or stopped, hung around its parts from outside; the product has none.

Each point has a name: `checkpoint[3].before`, `commit[planner:1].after`, `write[note].after` … A worker in trace mode
notes every point it passes, which is how the harness knows all of them, those of a node added tomorrow included.
"""

import functools
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from adapters.events.kafka import KafkaChannel
from adapters.models.port import LangChainModels
from adapters.postgres.claims import Claims
from adapters.postgres.ledger import RunLedger
from adapters.postgres.saver import StepSaver
from adapters.postgres.unit import Unit
from adapters.root.client import RootClient
from adapters.root.tools import RootTools
from adapters.root.writer import RootWriter
from contracts.evidence import WorkerResult
from contracts.ports import Allowance, ModelCall
from graph.metering import Budget

Label = Callable[..., str]


class Points:
    """What is to happen at which point: ``kill`` and ``stop`` name one each, ``poison`` a lead that kills its reader.

    ``note`` is the file of what happened.
    """

    def __init__(self, note: Path, **what: Any) -> None:
        self._note = note
        self._kill: str | None = what.get("kill")
        self._stop: str | None = what.get("stop")
        self._poison: str | None = what.get("poison")
        self._trace = bool(what.get("trace"))

    def passed(self, name: str) -> None:
        """Pass a point, unless it is the one."""
        if self._trace:
            self._write("passed", name)
        if name == self._kill or (self._poison and name == f"lead[{self._poison}].before"):
            self._write("killed", name)
            os.kill(os.getpid(), signal.SIGKILL)
        if name == self._stop:
            self._stop = None
            self._write("stopped", name)
            os.kill(os.getpid(), signal.SIGSTOP)

    def spent(self, mission_id: str, tokens: int) -> None:
        """Note what a model call used, whether or not its process lives to store it."""
        self._write("spent", "model", mission_id=mission_id, tokens=tokens)

    def _write(self, what: str, name: str, **known: Any) -> None:
        line = json.dumps({"what": what, "point": name, "pid": os.getpid(), "at": time.time(), **known}) + "\n"
        out = os.open(self._note, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(out, line.encode())
        os.close(out)


def hang(points: Points) -> None:
    """Hang the points around this process's parts."""
    _around(points, StepSaver, "aput", lambda _s, _c, _k, metadata, *_, **__: f"checkpoint[{metadata.get('step')}]")
    _around(points, StepSaver, "aput_writes", lambda *_, **__: "pending-writes")
    _around(points, Claims, "claim", lambda *_, **__: "claim")
    _around(points, RootTools, "call", lambda _s, _key, tool, *_, **__: f"tool[{tool}]")
    _around(points, RootClient, "get_lead", lambda _s, _tenant, lead_id: f"lead[{lead_id}]")
    _around(points, KafkaChannel, "deliver", lambda *_: "relay")
    _around(points, LangChainModels, "fill", lambda _s, _tier, output, *_, **__: f"model[{output.__name__}]")
    _around(points, RootWriter, "send", lambda _s, _tenant, proposal, *_, **__: f"write[{proposal.operation}]")
    _name_units()
    _around_units(points)
    _beside_the_meter(points)


def _around(points: Points, owner: type, method: str, label: Label) -> None:
    inner: Callable[..., Awaitable[Any]] = getattr(owner, method)

    @functools.wraps(inner)
    async def outer(*args: Any, **kwargs: Any) -> Any:
        name = label(*args, **kwargs)
        points.passed(f"{name}.before")
        result = await inner(*args, **kwargs)
        points.passed(f"{name}.after")
        return result

    setattr(owner, method, outer)


_NAMES: Mapping[str, Callable[..., str | None]] = {
    "enter": lambda _stage, step_key, _update: step_key,
    "ask_person": lambda *_: "question",
    "intend": lambda proposal, _key: f"intent:{proposal.operation}",
    "settle": lambda proposal, _outcome: f"outcome:{proposal.operation}",
    "release_lease": lambda: "release",
    "put": lambda _revision, artifacts: next(
        (f"result:{a.task_key}" for a in artifacts if isinstance(a, WorkerResult)), None
    ),
}


def _name_units() -> None:
    """Let a unit of work be called after what it stores."""
    for method, name in _NAMES.items():
        inner = getattr(Unit, method)

        @functools.wraps(inner)
        async def outer(unit: Any, *args: Any, _inner: Any = inner, _name: Any = name, **kwargs: Any) -> Any:
            unit.called = getattr(unit, "called", None) or _name(*args, **kwargs)
            return await _inner(unit, *args, **kwargs)

        setattr(Unit, method, outer)


def _around_units(points: Points) -> None:
    unit_of, flush = RunLedger.unit, Unit.flush

    async def flushed(unit: Unit) -> None:
        await flush(unit)
        points.passed(f"commit[{_called(unit)}].before")

    @asynccontextmanager
    async def unit(ledger: RunLedger) -> AsyncIterator[Unit]:
        async with unit_of(ledger) as one:
            yield one
        points.passed(f"commit[{_called(one)}].after")

    setattr(Unit, "flush", flushed)  # noqa: B010
    setattr(RunLedger, "unit", unit)  # noqa: B010


def _beside_the_meter(points: Points) -> None:
    settle = Budget.settle

    @functools.wraps(settle)
    def settled(self: Budget, allowance: Allowance, call: ModelCall) -> None:
        points.spent(self._mission.mission_id, call.tokens_in + call.tokens_out)
        settle(self, allowance, call)

    setattr(Budget, "settle", settled)  # noqa: B010


def _called(unit: Unit) -> str:
    return getattr(unit, "called", None) or "other"
