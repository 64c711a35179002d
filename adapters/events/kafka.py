"""Kafka as a channel: an idempotent producer, keyed by mission, that counts an event only when all replicas have it.

Order: within one producer's life a partition gets a gapless run of what it was given (``enable.gapless.guarantee``).
After any failure the producer is thrown away and the next begins at the cursor. So whatever is repeated, the *first*
appearance of each event is in order, and a consumer that drops what it has seen sees every mission in order.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from contracts.canonical import canonical_bytes
from contracts.ports.relayed import Carried, Line, Trouble
from contracts.topics import Topic, topics_of

# What a broker says of a message itself; anything else is said of the broker.
_REFUSALS = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_MSG_SIZE,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError.RECORD_LIST_TOO_LARGE,
    }
)
# What the client says when nobody answered; its error callback knows why.
_SILENCE = frozenset({KafkaError._MSG_TIMED_OUT, KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})
_Key = tuple[int, int, Topic]
_MOST_BYTES = 1_000_000
_ENVELOPE_BYTES = 20_000
_SLICE_S = 0.1


class KafkaChannel:
    """Satisfies ``ChannelPort`` over librdkafka.

    Args:
        servers: ``host:port`` of some brokers, separated by commas.
        more: further client properties, such as ``security.protocol``; they can't undo what the promises rest on.
        patience_s: how long one batch may take before it counts as not delivered.
    """

    name = "kafka"
    from_start = True

    def __init__(self, servers: str, more: Mapping[str, str] | None = None, *, patience_s: float = 5.0) -> None:
        self._config: dict[str, Any] = {
            "client.id": "colony",
            "linger.ms": 5,
            "message.max.bytes": _MOST_BYTES,
            "partitioner": "murmur2_random",  # as the Java clients: keys meet in the same partition
            **(more or {}),
            "bootstrap.servers": servers,
            "enable.idempotence": True,
            "enable.gapless.guarantee": True,
            "acks": "all",
            # No message times out by itself, for one after it might still be sent: a batch is given up as a whole.
            "message.timeout.ms": 0,
            "queue.buffering.max.kbytes": 65_536,
            "log_level": 2,
            "error_cb": self._note,
        }
        self._most_bytes = int(self._config["message.max.bytes"]) - _ENVELOPE_BYTES
        self._patience_s = patience_s
        self._producer: Producer | None = None
        self._last_error = ""
        self._closing = False

    def _note(self, error: KafkaError) -> None:
        self._last_error = error.name()

    async def deliver(self, lines: Sequence[Line]) -> Sequence[Carried]:
        """Produce the lines and wait for the acknowledgements; a line that was refused before goes alone."""
        return await asyncio.to_thread(self._deliver, lines)

    async def aclose(self) -> None:
        """Let go of the brokers; what is under way counts as not delivered."""
        self._closing = True
        await asyncio.to_thread(self._discard)

    def _deliver(self, lines: Sequence[Line]) -> list[Carried]:
        carried = [Carried(0)] * len(lines)
        fresh = [i for i, line in enumerate(lines) if line.attempts == 0]
        deadline = time.monotonic() + self._patience_s
        for group in (fresh, *([i] for i, line in enumerate(lines) if line.attempts)):
            if not group or self._closing or time.monotonic() > deadline:
                continue
            batch = _Batch([lines[i] for i in group])
            self._produce(batch)
            outcomes = batch.outcome(self._last_error)
            for i, outcome in zip(group, outcomes, strict=True):
                carried[i] = outcome
            if any(outcome.trouble for outcome in outcomes):
                self._discard()
        return carried

    def _produce(self, batch: _Batch) -> None:
        deadline = time.monotonic() + self._patience_s + 1
        producer = self._producer = self._producer or Producer(self._config)
        for i, line in enumerate(batch.lines):
            for j, event in enumerate(line.events):
                if not all(self._put(producer, batch, (i, j, topic), event, deadline) for topic in topics_of(event)):
                    break  # nothing of this line may overtake what could not be put
        while self._serve(producer) and time.monotonic() < deadline and not self._closing:
            continue

    def _serve(self, producer: Producer) -> int:
        """Let reports come in for a moment; returns how many are still to come."""
        try:
            return producer.flush(_SLICE_S)
        except (KafkaException, SystemError):
            # How the client says that it gave up to keep order; the reports on the messages come all the same.
            return len(producer)

    def _put(self, producer: Producer, batch: _Batch, key: _Key, event: Mapping[str, Any], deadline: float) -> bool:
        value, pointer = encoded(event, self._most_bytes)
        while True:
            try:
                producer.produce(
                    str(key[2]),
                    key=str(event["mission_id"]).encode(),
                    value=value,
                    headers=headers(event, pointer=pointer),
                    on_delivery=partial(batch.reported, key),
                )
            except BufferError:
                self._serve(producer)
                if time.monotonic() > deadline or self._closing:
                    return False
            except KafkaException as exc:
                batch.reports[key] = exc.args[0]
                return False
            else:
                return True

    def _discard(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.purge()
            self._serve(producer)


class _Batch:
    """What is to be carried at once, and what came back of each message."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines = lines
        self.reports: dict[_Key, KafkaError | None] = {}

    def reported(self, key: _Key, error: KafkaError | None, _message: Message | None) -> None:
        # Nothing may be called here: the client calls back with its own fatal error still pending.
        self.reports[key] = error

    def outcome(self, last_error: str) -> list[Carried]:
        return [self._line(i, line, last_error) for i, line in enumerate(self.lines)]

    def _line(self, i: int, line: Line, last_error: str) -> Carried:
        for j, event in enumerate(line.events):
            keys = [(i, j, topic) for topic in topics_of(event)]
            if all(key in self.reports and self.reports[key] is None for key in keys):
                continue
            errors = [error for key in keys if (error := self.reports.get(key)) is not None]
            refused = next((error.name() for error in errors if error.code() in _REFUSALS), None)
            if refused is not None:
                return Carried(j, Trouble(refused, refused=True))
            told = next((error.name() for error in errors if error.code() not in _SILENCE), last_error)
            return Carried(j, Trouble(told or "no_answer", refused=False))
        return Carried(len(line.events))


def encoded(event: Mapping[str, Any], most_bytes: int) -> tuple[bytes, bool]:
    """Return the event as canonical JSON; one that is too large as a pointer: the same without its payload.

    The pointer's payload is ``{"truncated": true, "bytes": n, "after": seq - 1}``; the whole event is to be had at
    ``GET /api/colony/missions/{mission_id}/events?after=``.
    """
    value = canonical_bytes(dict(event))
    if len(value) <= most_bytes:
        return value, False
    stub = {"truncated": True, "bytes": len(value), "after": event["seq"] - 1}
    return canonical_bytes({**event, "payload": stub}), True


def headers(event: Mapping[str, Any], *, pointer: bool) -> list[tuple[str, str | bytes | None]]:
    """Return what a consumer may route and drop by without parsing the value."""
    names = ("event_id", "event_type", "tenant_id", "trace_id", "schema_version", "seq")
    found: list[tuple[str, str | bytes | None]] = [(name, str(event[name]).encode()) for name in names]
    return [*found, ("truncated", b"true")] if pointer else found
