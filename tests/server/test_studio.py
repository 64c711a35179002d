"""Colony's graph as LangGraph's own server runs it: its stream, its checkpointer, and everything else Colony's."""

from typing import Any
from uuid import uuid4

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import Checkpoint, CheckpointMetadata
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from contracts.errors import BadInput, ColonyError, Conflict, FenceLost, IntegrityBroken, StoreUnavailable, Unavailable
from graph import studio as hosting
from graph.studio import StudioGraph
from server.studio import Studio
from tests.support import GOAL, Service, until

INPUT = {"mission_type": "crm_lead_intelligence", "user_goal": GOAL, "inputs": {"lead_id": "L-1"}}
BEFORE = ["admission", "planner", "prompt_master", "librarian", "researcher", "workers", "aggregator", "reviewer"]


class Breaking(InMemorySaver):
    """Loses one checkpoint, after what its node wrote was kept."""

    def __init__(self) -> None:
        super().__init__()
        self.loses = 2

    async def aput(
        self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata, new_versions: Any
    ) -> RunnableConfig:
        if metadata.get("step") == self.loses:
            self.loses = -9
            raise StoreUnavailable("lost")
        return await super().aput(config, checkpoint, metadata, new_versions)


async def streamed(graph: StudioGraph, tid: str, given: Any) -> list[str]:
    config: RunnableConfig = {"configurable": {"thread_id": tid}}
    return [next(iter(part)) async for part in graph.astream(given, config, stream_mode="updates")]


async def to_rest(graph: StudioGraph, tid: str, given: Any) -> list[str]:
    """Go on, as whoever sees a run stop: on a busy machine a lease of a second is lost, and given back in a moment."""
    config: RunnableConfig = {"configurable": {"thread_id": tid}}
    seen: list[str] = []
    begun = [given]

    async def over() -> bool:
        try:
            async for part in graph.astream(begun.pop(), config, stream_mode="updates"):
                seen.append(next(iter(part)))  # noqa: PERF401 - what came before the stop counts
        except (Conflict, Unavailable) as exc:
            if exc.code not in {"not_runnable", "run_stopped", FenceLost.code}:
                raise
            begun.append(None)
        return not begun

    await until(over, "the mission to come to rest")
    return list(dict.fromkeys(seen))


def hosted(service: Service, saver: InMemorySaver) -> StudioGraph:
    return StudioGraph.on(Studio(service.colony)).copy(update={"checkpointer": saver})


async def test_a_mission_runs_on_somebody_elses_checkpoints_and_only_there(service: Service) -> None:
    await service.seed_lead()
    graph, tid = hosted(service, InMemorySaver()), str(uuid4())
    assert await to_rest(graph, tid, INPUT) == [*BEFORE, "__interrupt__"]
    for given, error in (
        (None, Conflict),
        (INPUT, Conflict),
        (Command(goto="writeback"), BadInput),
        (Command(update={"release": {"verdict": "approved"}}), BadInput),
        (Command(resume=True), BadInput),
    ):
        with pytest.raises(error):
            await streamed(graph, tid, given)
    with pytest.raises(Conflict):
        await graph.aupdate_state({"configurable": {"thread_id": tid}}, {}, as_node="release_gate")
    with pytest.raises(Conflict, match="no checkpoints"):
        await streamed(hosted(service, InMemorySaver()), tid, Command(resume={"decision": "approve"}))
    assert (await service.mission(tid))["status"] == "awaiting_approval"

    after = await to_rest(graph, tid, Command(resume={"decision": "approve"}))
    assert after == ["release_gate", "writeback", "finalize"]
    assert (await service.mission(tid))["status"] == "completed"
    assert (await service.writes())["notes"] == 1


async def after_a_lost_checkpoint(service: Service) -> list[str]:
    await service.seed_lead()
    graph, tid = hosted(service, Breaking()), str(uuid4())
    with pytest.raises(ColonyError):
        await streamed(graph, tid, INPUT)  # as far as its second checkpoint
    return await to_rest(graph, tid, None)


async def test_a_run_that_stopped_between_a_step_and_its_checkpoint_goes_on(service: Service) -> None:
    assert await after_a_lost_checkpoint(service) == [*BEFORE[1:], "__interrupt__"]


async def test_without_the_stepwise_checkpointer_such_a_mission_would_be_lost(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosting, "Stepwise", lambda saver: saver)
    with pytest.raises(IntegrityBroken):
        await after_a_lost_checkpoint(service)
