"""The driver: one run of one mission, from where it is to where it ends or waits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial
from typing import Any, Protocol, cast

import structlog
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.errors import GraphDrained
from langgraph.runtime import RunControl
from langgraph.types import Command, StateSnapshot

from contracts.base import InterruptId
from contracts.errors import BudgetExceeded, ColonyError, FenceLost, IntegrityBroken, StoreRefused, StoreUnavailable
from contracts.events import EventType, NewEvent
from contracts.ports import LedgerPort, Mission, Ports
from contracts.state import SCHEMA_VERSION, MissionState
from contracts.stateflow import Stage, Status
from contracts.unbroken import unbroken
from graph.context import Governance, Record, RunContext
from graph.failures import noted, outcome_of
from graph.leases import LeaseKeeper
from graph.past import Past
from graph.topology import Compiled, compiled
from graph.tracing import run_of
from graph.turns import InTurn, Turns

_log = structlog.get_logger(__name__)
_MOST_STEPS = 60
_STOPPING_S = 10.0
_TIME_IS_UP = "time_budget_exceeded"


class Session(Protocol):
    """A claimed mission with its ledger and checkpointer."""

    @property
    def mission(self) -> Mission:
        """The mission as it was claimed."""
        ...

    @property
    def ledger(self) -> LedgerPort:
        """The mission's view of the store."""
        ...

    @property
    def saver(self) -> BaseCheckpointSaver[str]:
        """The mission's checkpointer."""
        ...


class SessionPort(Protocol):
    """Opens sessions."""

    def open(
        self, mission_id: str, tenant_id: str, *, alone: bool = False
    ) -> AbstractAsyncContextManager[Session | None]:
        """Claim a mission for the block, or give None.

        Raises:
            RunsAlone: it is claimed only where nothing else runs.
        """
        ...


MakePorts = Callable[[Mission, LedgerPort, Record], Ports]


class Runner:
    """Runs missions, each in a session of its own. Safe to call for any mission at any time."""

    def __init__(
        self,
        sessions: SessionPort,
        keeper: LeaseKeeper,
        make_ports: MakePorts,
        governance: Governance,
        graph: Compiled | None = None,
    ) -> None:
        self._sessions = sessions
        self._keeper = keeper
        self._make_ports = make_ports
        self._governance = governance
        self._graph = graph or compiled()
        self._controls: set[RunControl] = set()
        self._turns = Turns()
        self.draining = False

    def drain(self) -> None:
        """Let every run stop at its next step boundary; no new one begins."""
        self.draining = True
        for control in self._controls:
            control.request_drain()

    async def run(self, mission_id: str, tenant_id: str, *, alone: bool = False) -> None:
        """Run a mission until it ends, waits for a person, is taken over or drained.

        Args:
            mission_id: the mission.
            tenant_id: whose it is.
            alone: nothing else runs in this process.

        Raises:
            RunsAlone: something else may run here, and this mission has had processes die with it.
        """
        if self.draining:
            return
        log = _log.bind(mission_id=mission_id)
        try:
            with self._turns.at_work(tenant_id):
                async with self._sessions.open(mission_id, tenant_id, alone=alone) as session:
                    if session is not None:
                        with run_of(session.mission):
                            await self._hold(session)
        except FenceLost:
            log.info("run stopped: another process owns the mission")
        except StoreRefused:
            log.exception("run stopped: the store could not do what the mission needs")
        except StoreUnavailable:
            log.warning("run stopped: the store is away; the mission goes on from its last step")

    async def _hold(self, session: Session) -> None:
        """Drive in a task of its own, so that losing the lease ends the run and not the worker that hosts it."""
        driver = asyncio.create_task(self._drive(session), name=f"mission {session.mission.mission_id}")
        async with self._keeper.keep(session.mission, driver, lambda: session.ledger.released):
            try:
                await asyncio.wait([driver])
            except asyncio.CancelledError:
                if not driver.cancelling():
                    driver.cancel()
                await unbroken(asyncio.wait([driver], timeout=_STOPPING_S))
                raise
            if driver.cancelled():
                raise FenceLost("the mission's lease could not be kept")
            driver.result()

    async def _drive(self, session: Session) -> None:
        control = RunControl()
        self._controls.add(control)
        if self.draining:  # since this mission was claimed
            control.request_drain()
        began = time.monotonic()
        try:
            await self._invoke(session, control)
        except GraphDrained:
            async with session.ledger.unit() as unit:
                await unit.release_lease()
        except ColonyError as exc:
            if isinstance(exc, FenceLost | StoreUnavailable):
                raise
            await _fail(session, exc)
        finally:
            self._controls.discard(control)
            _log.debug("run ended", mission_id=session.mission.mission_id, seconds=round(time.monotonic() - began, 3))

    async def _invoke(self, session: Session, control: RunControl) -> None:
        mission = session.mission
        config: RunnableConfig = {"configurable": {"thread_id": mission.mission_id}, "recursion_limit": _MOST_STEPS}
        graph = self._graph.copy(update={"checkpointer": session.saver})
        snapshot = await graph.aget_state(config)
        _check(mission, snapshot)
        entry = await _entry(graph, config, snapshot, session)
        if entry is _WAIT:
            await _park(session)
            return
        record = Record(envelope=mission.envelope, reserved=mission.tokens_reserved)
        if mission.rehearsal is not None:
            record.past = Past(mission.rehearsal, await session.ledger.tape(mission.rehearsal.of))
        turn = partial(self._turns.take, mission.tenant_id)
        ports = self._make_ports(mission, session.ledger, record)
        ports = replace(ports, model=InTurn(ports.model, turn))
        memo = (mission.step_key, mission.step_update or {}) if mission.step_key else None
        ctx = RunContext(mission, ports, session.ledger, self._governance, record, cast("Any", memo))
        ctx.turn = turn
        left_ms = mission.time_budget_ms - mission.time_spent_ms
        try:
            async with asyncio.timeout(left_ms / 1000):
                asks = await self._through(graph, entry, config, ctx, control)
        except TimeoutError:
            await _fail(session, BudgetExceeded("the mission's time budget is used up", code=_TIME_IS_UP), record)
            return
        if asks:
            await _park(session, asked=ctx.asked)

    async def _through(
        self, graph: Compiled, entry: Any, config: RunnableConfig, ctx: RunContext, control: RunControl
    ) -> bool:
        """Run the graph from an entry; tells whether it stopped to ask a person."""
        result = await graph.ainvoke(entry, config, context=ctx, durability="sync", control=control)
        return "__interrupt__" in result


