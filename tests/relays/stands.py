"""Relays over a given database, in this process: for these tests, and for whoever wants one beside a fault."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import uuid4

from adapters.events.kafka import KafkaChannel
from adapters.postgres.backlog import Backlog, Backlogs
from adapters.postgres.outbox import Outbox
from adapters.postgres.pools import Pool, open_pool
from adapters.postgres.provision import dsns_for
from adapters.postgres.secrets import read_secrets
from contracts.ports.relayed import ChannelPort
from server.relay import Pace, Relay
from server.relays import Relays
from tests.support import until

QUICK = Pace(poll_ms=10, lease_ms=2_000, backoff_ms=20, longest_ms=200, attempts=3)


@asynccontextmanager
async def pooled(database: str) -> AsyncIterator[Pool]:
    """Open a pool as the service's own role."""
    key = read_secrets(database).tenants
    pool = await open_pool(dsns_for(database).app, name="relay", tenants=key, most=4, least=0)
    try:
        yield pool
    finally:
        await pool.close()


@asynccontextmanager
async def relaying(
    database: str,
    channel: ChannelPort,
    pace: Pace = QUICK,
    outbox: Callable[..., Outbox] = Outbox,
) -> AsyncIterator[Backlogs]:
    """Relay over a channel for the block, which gets the view of the backlog."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(pooled(database))
        stack.push_async_callback(channel.aclose)
        made = Relay(outbox(pool, channel.name, uuid4().hex, lease_ms=pace.lease_ms), channel, pace)
        relays = Relays([made], Backlogs(pool))
        relays.start()
        stack.push_async_callback(relays.stop)
        yield relays.backlogs


def kafka(servers: str, **more: str) -> KafkaChannel:
    """Return the real channel, with little patience."""
    return KafkaChannel(servers, more, patience_s=1.0)


async def drained(backlogs: Backlogs, channel: str = "kafka", patience_s: float = 20.0) -> Backlog:
    """Wait until nothing is behind."""

    async def level() -> Backlog | None:
        return next((b for b in await backlogs.read() if b.channel == channel and b.filled and b.events == 0), None)

    found = await until(level, f"{channel} to drain", patience_s)
    assert isinstance(found, Backlog)
    return found
