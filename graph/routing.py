"""Where a mission goes from a stage: pure, from the state alone. The legal moves are those of the stateflow table."""

from __future__ import annotations

from contracts.state import MissionState
from contracts.stateflow import STATEFLOW, Stage, Status

_STRAIGHT = {
    Stage.ADMISSION: Stage.PLANNER,
    Stage.PLANNER: Stage.PROMPT_MASTER,
    Stage.PROMPT_MASTER: Stage.LIBRARIAN,
    Stage.LIBRARIAN: Stage.RESEARCHER,
    Stage.RESEARCHER: Stage.WORKERS,
    Stage.WORKERS: Stage.AGGREGATOR,
    Stage.AGGREGATOR: Stage.REVIEWER,
    Stage.WRITEBACK: Stage.FINALIZE,
}


def next_stage(stage: Stage, state: MissionState) -> Stage | None:
    """Return the stage that follows, or None when the mission ends here.

    Raises:
        RuntimeError: the stateflow table doesn't allow the move.
    """
    to = _wanted(stage, state)
    flow = STATEFLOW[stage]
    if to is not None and to not in flow.next and to is not flow.fallback:
        raise RuntimeError(f"the stateflow table does not lead from {stage} to {to}")
    return to


def _wanted(stage: Stage, state: MissionState) -> Stage | None:
    if not STATEFLOW[stage].next:
        return None
    if outcome := state.get("outcome"):
        return Stage.BLOCKED if outcome["status"] == Status.BLOCKED else Stage.FAILED
    if stage is Stage.REVIEWER:
        return {"release": Stage.RELEASE_GATE, "revise": Stage.RESEARCHER}.get(state["verdict"], Stage.BLOCKED)
    if stage is Stage.RELEASE_GATE:
        return Stage.WRITEBACK if state["release"].get("granted") else Stage.FINALIZE
    return _STRAIGHT[stage]