_WAIT = object()


def _check(mission: Mission, snapshot: StateSnapshot) -> None:
    """Hold the admitted envelope against the hash in the state."""
    ref = snapshot.values.get("envelope") if snapshot.values else None
    if ref is not None and (mission.envelope is None or mission.envelope.sha256() != ref["sha256"]):
        raise IntegrityBroken("the stored envelope is not the one that was admitted")


async def _entry(graph: Compiled, config: RunnableConfig, snapshot: StateSnapshot, session: Session) -> Any:
    """Return what to invoke the graph with to go on from where the mission is."""
    if snapshot.created_at is None:
        return _initial(session.mission)
    if snapshot.interrupts:
        interrupt_id = snapshot.interrupts[0].id
        decision = await session.ledger.decision(InterruptId(interrupt_id))
        return _WAIT if decision is None else Command(resume={interrupt_id: decision.verdict})
    if snapshot.next:
        return None
    outcome = snapshot.values.get("outcome")
    if outcome and outcome["status"] == Status.FAILED:
        await _rewind(graph, config, outcome["stage"])
        return None
    raise IntegrityBroken("the mission's checkpoint has nothing next, but the mission has not ended")


async def _rewind(graph: Compiled, config: RunnableConfig, stage: str) -> None:
    """Fork the thread at the last checkpoint before the stage that failed, so that a retry runs it again."""
    async for past in graph.aget_state_history(config):
        if stage in past.next and not past.values.get("outcome"):
            await graph.aupdate_state(past.config, None, as_node="__copy__")
            return
    raise IntegrityBroken("the stage that failed can't be found in the mission's history")


def _initial(mission: Mission) -> MissionState:
    return MissionState(
        schema_version=SCHEMA_VERSION,
        graph_version=mission.graph_version,
        mission_id=mission.mission_id,
        tenant_id=mission.tenant_id,
        revision=1,
    )


async def _park(session: Session, *, asked: bool = False) -> None:
    """Let the mission wait for a person, holding no job, no worker and no connection.

    ``asked`` in this run, it waits already.
    """
    async with session.ledger.unit() as unit:
        if not asked:
            await unit.move(Status.AWAITING_APPROVAL)
        await unit.release_lease()


async def _fail(session: Session, error: ColonyError, record: Record | None = None) -> None:
    """End a mission that failed outside any role, or at the end of its time within one."""
    outcome = outcome_of(record.stage.value if record else Stage.FAILED.value, error)
    async with session.ledger.unit() as unit:
        if record is not None:
            await record.store(unit)
        unit.record(*noted(outcome), NewEvent(event_type=EventType.MISSION_FAILED, payload=dict(outcome)))
        await unit.move(Status.FAILED, failure=outcome)
        await unit.release_lease()
