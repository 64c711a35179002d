"""What the topics hold, and whether it is what the database holds: nothing lost, invented or out of order.

For a fault harness: ``violations(consumed(servers), recorded(dsn))`` is empty, whatever was killed in between.
"""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from contracts.topics import Topic, topics_of
from tests.adapters.postgres.backdoor import Backdoor

PATIENCE_S = 10.0


@dataclass(frozen=True)
class Message:
    """One message as a consumer got it."""

    topic: str
    partition: int
    offset: int
    key: str
    value: dict[str, Any]
    headers: dict[str, str]


def recorded(dsn: str) -> dict[str, list[dict[str, Any]]]:
    """Return every mission's events as stored, in order of seq, by mission."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in Backdoor(dsn).rows("select * from colony_events order by mission_id, seq"):
        chain = {name: row[name] for name in ("seq", "prev_hash", "hash")}
        found.setdefault(row["mission_id"], []).append({**json.loads(bytes(row["content"])), **chain})
    return found


def consumed(servers: str) -> list[Message]:
    """Read every topic of the backbone from its beginning to its present end, partition by partition."""
    consumer = Consumer(
        {"bootstrap.servers": servers, "group.id": "judge", "enable.auto.commit": False, "log_level": 2}
    )
    try:
        known = consumer.list_topics(timeout=PATIENCE_S).topics
        parts = [
            TopicPartition(topic, number, 0)
            for topic in sorted(known.keys() & {t.value for t in Topic})
            for number in known[topic].partitions
        ]
        ends = {(p.topic, p.partition): consumer.get_watermark_offsets(p, timeout=PATIENCE_S)[1] for p in parts}
        left = sum(ends.values())
        consumer.assign(parts)
        found: list[Message] = []
        deadline = time.monotonic() + PATIENCE_S
        while len(found) < left:
            assert time.monotonic() < deadline, f"{len(found)} of {left} messages"
            got = consumer.poll(0.05)
            if got is not None:
                assert got.error() is None, got.error()
                found.append(_message(got))
        return found
    finally:
        consumer.close()


def _message(got: Any) -> Message:
    named = {name: value.decode() for name, value in got.headers() or []}
    return Message(got.topic(), got.partition(), got.offset(), got.key().decode(), json.loads(got.value()), named)


def violations(messages: Iterable[Message], events: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """Judge what a consumer sees who drops the event ids that it has seen.

    Returns one sentence for each event that was lost, invented, changed, keyed wrongly or seen before its predecessor.
    """
    stored = {event["event_id"]: event for line in events.values() for event in line}
    seen: dict[tuple[str, str], list[str]] = {}
    found: list[str] = []
    for message in messages:
        event_id = message.value["event_id"]
        if event_id not in stored:
            found.append(f"{message.topic}: {event_id} was never recorded")
            continue
        line = seen.setdefault((message.topic, message.key), [])
        if event_id not in line:
            line.append(event_id)
        found += _differences(message, stored[event_id])
    for mission_id, line in events.items():
        for topic in Topic:
            expected = [event["event_id"] for event in line if topic in topics_of(event)]
            got = seen.get((topic.value, mission_id), [])
            lost = [event_id for event_id in expected if event_id not in got]
            found += [f"{topic}: {event_id} of {mission_id} was lost" for event_id in lost]
            if not lost and got != expected:
                found.append(f"{topic}: the events of {mission_id} are out of order")
    return found


def _differences(message: Message, event: Mapping[str, Any]) -> list[str]:
    where = f"{message.topic}: {event['event_id']}"
    found = []
    if message.key != event["mission_id"]:
        found.append(f"{where} has the key {message.key}")
    value = dict(message.value)
    if message.headers.get("truncated"):
        value["payload"] = event["payload"]
    if value != event:
        found.append(f"{where} is not what was recorded")
    named = ("event_id", "event_type", "tenant_id", "trace_id", "schema_version", "seq")
    wrong = [name for name in named if message.headers.get(name) != str(event[name])]
    return [*found, *(f"{where} has the header {name}={message.headers.get(name)}" for name in wrong)]
