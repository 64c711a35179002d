"""The graph, read top to bottom: one node per role, edges from the one stateflow table."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import RetryPolicy

from contracts.state import MissionState
from contracts.stateflow import STATEFLOW, Stage
from graph.context import RunContext
from graph.endings import blocked, failed
from graph.failures import is_hiccup, on_error
from graph.gate import gate
from graph.routing import next_stage
from graph.steps import Node, step
from graph.tracing import stage_of
from nodes.admission import admission
from nodes.aggregator import aggregator
from nodes.finalize import finalize
from nodes.librarian import librarian
from nodes.planner import planner
from nodes.prompt_master import prompt_master
from nodes.researcher import researcher
from nodes.reviewer import reviewer
from nodes.workers import workers
from nodes.writeback import writeback

Compiled = CompiledStateGraph[MissionState, RunContext, MissionState, MissionState]


def roles() -> dict[Stage, Node]:
    """Return the node of every stage."""
    return {
        Stage.ADMISSION: step(Stage.ADMISSION, admission),
        Stage.PLANNER: step(Stage.PLANNER, planner),
        Stage.PROMPT_MASTER: step(Stage.PROMPT_MASTER, prompt_master),
        Stage.LIBRARIAN: step(Stage.LIBRARIAN, librarian),
        Stage.RESEARCHER: step(Stage.RESEARCHER, researcher),
        Stage.WORKERS: step(Stage.WORKERS, workers),
        Stage.AGGREGATOR: step(Stage.AGGREGATOR, aggregator),
        Stage.REVIEWER: step(Stage.REVIEWER, reviewer),
        Stage.RELEASE_GATE: gate,
        Stage.WRITEBACK: step(Stage.WRITEBACK, writeback),
        Stage.FINALIZE: step(Stage.FINALIZE, finalize),
        Stage.BLOCKED: step(Stage.BLOCKED, blocked),
        Stage.FAILED: step(Stage.FAILED, failed),
    }


def build(nodes: dict[Stage, Node] | None = None) -> StateGraph[MissionState, RunContext, MissionState, MissionState]:
    """Lay the graph out; ``nodes`` lets a test put another node in a role's place."""
    graph: StateGraph[MissionState, RunContext, MissionState, MissionState] = StateGraph(
        MissionState, context_schema=RunContext
    )
    # LangGraph's annotations know neither a node that takes its runtime by keyword nor a handler that takes the error.
    handler: Any = on_error
    placed: dict[Stage, Any] = {stage: stage_of(stage, node) for stage, node in (nodes or roles()).items()}
    for stage, node in placed.items():
        flow = STATEFLOW[stage]
        graph.add_node(
            stage.value,
            node,
            timeout=flow.timeout_ms / 1000,
            retry_policy=RetryPolicy(max_attempts=flow.attempts, retry_on=is_hiccup, initial_interval=0.2),
            error_handler=handler if flow.fallback is not None else None,
        )
        if flow.next:
            graph.add_conditional_edges(stage.value, _router(stage), [to.value for to in flow.next])
        else:
            graph.add_edge(stage.value, END)
    graph.add_edge(START, Stage.ADMISSION.value)
    return graph


def _router(stage: Stage) -> Callable[[MissionState], str]:
    def route(state: MissionState) -> str:
        to = next_stage(stage, state)
        return END if to is None else to.value

    return route


@cache
def compiled() -> Compiled:
    """Compile the graph once; each run copies it with its own checkpointer."""
    return build().compile()
