"""The relay's mechanisms, taken away: the cursor per mission, the acknowledgement, the lease, the signature."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

import pytest

import adapters.events.webhook as webhook
from adapters.events.kafka import KafkaChannel
from adapters.postgres.outbox import Outbox, Settled
from contracts.events import EventType, NewEvent
from contracts.ports.relayed import Carried, Line
from tests.adapters.postgres.stand import Stand
from tests.relays.broker import Cluster, cluster
from tests.relays.judge import consumed, recorded, violations
from tests.relays.receiver import is_authentic, receiving
from tests.relays.stands import drained, kafka, relaying
from tests.relays.test_webhook import NEWS, channel, news


@pytest.fixture(scope="module")
def brokers() -> object:
    with cluster() as opened:
        yield opened


class ByGlobalId(Outbox):
    """Reads what comes after the highest id it has seen, as many an outbox does."""

    last = 0

    async def open(self, *, from_start: bool) -> None:
        return

    async def take(self, missions: int, events: int, room: int) -> list[Line]:
        with self.admin.connect() as conn:  # type: ignore[attr-defined]
            rows = conn.execute("select * from colony_events where id > %s order by id", [self.last]).fetchall()
        self.last = max((row["id"] for row in rows), default=self.last)
        stored = {e["event_id"]: e for line in recorded(self.admin.dsn).values() for e in line}  # type: ignore[attr-defined]
        return [
            Line(r["mission_id"], r["tenant_id"], r["seq"], r["seq"] - 1, 0, (stored[r["event_id"]],)) for r in rows
        ]

    async def settle(self, settled: Sequence[Settled]) -> None:
        return


async def what_overlaps_is_carried_whole(stand: Stand, brokers: Cluster, made: type[Outbox]) -> None:
    """The check: a transaction that began first and commits last is carried, too."""
    first, second = [await stand.submit() for _ in range(2)]
    async with relaying(stand.db.dsn, kafka(brokers.servers), outbox=made) as backlogs:
        if made is Outbox:
            await drained(backlogs)
        async with stand.claimed(first) as session, session.ledger.unit() as unit:
            unit.record(NewEvent(event_type=EventType.TASK_STARTED))
            await unit.flush()  # written and not committed
            async with stand.claimed(second) as other, other.ledger.unit() as later:
                later.record(NewEvent(event_type=EventType.TASK_STARTED))
            await _until_carried(brokers, stand, second)
        await _until_carried(brokers, stand, await news(stand, *NEWS))
        if made is Outbox:
            await drained(backlogs)
    assert _judged(brokers, stand) == []


async def _until_carried(brokers: Cluster, stand: Stand, mission_id: str) -> None:
    wanted = {event["event_id"] for event in recorded(stand.db.dsn)[mission_id]}
    for _ in range(200):
        got = await asyncio.to_thread(consumed, brokers.servers)
        if wanted <= {m.value["event_id"] for m in got}:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"the events of {mission_id} did not arrive")


def _judged(brokers: Cluster, stand: Stand) -> list[str]:
    events = recorded(stand.db.dsn)
    return violations([m for m in consumed(brokers.servers) if m.key in events], events)


async def test_what_overlaps_is_carried_whole(stand: Stand, brokers: Cluster) -> None:
    await what_overlaps_is_carried_whole(stand, brokers, Outbox)


async def test_a_cursor_by_a_global_id_loses_what_commits_late(stand: Stand, brokers: Cluster) -> None:
    stand.db.run("alter table colony_events add column id bigint generated always as identity")
    sabotaged = type("Sabotaged", (ByGlobalId,), {"admin": stand.db})
    with pytest.raises(AssertionError, match="was lost"):
        await what_overlaps_is_carried_whole(stand, brokers, sabotaged)


class Hasty(KafkaChannel):
    """Counts what it was given as carried, whatever the broker says."""

    def _deliver(self, lines: Sequence[Line]) -> list[Carried]:
        super()._deliver(lines)
        return [Carried(len(line.events)) for line in lines]


async def a_broker_that_was_away_gets_everything(stand: Stand, made: type[KafkaChannel]) -> None:
    """The check: what is recorded while the broker is away arrives when it is back."""
    with cluster() as brokers:
        brokers.down()
        async with relaying(stand.db.dsn, made(brokers.servers, patience_s=0.3)) as backlogs:
            await news(stand, *NEWS)

            async def tried() -> None:
                while not any(row["relay_id"] for row in stand.db.rows("select relay_id from colony_outbox")):
                    if all(b.filled and not b.events for b in await backlogs.read()) and await backlogs.read():
                        return
                    await asyncio.sleep(0.01)

            await asyncio.wait_for(tried(), 20)
            if made is Hasty:
                await drained(backlogs)
            brokers.up()
            await drained(backlogs)
        assert violations(consumed(brokers.servers), recorded(stand.db.dsn)) == []


async def test_a_broker_that_was_away_gets_everything(stand: Stand) -> None:
    await a_broker_that_was_away_gets_everything(stand, KafkaChannel)


async def test_a_cursor_that_does_not_wait_for_the_acknowledgement_loses(stand: Stand) -> None:
    with pytest.raises(AssertionError, match="was lost"):
        await a_broker_that_was_away_gets_everything(stand, Hasty)


async def a_line_has_one_relay(stand: Stand) -> None:
    """The check: of many relays that look at the same moment, one gets a mission."""
    await news(stand, *NEWS)
    boxes = [Outbox(stand.pool, "kafka", f"relay-{n}", lease_ms=60_000) for n in range(6)]
    await boxes[0].open(from_start=True)
    async with AsyncExitStack():
        taken = await asyncio.gather(*(box.take(10, 100, 1_000_000) for box in boxes))
        taken += await asyncio.gather(*(box.take(10, 100, 1_000_000) for box in boxes))
    assert sum(map(len, taken)) == 1


async def test_a_line_has_one_relay(stand: Stand) -> None:
    await a_line_has_one_relay(stand)


async def test_without_the_lease_a_line_has_many(stand: Stand) -> None:
    stand.db.run(
        "create function no_lease() returns trigger language plpgsql as $$ begin new.due_at := old.due_at; "
        "return new; end $$",
        "create trigger no_lease before update on colony_outbox for each row execute function no_lease()",
    )
    with pytest.raises(AssertionError):
        await a_line_has_one_relay(stand)


async def a_receiver_believes_what_it_gets(stand: Stand) -> None:
    """The check: a receiver that verifies takes every post."""
    async with receiving() as receiver, relaying(stand.db.dsn, channel(receiver)) as backlogs:
        receiver.answer = lambda post: (204 if is_authentic(post) else 401, {})
        await drained(backlogs, "webhook")
        await news(stand, *NEWS)
        assert (await drained(backlogs, "webhook")).dead == 0
        assert len(receiver.posts) == len(NEWS)


async def test_a_receiver_believes_what_it_gets(stand: Stand) -> None:
    await a_receiver_believes_what_it_gets(stand)


async def test_without_the_signature_a_receiver_believes_nothing(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsigned(key: bytes, event_id: str, timestamp: int, body: bytes) -> dict[str, str]:
        return {"webhook-id": event_id, "webhook-timestamp": str(timestamp)}

    monkeypatch.setattr(webhook, "signed", unsigned)
    with pytest.raises(AssertionError):
        await a_receiver_believes_what_it_gets(stand)
