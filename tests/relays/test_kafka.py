"""Events reach Kafka: every one, in order for each mission, whatever happens to the broker or to the relay."""

import asyncio
import re
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from confluent_kafka import KafkaError

from adapters.postgres.backlog import Backlogs
from contracts.events import EventType, NewEvent
from contracts.topics import Topic
from tests.adapters.postgres.stand import Stand
from tests.relays.broker import Cluster
from tests.relays.judge import consumed, recorded, violations
from tests.relays.stands import drained, kafka, pooled, relaying
from tests.support import Service, Spawned, until

PROJECT = str(Path(__file__).parents[2])
KINDS = (EventType.TASK_STARTED, EventType.MODEL_CALLED, EventType.GATE_SCOPE, EventType.TOOL_DENIED)


async def write(stand: Stand, mission_id: str, units: int, text: str = "") -> None:
    """Record events of several topics, one transaction after the other."""
    async with stand.claimed(mission_id) as session:
        for number in range(units):
            async with session.ledger.unit() as unit:
                unit.record(*(NewEvent(event_type=kind, payload={"n": number, "text": text}) for kind in KINDS))
        async with session.ledger.unit() as unit:
            await unit.release_lease()


async def missions(stand: Stand, many: int, units: int = 5) -> list[str]:
    """Submit missions and write to all of them at the same time."""
    ids = [await stand.submit() for _ in range(many)]
    await asyncio.gather(*(write(stand, mission_id, units) for mission_id in ids))
    return ids


def judge(broker: Cluster, stand: Stand) -> list[str]:
    return violations(consumed(broker.servers), recorded(stand.db.dsn))


async def test_concurrent_writers_and_two_relays_lose_nothing_and_keep_every_missions_order(
    stand: Stand, broker: Cluster
) -> None:
    async with AsyncExitStack() as stack:
        backlogs = await stack.enter_async_context(relaying(stand.db.dsn, kafka(broker.servers)))
        await stack.enter_async_context(relaying(stand.db.dsn, kafka(broker.servers)))
        await missions(stand, 8)
        await drained(backlogs)
    messages = consumed(broker.servers)
    assert violations(messages, recorded(stand.db.dsn)) == []
    assert len({m.value["event_id"] for m in messages}) == 8 * (2 + 5 * 4)
    assert {m.topic for m in messages} >= {Topic.AGENT, Topic.PROJECT, Topic.MODELS, Topic.AUDIT, Topic.TOOLS}


async def test_missions_from_before_are_carried_even_one_that_was_being_written_when_the_relay_came(
    stand: Stand, broker: Cluster
) -> None:
    first = await stand.submit()
    second = await stand.submit()
    async with stand.claimed(first) as session, AsyncExitStack() as stack:
        async with session.ledger.unit() as unit:
            unit.record(NewEvent(event_type=EventType.TASK_STARTED))
            await unit.flush()  # marked for no channel, for there is none yet; and not committed
            backlogs = await stack.enter_async_context(relaying(stand.db.dsn, kafka(broker.servers)))

            async def opened() -> bool:
                return bool(await backlogs.read())

            await until(opened, "the channel to be opened")
            await write(stand, second, 1)
        await drained(backlogs)
    assert judge(broker, stand) == []


async def test_a_broker_that_is_down_delays_no_mission_and_gets_everything_in_order_when_it_is_back(
    stand: Stand, broker: Cluster
) -> None:
    async with relaying(stand.db.dsn, kafka(broker.servers)) as backlogs:
        before = await missions(stand, 2, 2)
        await drained(backlogs)
        broker.down()
        await asyncio.gather(*(write(stand, mission_id, 3) for mission_id in before), missions(stand, 3))
        [backlog] = await backlogs.read()
        assert (backlog.missions, backlog.events) == (5, 2 * (1 + 3 * 4) + 3 * (2 + 5 * 4))

        async def older() -> bool:
            [now] = await backlogs.read()
            assert (now.events, now.dead) == (backlog.events, 0)
            return now.oldest_ms > backlog.oldest_ms + 1_500  # more than one batch's patience

        await until(older, "the backlog to age")
        broker.up()
        assert (await drained(backlogs)).dead == 0
    assert judge(broker, stand) == []


async def test_the_backlog_is_a_metric(serve: Callable[..., object], broker: Cluster) -> None:
    broker.down()
    service: Service = await serve(KAFKA_BOOTSTRAP_SERVERS=broker.servers)  # type: ignore[misc,assignment]
    mission_id = await service.submit(mission_type="oracle_advisory", inputs={"question": "What is there?"})
    await service.settled(mission_id)
    events = len(await service.events(mission_id))
    metrics = (await service.client.get("/api/colony/metrics")).text
    assert f'colony_relay_backlog_events{{channel="kafka"}} {events:.1f}' in metrics
    assert 'colony_relay_backlog_missions{channel="kafka"} 1.0' in metrics
    [oldest] = re.findall(r'colony_relay_backlog_age_seconds\{channel="kafka"\} ([0-9.]+)', metrics)
    assert 0 < float(oldest) < 60


