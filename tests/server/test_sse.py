"""Events as a stream: what was, then what comes, exactly once, until the mission has ended."""

import asyncio
import json
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from httpx_sse import EventSource, ServerSentEvent, aconnect_sse

from adapters.postgres.cluster import open_cluster, stop_cluster
from adapters.postgres.provision import migrate
from server import shapes
from server.streams import stream
from tests.conftest import FAST, SHORT
from tests.server.frames import Frame, Parser
from tests.support import Service, serving, until

# What was acknowledged, and streamed, outlives a stop at once.
KEPT = FAST | {"synchronous_commit": "on"}
API = "/api/colony"
POOL = 12
STREAM = {"Accept": "text/event-stream"}


def url(mission_id: str) -> str:
    return f"{API}/missions/{mission_id}/events"


async def read(service: Service, mission_id: str, **options: Any) -> list[Frame]:
    """Return a stream's events up to its end."""
    async with aconnect_sse(service.client, "GET", url(mission_id), **options) as source:
        return [Frame(event.event, event.data, event.id) async for event in source.aiter_sse()]


async def ended(service: Service) -> str:
    """Return a mission that ran to its end through an approval."""
    await service.seed_lead()
    mission_id = await service.submit()
    await service.settled(mission_id)
    await service.post(mission_id, "approve")
    await service.settled(mission_id)
    return mission_id


class Reader:
    """Reads a stream's stored events in the background; what a model says meanwhile is best effort, and not counted."""

    def __init__(self, service: Service, mission_id: str, **options: Any) -> None:
        self.events: list[ServerSentEvent] = []
        self.task = asyncio.create_task(self._read(service, mission_id, options))

    async def _read(self, service: Service, mission_id: str, options: dict[str, Any]) -> None:
        async with aconnect_sse(service.client, "GET", url(mission_id), timeout=60, **options) as source:
            async for event in source.aiter_sse():
                if event.event != "message.delta":
                    self.events.append(event)

    async def seen(self, kind: str) -> None:
        async def there() -> bool:
            return any(event.event == kind for event in self.events)

        await until(there, f"{kind} in the stream")


async def test_a_stream_gives_what_was_and_what_comes_in_order_and_ends(service: Service) -> None:
    await service.seed_lead()
    mission_id = await service.submit()
    reader = Reader(service, mission_id)
    await reader.seen("approval.requested")
    assert not reader.task.done()

    await service.post(mission_id, "approve")
    await asyncio.wait_for(reader.task, 30)

    stored = await service.events(mission_id)
    assert [json.loads(event.data) for event in reader.events] == stored
    assert [event.id for event in reader.events] == [str(event["seq"]) for event in stored]
    assert [event.event for event in reader.events] == [event["event_type"] for event in stored]
    assert [int(event.id) for event in reader.events] == list(range(1, len(stored) + 1))
    assert reader.events[-1].event == "mission.completed"
    shapes.Events.model_validate({"items": [json.loads(event.data) for event in reader.events]})


async def test_a_stream_is_neither_cached_nor_buffered(service: Service) -> None:
    mission_id = await ended(service)
    answer = await service.client.get(url(mission_id), headers=STREAM)
    assert answer.status_code == 200
    assert answer.headers["content-type"].split(";")[0] == "text/event-stream"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-accel-buffering"] == "no"
    assert "content-length" not in answer.headers


async def test_two_parsers_agree_on_the_bytes_however_they_are_cut(service: Service) -> None:
    await service.seed_lead(chat=[("lead", "Bonjour 👋 \u2028 5 м²: budget 350k\u0085 \x0b\x1c?")])
    mission_id = await service.submit(user_goal="Что\u2028мы знаем?")
    await service.settled(mission_id)
    await service.post(mission_id, "reject")
    await service.settled(mission_id)
    raw = (await service.client.get(url(mission_id), headers=STREAM)).content
    stored = await service.events(mission_id)
    for size in (len(raw), 1, 7):
        await agree([raw[at : at + size] for at in range(0, len(raw), size)], stored)


async def agree(pieces: list[bytes], stored: list[dict[str, Any]]) -> None:

    async def stream_of() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    answer = httpx.Response(200, headers={"content-type": "text/event-stream"}, content=stream_of())
    theirs = [Frame(e.event, e.data, e.id) async for e in EventSource(answer).aiter_sse()]
    parser = Parser()
    ours = [frame for piece in pieces for frame in parser.feed(piece)]

    assert theirs == ours
    assert [json.loads(frame.data) for frame in ours] == stored
    assert len({frame.id for frame in ours}) == len(ours)


async def test_a_reader_that_comes_back_gets_exactly_the_tail(service: Service) -> None:
    mission_id = await ended(service)
    whole = await read(service, mission_id)
    for last in (0, 1, 7, len(whole) - 1, len(whole)):
        header, query = {"Last-Event-ID": str(last)}, {"after": last}
        ways: list[dict[str, Any]] = [
            {"headers": header},
            {"params": query},
            {"headers": header, "params": {"after": 3}},
        ]
        for options in ways:
            assert await read(service, mission_id, **options) == whole[last:], (last, options)


