"""The broker is away for a while, and a relay is killed after it has published and before it has marked."""

import asyncio
from typing import Any

from tests.faults.history import read_lines
from tests.faults.nursery import Process
from tests.faults.people import driven
from tests.faults.stand import TENANTS, Stand
from tests.relays.broker import Cluster, cluster
from tests.relays.judge import consumed, recorded, violations
from tests.support import until

_MISSIONS = 3
# A killed relay's lease on what it held lapses after three seconds (see child.py).
_DRAINED_S = 30.0
BETWEEN = "relay.after"
BEFORE = "relay.before"


async def broker(stand: Stand, count: int, seed: int, *, kill: str = BETWEEN) -> dict[str, Any]:
    """Take the broker down and kill a relay at a point, ``count`` times each, with missions under way."""
    with cluster() as kafka:
        await stand.serve()
        worker = await stand.worker()
        for _ in range(count):
            await _once(stand, kafka, kill)
        messages = await asyncio.to_thread(consumed, kafka.servers)
        for what in violations(messages, await asyncio.to_thread(recorded, stand.dsn)):
            stand.history.note("relay", "fail", what=what)
        events = len({message.value["event_id"] for message in messages})
        stand.history.note("relay", "ok", messages=len(messages), events=events)
        await worker.kill()
    killed = sum(line["what"] == "killed" for line in read_lines(stand.note))
    return {"outages": count, "relays killed": killed, "messages": len(messages), "events": events, "seed": seed}


async def _once(stand: Stand, kafka: Cluster, kill: str) -> None:
    relay = await _relay(stand, kafka, kill=kill)
    missions = {}
    for n in range(_MISSIONS):
        if mission_id := await stand.submit(TENANTS[n % 2]):
            missions[mission_id] = TENANTS[n % 2]
    await asyncio.wait_for(relay.ended.wait(), 90)
    relay = await _relay(stand, kafka)
    kafka.down()
    stand.history.note("broker-down", "fault")
    await driven(stand, missions)
    kafka.up()
    stand.history.note("broker-up", "fault")
    await _drained(stand)
    await relay.kill()


async def _relay(stand: Stand, kafka: Cluster, **order: Any) -> Process:
    return await stand.worker(role="relay", more={"KAFKA_BOOTSTRAP_SERVERS": kafka.servers}, **order)


async def _drained(stand: Stand) -> None:
    async def level() -> bool:
        rows = await stand.rows("select * from colony_backlog()")
        return bool(rows) and all(row["filled"] and row["events"] == 0 for row in rows)

    try:
        await until(level, "the outbox to drain", _DRAINED_S)
    except AssertionError as exc:
        stand.history.note("relay", "fail", what=str(exc))
