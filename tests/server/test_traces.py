"""Traces: one mission is one, from the caller over the queue to the root; nothing of what it was about is in it."""

import json
import signal
import socket
import time
from collections.abc import Callable, Sequence

import httpx
import httpx2
import pytest
from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags
from structlog.testing import capture_logs

from adapters.tracing import stamp
from server.spans import StrippedExporter
from tests.server.collector import Collected, Span, collecting
from tests.server.test_rest import API
from tests.support import Service, Spawned

CALLERS = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{CALLERS}-b7ad6b7169203331-01"
CANARY = "canary7531"
BEFORE = ["admission", "planner", "prompt_master", "librarian", "researcher", "workers", "aggregator", "reviewer"]
AFTER = ["release_gate", "writeback", "finalize"]
STAGES = [*BEFORE, "release_gate", *AFTER]  # the gate is entered twice: it waits in between
Spawn = Callable[..., Spawned]


def exporting(url: str) -> dict[str, str]:
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_SCHEDULE_DELAY": "50", "LOG_LEVEL": "debug"}


async def told(service: Service) -> str:
    """Run a mission whose every text is a canary, ask for what does not exist, and return its id."""
    await service.seed_lead(f"L-{CANARY}", name=f"Ada {CANARY}", stage="contacted")
    body = {"mission_type": "crm_lead_intelligence", "user_goal": f"{CANARY}?", "inputs": {"lead_id": f"L-{CANARY}"}}
    headers = {"traceparent": TRACEPARENT, "baggage": f"who={CANARY}", "user-agent": CANARY}
    answer = await service.client.post(f"{API}/missions", json=body, headers=headers)
    assert answer.json()["trace_id"] == CALLERS
    mission_id = str(answer.json()["mission_id"])
    await service.settled(mission_id)
    await service.post(mission_id, "approve", reason=CANARY)
    assert (await service.settled(mission_id))["status"] == "completed"
    question = {"question": f"What does {CANARY} cost?"}
    await service.settled(await service.submit("oracle_advisory", inputs=question))
    await service.client.get(f"/{CANARY}?q={CANARY}")
    await service.client.get(f"{API}/missions/{CANARY}", headers={"host": f"{CANARY}.example"})
    await service.client.request(CANARY.upper(), f"{API}/missions")
    return mission_id


async def test_one_mission_is_one_trace_over_both_processes_and_holds_nothing_of_what_it_was_about(
    spawn: Spawn,
) -> None:
    with collecting() as collected:
        api = spawn("serve", "--no-worker", "--port", "0", **exporting(collected.url))
        base = await api.ready()
        worker = spawn("worker", "--json", COLONY_SERVICE_BASE_URL=base, **exporting(collected.url))
        async with httpx.AsyncClient(base_url=base, timeout=30) as client:
            service = Service(client)
            mission_id = await told(service)
            events = await service.events(mission_id)
        for process in (worker, api):
            process.process.send_signal(signal.SIGTERM)
            assert process.process.wait(20) == 0, process.output()
        check_tree(collected, mission_id, events)
        assert not any(CANARY.encode() in body.lower() for body in collected.bodies)
    lines = [json.loads(line) for line in worker.output().splitlines()]
    roles = [line for line in lines if line["event"] == "stage done" and line["mission_id"] == mission_id]
    assert {line["trace_id"] for line in roles} == {CALLERS}
    assert [line["stage"] for line in roles] == [*BEFORE, *AFTER]


def check_tree(collected: Collected, mission_id: str, events: Sequence[dict[str, object]]) -> None:
    spans = collected.of(CALLERS)

    def below(parent_id: str, kind: int | None = None) -> list[Span]:
        return [s for s in spans if s.parent_id == parent_id and kind in {None, s.kind}]

    [submitted] = [s for s in spans if s.parent_id == "b7ad6b7169203331"]
    assert (submitted.name, submitted.kind) == ("POST /api/colony/missions", 2)
    runs = below(submitted.span_id)
    assert [run.name for run in runs] == ["mission crm_lead_intelligence"] * 2
    assert {run.attributes["colony.mission_id"] for run in runs} == {mission_id}
    stages = [stage for run in runs for stage in below(run.span_id)]
    assert sorted(s.attributes["colony.stage"] for s in stages) == sorted(STAGES)
    at = {s.attributes["colony.stage"]: s for s in stages}
    tools = below(at["researcher"].span_id)
    assert {t.attributes["gen_ai.tool.name"] for t in tools} >= {"root.get_lead", "root.get_chat"}
    for call in [*(c for t in tools for c in below(t.span_id)), *below(at["writeback"].span_id)]:
        assert call.kind == 3
        assert call.attributes["server.address"] == "127.0.0.1"
        [answered] = below(call.span_id)
        assert answered.kind == 2
        assert answered.attributes["http.route"].startswith("/root/api/")
    models = below(at["workers"].span_id)
    assert all(m.name == "chat" and m.attributes["gen_ai.usage.input_tokens"] > 0 for m in models)
    assert models
    # What an event happened in is in the trace, where it happened within a span of the mission's trace.
    ids = {str(e["span_id"]) for e in events} - {"0" * 16}
    assert len(ids) > 8
    assert ids <= {s.span_id for s in spans}
    assert {e["trace_id"] for e in events} == {CALLERS}


