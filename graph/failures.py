"""What becomes of an error that a role raised: a mission that ends legibly, or a run that stops for another process."""

from __future__ import annotations

import asyncio

import structlog
from langgraph.errors import NodeError, NodeTimeoutError
from langgraph.runtime import Runtime
from langgraph.types import Command

from contracts.errors import ColonyError, FenceLost, StoreUnavailable, Unavailable
from contracts.events import EventType, NewEvent
from contracts.state import MissionState, OutcomeState
from contracts.stateflow import STATEFLOW, Stage, Status
from graph.context import RunContext
from graph.past import CutOff

_log = structlog.get_logger(__name__)

# The mission is not at fault: the run stops, and whoever has the mission next goes on from the last step.
_RUN_STOPS = (FenceLost, StoreUnavailable, asyncio.CancelledError)


def is_hiccup(error: BaseException) -> bool:
    """Tell whether trying a node again may help: something outside did not answer."""
    return isinstance(error, Unavailable) and not isinstance(error, StoreUnavailable)


async def on_error(state: MissionState, error: NodeError, runtime: Runtime[RunContext]) -> Command[str]:
    """Send the mission to ``failed`` with a reason a person can read; nothing internal gets out.

    Raises:
        FenceLost: as it came; another process owns the mission now.
        StoreUnavailable: as it came; nothing can be stored at present.
    """
    if isinstance(error.error, _RUN_STOPS):
        raise error.error
    ctx = runtime.context
    key = f"error:{error.node}"
    was, gave = ctx.recall()
    if was == key:  # stored before its checkpoint was: what is left of the error by now says less
        return Command(goto=Stage.FAILED.value, update=gave)
    outcome = outcome_of(error.node, error.error)
    async with ctx.ledger.unit() as unit:
        await ctx.record.store(unit)
        unit.record(*noted(outcome))
        unit.record(NewEvent(event_type=EventType.STAGE_ENTERED, payload={"stage": Stage.FAILED.value}))
        await unit.enter(Stage.FAILED, key, {"outcome": outcome})
    return Command(goto=Stage.FAILED.value, update={"outcome": outcome})


def outcome_of(node: str, error: BaseException) -> OutcomeState:
    """Say what failed, where, and what to do."""
    status = Status.FAILED.value
    match error:
        case ColonyError():
            return OutcomeState(
                status=status, code=error.code, reason=error.message, stage=node, hint=error.hint or _RETRY
            )
        case NodeTimeoutError():
            return _too_slow(node, error.timeout)
        case CutOff():
            return _too_slow(node, STATEFLOW[Stage(node)].timeout_ms / 1000)
        case _:
            _log.error("a role failed unexpectedly", stage=node, exc_info=error)
            reason = "something inside Colony went wrong; its log has the details"
            return OutcomeState(status=status, code="internal_error", reason=reason, stage=node, hint=_RETRY)


def _too_slow(node: str, limit_s: float) -> OutcomeState:
    reason = f"the stage took longer than {limit_s:.0f} s"
    return OutcomeState(status=Status.FAILED.value, code="stage_timeout", reason=reason, stage=node, hint=_RETRY)


_RETRY = "Mend the cause, then `colony missions retry`: finished work is kept."


def noted(outcome: OutcomeState) -> list[NewEvent]:
    """Return what is recorded of a failure besides that the mission failed: that a budget is used up."""
    if outcome["code"].endswith("budget_exceeded"):
        return [NewEvent(event_type=EventType.BUDGET_EXCEEDED, payload={"code": outcome["code"]})]
    return []
