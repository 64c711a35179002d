"""Spans of a mission: its run, its stages, its model and tool calls. Nothing is made of them where nobody exports them.

An attribute says what kind of thing happened and how it ended, never what it was about: no text, no id but a mission's.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import TracebackType

import structlog
from langgraph.errors import GraphBubbleUp
from langgraph.runtime import Runtime
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from contracts.errors import ColonyError
from contracts.ports import Mission, ModelCall
from contracts.state import MissionState
from contracts.stateflow import Stage
from graph.context import RunContext
from graph.steps import Node

_log = structlog.get_logger(__name__)
_tracer = trace.get_tracer("colony")
_propagator = TraceContextTextMapPropagator()


class Spanned(AbstractContextManager[Span]):
    """A span around a block, ended with the error's code where there is one; its message stays inside."""

    def __init__(
        self,
        name: str,
        attributes: Mapping[str, str | int],
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        parent: Context | None = None,
    ) -> None:
        self._opened = _tracer.start_as_current_span(
            name, parent, kind, attributes, record_exception=False, set_status_on_exception=False
        )

    def __enter__(self) -> Span:
        """Begin the span and make it the present one."""
        self._span = self._opened.__enter__()
        return self._span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the span; what bubbles up to pause or to drain is no error."""
        if isinstance(error, Exception) and not isinstance(error, GraphBubbleUp):
            self._span.set_attribute(
                "error.type", error.code if isinstance(error, ColonyError) else type(error).__name__
            )
            self._span.set_status(StatusCode.ERROR)
        self._opened.__exit__(kind, error, traceback)


@contextmanager
def run_of(mission: Mission) -> Iterator[None]:
    """A run: its span belongs to the trace that the mission was submitted in, its log lines name both."""
    attributes = {"colony.mission_id": mission.mission_id, "colony.mission_type": mission.request.mission_type.value}
    with ExitStack() as stack:
        stack.enter_context(
            structlog.contextvars.bound_contextvars(mission_id=mission.mission_id, trace_id=mission.trace_id)
        )
        stack.enter_context(
            Spanned(
                f"mission {mission.request.mission_type.value}",
                {**attributes, "colony.epoch": mission.epoch},
                kind=SpanKind.CONSUMER,
                parent=_submitted_in(mission),
            )
        )
        yield


def _submitted_in(mission: Mission) -> Context:
    """Return the submitter's context; where it kept no span, one that nobody has seen stands for it in the trace."""
    traceparent = mission.traceparent or f"00-{mission.trace_id}-{mission.trace_id[:16]}-01"
    return _propagator.extract({"traceparent": traceparent}, Context())


def stage_of(stage: Stage, node: Node) -> Node:
    """Put a span and a line in the log around a stage's node."""

    async def run(state: MissionState, runtime: Runtime[RunContext]) -> MissionState:
        began = time.monotonic()
        with Spanned(f"stage {stage.value}", {"colony.stage": stage.value, "colony.revision": state["revision"]}):
            gave = await node(state, runtime)
        _log.debug("stage done", stage=stage.value, seconds=round(time.monotonic() - began, 3))
        return gave

    run.__name__ = stage.value
    return run


def note_usage(call: ModelCall) -> None:
    """Add one answer of a model to the present span, which may have taken several."""
    span = trace.get_current_span()
    if not span.is_recording():
        return
    had = getattr(span, "attributes", {})
    span.set_attribute("gen_ai.request.model", call.model)
    span.set_attribute("colony.status", call.status)
    for name, tokens in (("input", call.tokens_in), ("output", call.tokens_out)):
        key = f"gen_ai.usage.{name}_tokens"
        span.set_attribute(key, had.get(key, 0) + tokens)