async def test_a_reader_that_is_cut_off_again_and_again_misses_nothing(service: Service) -> None:
    await service.seed_lead()
    mission_id = await service.submit()
    got: list[int] = []
    kinds: list[str] = []
    while "mission.completed" not in kinds:
        last = {"Last-Event-ID": str(got[-1] if got else 0)}
        async with aconnect_sse(service.client, "GET", url(mission_id), headers=last) as source:
            cut = len(got) + 3
            async for event in source.aiter_sse():
                got.append(int(event.id))
                kinds.append(event.event)
                if event.event == "approval.requested":
                    assert (await service.post(mission_id, "approve")).status_code == 202
                if len(got) == cut:
                    break
    assert got == list(range(1, len(got) + 1))


async def test_whoever_sees_the_question_may_answer_it_at_once(service: Service) -> None:
    await service.seed_lead()
    for _ in range(5):
        mission_id = await service.submit()
        async with aconnect_sse(service.client, "GET", url(mission_id)) as source:
            async for event in source.aiter_sse():
                if event.event == "approval.requested":
                    answer = await service.post(mission_id, "approve")
                    assert answer.status_code == 202, answer.text
        assert (await service.mission(mission_id))["status"] == "completed"
    assert (await service.writes())["notes"] == 5


async def test_a_stream_of_a_failed_mission_ends_and_of_a_retried_one_goes_on(service: Service) -> None:
    mission_id = await service.submit(inputs={"lead_id": "nobody"})
    first = await read(service, mission_id)
    assert first[-1].event == "mission.failed"

    await service.seed_lead("nobody")
    await service.post(mission_id, "retry")
    reader = Reader(service, mission_id)
    await reader.seen("approval.requested")
    await service.post(mission_id, "reject")
    await asyncio.wait_for(reader.task, 30)

    kinds = [event.event for event in reader.events]
    assert kinds[: len(first)] == [event.event for event in first]
    assert kinds[len(first)] == "mission.retried"
    assert kinds[-1] == "mission.rejected"


async def test_an_unknown_mission_is_a_404_before_the_first_byte(service: Service) -> None:
    answer = await service.client.get(url("msn_" + "0" * 32), headers=STREAM)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


async def test_a_quiet_stream_shows_that_it_lives(service: Service) -> None:
    await service.seed_lead()
    mission_id = await service.submit()
    await service.settled(mission_id)
    stored = await service.events(mission_id)
    parser, frames = Parser(), []
    colony = service.colony
    quiet = stream(colony.reader, colony.doorbell, colony.feed, "demo", mission_id, 0, heartbeat_s=0.05)
    began = time.monotonic()
    async for chunk in quiet:
        frames += list(parser.feed(chunk))
        if len(parser.comments) == 5:
            break
    await quiet.aclose()
    assert [int(frame.id) for frame in frames] == [event["seq"] for event in stored]
    assert parser.comments == ["colony", *["heartbeat"] * 4]
    assert 0.2 <= time.monotonic() - began < 2
    assert colony.doorbell.waiting == 0


async def test_a_place_beyond_the_last_event_waits_for_it(service: Service) -> None:
    await service.seed_lead()
    mission_id = await service.submit()
    await service.settled(mission_id)
    last = len(await service.events(mission_id))
    reader = Reader(service, mission_id, params={"after": last + 1})
    await service.post(mission_id, "approve")
    await asyncio.wait_for(reader.task, 30)
    assert int(reader.events[0].id) == last + 2


@pytest.mark.long
async def test_a_hundred_readers_hold_no_connection_between_two_events(service: Service, database: str) -> None:
    await service.seed_lead()
    mission_id = await service.submit()
    await service.settled(mission_id)
    # If a reader held one, the thirteenth would wait for ever.
    async with httpx.AsyncClient(base_url=service.client.base_url, limits=httpx.Limits(max_connections=None)) as client:
        crowd = Service(client, service.colony)
        readers = [Reader(crowd, mission_id) for _ in range(100)]

        async def all_there() -> bool:
            return all(any(e.event == "approval.requested" for e in r.events) for r in readers)

        await until(all_there, "all readers")
        assert service.colony.doorbell.waiting == 100

        admin = await psycopg.AsyncConnection.connect(database, autocommit=True)

        async def none_in_use() -> bool:
            cursor = await admin.execute(
                "select state from pg_stat_activity where datname = current_database() and application_name = %s",
                ["colony api"],
            )
            states = [row[0] for row in await cursor.fetchall()]
            assert len(states) <= POOL
            return set(states) <= {"idle"}

        await until(none_in_use, "every connection to lie idle")
        await admin.close()
        await service.post(mission_id, "approve")
        await asyncio.wait_for(asyncio.gather(*(r.task for r in readers)), 60)
        stored = [event["seq"] for event in await service.events(mission_id)]
        assert all([int(e.id) for e in r.events] == stored for r in readers)