async def test_a_relay_killed_between_publishing_and_marking_repeats_the_same_events_and_loses_none(
    stand: Stand, broker: Cluster, spawn: Callable[..., Spawned]
) -> None:
    ids = await missions(stand, 3, 2)
    # The hook is outside: whoever moves a cursor waits for a lock that this test holds.
    stand.db.run(
        "create function wait_for_test() returns trigger language plpgsql as $$ begin "
        "perform pg_advisory_xact_lock_shared(7); return new; end $$",
        "create trigger wait_for_test before update of relayed_seq on colony_outbox for each row "
        "when (new.relayed_seq > old.relayed_seq) execute function wait_for_test()",
    )
    with stand.db.connect() as held:
        held.execute("select pg_advisory_lock(7)")
        process = spawn("worker", "--relay-only", KAFKA_BOOTSTRAP_SERVERS=broker.servers, PYTHONPATH=PROJECT)
        waiting = "select pid from pg_stat_activity where wait_event = 'advisory' and application_name = 'colony relay'"
        await until(lambda: asyncio.to_thread(stand.db.rows, waiting), "the relay to mark")
        published = consumed(broker.servers)
        assert {m.key for m in published} == set(ids)
        process.kill()
        stand.db.run(f"select pg_terminate_backend(pid) from ({waiting}) as w")
    assert stand.db.rows("select sum(relayed_seq)::int as n from colony_outbox") == [{"n": 0}]
    stand.db.run(
        "drop trigger wait_for_test on colony_outbox",
        "update colony_outbox set due_at = now() - interval '1 second'",  # as if the lease had lapsed
    )
    await write(stand, ids[0], 1)
    async with relaying(stand.db.dsn, kafka(broker.servers)) as backlogs:
        await drained(backlogs)
    messages = consumed(broker.servers)
    assert violations(messages, recorded(stand.db.dsn)) == []
    twice = {m.value["event_id"] for m in published}
    again = [m for m in messages if m.value["event_id"] in twice]
    assert len(again) == 2 * len(published), "what was published and not marked comes again, under the same ids"


async def test_an_event_that_is_too_large_becomes_a_pointer_and_holds_nothing_up(stand: Stand, broker: Cluster) -> None:
    mission_id = await stand.submit()
    await write(stand, mission_id, 1, "x" * 60_000)
    await write(stand, mission_id, 1)
    async with relaying(stand.db.dsn, kafka(broker.servers, **{"message.max.bytes": "50000"})) as backlogs:
        await drained(backlogs)
    messages = consumed(broker.servers)
    assert violations(messages, recorded(stand.db.dsn)) == []
    large = [m for m in messages if m.headers.get("truncated")]
    assert {m.value["event_type"] for m in large} == {kind.value for kind in KINDS}
    payloads = [m.value["payload"] for m in large]
    assert all(p["truncated"] and p["bytes"] > 60_000 for p in payloads)
    assert {p["after"] for p in payloads} == {m.value["seq"] - 1 for m in large}


async def test_an_event_that_the_broker_refuses_is_given_up_visibly_and_can_be_sent_again(
    stand: Stand, broker: Cluster
) -> None:
    mission_id = await stand.submit()
    broker.refuse(KafkaError.INVALID_RECORD)
    async with relaying(stand.db.dsn, kafka(broker.servers)) as backlogs:

        async def dead() -> object:
            return await backlogs.dead_letters()

        [letter] = await until(dead, "the event to be given up")
        assert (letter["mission_id"], letter["seq"], letter["attempts"]) == (mission_id, 1, 3)
        assert letter["reason"] == "INVALID_RECORD"
        broker.accept()
        await write(stand, mission_id, 1)
        assert (await drained(backlogs)).dead == 1
        lost = judge(broker, stand)
        assert [sentence.split(": ")[1].split()[0] for sentence in lost] == [letter["event_id"]] * 2
        assert await backlogs.revive("kafka", mission_id) == [mission_id]
        await drained(backlogs)
        event_ids = {m.value["event_id"] for m in consumed(broker.servers)}
        assert letter["event_id"] in event_ids
        assert (await drained(backlogs)).dead == 0


async def test_without_brokers_nothing_is_imported_and_nothing_is_marked(service: Service, database: str) -> None:
    await service.seed_lead()
    await service.settled(await service.submit())
    async with pooled(database) as pool:
        assert await Backlogs(pool).read() == []
    assert service.colony is not None
    assert len(service.colony.relays) == 0
    code = "import sys, server.serve, server.cli.main; sys.exit('confluent_kafka' in sys.modules)"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    assert await process.wait() == 0


async def test_a_whole_missions_events_arrive_on_their_topics(
    serve: Callable[..., object], broker: Cluster, database: str
) -> None:
    service: Service = await serve(KAFKA_BOOTSTRAP_SERVERS=broker.servers)  # type: ignore[misc,assignment]
    await service.seed_lead()
    mission_id = await service.submit()
    await service.settled(mission_id)
    assert (await service.post(mission_id, "approve")).status_code == 202
    await service.settled(mission_id)
    async with pooled(database) as pool:
        await drained(Backlogs(pool))
    messages = consumed(broker.servers)
    assert violations(messages, recorded(database)) == []
    assert await service.events(mission_id) == sorted(
        {m.value["event_id"]: m.value for m in messages}.values(), key=lambda event: event["seq"]
    )
    told = [m.value["event_type"] for m in messages if m.topic == Topic.NOTIFICATIONS]
    assert set(told) - {"approval.requested", "approval.decided", "mission.completed"} == {"gate.release"}
    assert told[-3:] == ["approval.requested", "approval.decided", "mission.completed"]


@pytest.mark.parametrize("value", ["kafka", "http://kafka:9092", "kafka:port", "a:1,,b:2"])
def test_brokers_that_cannot_be_are_refused_at_the_start(value: str) -> None:
    from contracts.errors import SettingInvalid
    from server.settings import load_settings

    with pytest.raises(SettingInvalid, match="KAFKA_BOOTSTRAP_SERVERS"):
        load_settings(KAFKA_BOOTSTRAP_SERVERS=value)