@pytest.mark.long
async def test_a_collector_that_never_answers_delays_no_mission_and_no_end(spawn: Spawn) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        process = spawn("serve", "--port", "0", **exporting(f"http://127.0.0.1:{deaf.getsockname()[1]}"))
        async with httpx.AsyncClient(base_url=await process.ready(), timeout=30) as client:
            service = Service(client)
            await service.seed_lead()
            await service.settled(await service.submit())
        began = time.monotonic()
        process.process.send_signal(signal.SIGTERM)
        assert process.process.wait(20) == 0
    assert time.monotonic() - began < 6
    assert "Traceback" not in process.output()
    assert "opentelemetry" not in process.output()


def telling(exporter: SpanExporter) -> None:
    """Export a span that has the canary wherever a span can hold something."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    told = {"url.full": f"http://root/{CANARY}", "url.query": f"q={CANARY}", "db.statement": CANARY, "http.route": "/x"}
    with provider.get_tracer("t").start_as_current_span("GET", kind=SpanKind.CLIENT, attributes=told) as span:
        span.add_event("asked", {"prompt": CANARY})
        span.record_exception(ValueError(CANARY))
        span.set_status(StatusCode.ERROR, CANARY)
    provider.shutdown()


def test_what_is_not_listed_does_not_leave_and_without_the_door_it_does() -> None:
    """The saboteur: the same span past the stripping exporter holds the canary."""
    inside, outside = InMemorySpanExporter(), InMemorySpanExporter()
    telling(outside)
    assert CANARY in outside.get_finished_spans()[0].to_json()
    telling(StrippedExporter(inside))
    [span] = inside.get_finished_spans()
    assert CANARY not in span.to_json()
    assert (dict(span.attributes or {}), span.status.status_code) == ({"http.route": "/x"}, StatusCode.ERROR)


def test_that_spans_can_not_be_delivered_is_said_once_and_again_when_they_can() -> None:
    spans: list[ReadableSpan] = []
    with collecting(answers=400) as refusing, collecting() as taking, capture_logs() as lines:
        there = {
            True: OTLPSpanExporter(f"{refusing.url}/v1/traces"),
            False: OTLPSpanExporter(f"{taking.url}/v1/traces"),
        }

        class Either(SpanExporter):
            down = True

            def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
                return there[self.down].export(spans)

        inner = Either()
        exporter = StrippedExporter(inner)
        for _ in range(5):
            exporter.export(spans)
        inner.down = False
        for _ in range(5):
            exporter.export(spans)
    assert [(line["log_level"], line["event"].split(":")[0]) for line in lines] == [
        ("warning", "spans can't be delivered"),
        ("info", "spans are delivered again"),
    ]


@pytest.mark.parametrize("client", [httpx.AsyncClient, httpx2.AsyncClient], ids=["root", "models"])
async def test_what_goes_out_carries_the_trace_without_any_exporter(client: Callable[..., httpx.AsyncClient]) -> None:
    ours = SpanContext(int(CALLERS, 16), 7, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    token = context.attach(trace.set_span_in_context(NonRecordingSpan(ours)))
    try:
        request = client().build_request("GET", "http://127.0.0.1/")
        await stamp(request)
    finally:
        context.detach(token)
    assert request.headers["traceparent"] == f"00-{CALLERS}-{7:016x}-01"


async def test_without_an_exporter_the_callers_trace_is_the_missions_and_no_span_is_made_up(service: Service) -> None:
    await service.seed_lead()
    body = {"mission_type": "crm_lead_intelligence", "user_goal": "x", "inputs": {"lead_id": "L-1"}}
    answer = await service.client.post(f"{API}/missions", json=body, headers={"traceparent": TRACEPARENT})
    mission_id = answer.json()["mission_id"]
    await service.settled(mission_id)
    events = await service.events(mission_id)
    assert {(e["trace_id"], e["span_id"]) for e in events} == {(CALLERS, "0" * 16)}
    error = await service.client.get(f"{API}/missions/none", headers={"traceparent": TRACEPARENT})
    assert error.json()["trace_id"] == error.headers["X-Trace-Id"] == CALLERS