async def test_a_lost_doorbell_loses_no_event(service: Service, database: str) -> None:
    await service.seed_lead()
    mission_id = await service.submit()
    reader = Reader(service, mission_id)
    await reader.seen("approval.requested")
    with psycopg.connect(database, autocommit=True) as admin:
        killed = admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name = 'colony doorbell' and datname = current_database()"
        ).fetchall()
    assert len(killed) == 1

    await service.post(mission_id, "approve")
    await asyncio.wait_for(reader.task, 10)

    assert [int(e.id) for e in reader.events] == [event["seq"] for event in await service.events(mission_id)]


async def test_a_reader_that_leaves_leaves_nothing_behind(service: Service) -> None:
    await service.seed_lead()
    mission_id = await service.submit()
    await service.settled(mission_id)
    doorbell = service.colony.doorbell
    for _ in range(5):
        async with aconnect_sse(service.client, "GET", url(mission_id)) as source:
            async for _event in source.aiter_sse():
                break
            assert doorbell.waiting >= 1

    async def nobody() -> bool:
        return doorbell.waiting == 0

    await until(nobody, "the readers to be forgotten", 5)
    assert "colony_streams_open 0.0" in (await service.client.get(f"{API}/metrics")).text


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder for a cluster that may be stopped: every account may enter it, as Postgres's must."""
    with tempfile.TemporaryDirectory(prefix="colony-away-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.long
async def test_a_stream_outlives_an_absence_of_the_store(home: Path) -> None:
    opened = open_cluster(home, settings=KEPT)
    cluster = opened.__enter__()
    try:
        migrate(cluster.dsn)
        async with serving({"DATABASE_URL": cluster.dsn, "COLONY_HOME": str(home)}, SHORT) as service:
            await service.seed_lead()
            mission_id = await service.submit()
            reader = Reader(service, mission_id)
            await reader.seen("approval.requested")
            await asyncio.to_thread(stop_cluster, home)
            await check_outage(service, mission_id)
            again = open_cluster(home, settings=KEPT)
            await asyncio.to_thread(again.__enter__)
            try:

                async def back() -> bool:
                    return (await service.client.get(f"{API}/health/ready")).status_code == 200

                await until(back, "the service to be ready again", 20)
                assert (await service.post(mission_id, "cancel")).status_code == 202
                await asyncio.wait_for(reader.task, 20)
                stored = await service.events(mission_id)
            finally:
                again.__exit__(None, None, None)
        assert [(int(e.id), e.event) for e in reader.events] == [
            (event["seq"], event["event_type"]) for event in stored
        ]
    finally:
        opened.__exit__(None, None, None)
        stop_cluster(home)


async def check_outage(service: Service, mission_id: str) -> None:
    """Everything that needs the store says so, at once and at the same time; what doesn't answers."""
    ready = await service.client.get(f"{API}/health/ready")
    assert (ready.status_code, ready.headers["Retry-After"]) == (503, "1")
    assert ready.json() == {
        "status": "degraded", "parts": {"postgres": {"status": "down", "code": "store_unavailable"}}
    }  # fmt: skip
    assert (await service.client.get(f"{API}/health")).status_code == 200
    metrics = (await service.client.get(f"{API}/metrics")).text
    assert "colony_store_up 0.0" in metrics
    assert "colony_missions{" not in metrics  # no count is better than a wrong one
    assert 'colony_db_pool_max{pool="api"} 12.0' in metrics
    began = time.monotonic()
    paths = (
        "missions",
        "approvals",
        *(f"missions/{mission_id}{p}" for p in ("", "/events", "/artifacts", "/bundle")),
    )
    calls = [service.client.get(f"{API}/{path}") for path in paths]
    calls += [service.client.get(url(mission_id), headers=STREAM), service.post(mission_id, "cancel")]
    body = {"mission_type": "oracle_advisory", "user_goal": "x", "inputs": {"question": "x"}}
    calls.append(service.client.post(f"{API}/missions", json=body))
    for answer in await asyncio.gather(*calls):
        assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable"), answer.url
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["Retry-After"] == "1"
    assert time.monotonic() - began < 10


async def test_a_stop_signal_ends_open_streams_at_once(spawn: Callable[..., Any]) -> None:
    process = spawn("serve", "--port", "0")
    base = await process.ready()
    async with httpx.AsyncClient(base_url=base, timeout=30) as client:
        service = Service(client)
        await service.seed_lead()
        mission_id = await service.submit()
        await service.settled(mission_id)
        readers = [Reader(service, mission_id) for _ in range(5)]
        for reader in readers:
            await reader.seen("approval.requested")
        began = time.monotonic()
        process.process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(asyncio.gather(*(r.task for r in readers)), 5)
        assert time.monotonic() - began < 3
    assert await asyncio.to_thread(process.process.wait, 10) == 0, process.output()
    assert "Traceback" not in process.output()
