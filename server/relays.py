"""The relays of one process: one for each channel that the settings name, none where they name none."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

from adapters.postgres.backlog import Backlogs
from adapters.postgres.outbox import Outbox
from adapters.postgres.pools import Pool, open_pool
from contracts.errors import SettingInvalid
from contracts.ports.relayed import ChannelPort
from server.ending import ended
from server.relay import Pace, Relay
from server.settings import Settings

_OURS = ("security.", "sasl.", "ssl.", "compression.")
_ALSO = frozenset({"client.id", "message.max.bytes", "linger.ms"})


# A receiver of webhooks may be away for hours before its news are given up; a broker refuses an event for good.
PACES = {"kafka": Pace(), "webhook": Pace(missions=16, backoff_ms=1_000, longest_ms=3_600_000, attempts=20)}


class Relays:
    """Background tasks that carry events to the outside, and the view of what they have not carried yet."""

    def __init__(self, relays: Sequence[Relay], backlogs: Backlogs) -> None:
        self.backlogs = backlogs
        self._relays = relays
        self._tasks: list[asyncio.Task[None]] = []

    def __len__(self) -> int:
        return len(self._relays)

    def start(self) -> None:
        """Begin relaying, in the background."""
        self._tasks = [asyncio.create_task(relay.run(), name="relay") for relay in self._relays]

    async def wait(self) -> None:
        """Wait until a relay ends, which none does by itself; its error is raised. Without relays, wait for ever."""
        if not self._tasks:
            await asyncio.Event().wait()
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if not task.cancelled():
                task.result()

    async def stop(self) -> None:
        """Stop relaying. What is under way may be repeated by the next relay."""
        await ended(*self._tasks)


async def open_relays(settings: Settings, api: Pool, dsn: str, name: str, stack: AsyncExitStack) -> Relays:
    """Make the relays that the settings ask for.

    Raises:
        SettingInvalid: a channel's settings can't be used.
        StoreUnavailable: Postgres does not answer.
    """
    channels = channels_for(settings)
    if not channels:
        return Relays((), Backlogs(api))
    pool: Pool = await open_pool(
        dsn, name="relay", tenants=api.tenants, vault=api.vault, most=2 * len(channels), least=0
    )
    stack.push_async_callback(pool.close)
    for channel in channels:
        stack.push_async_callback(channel.aclose)
    relay_id = f"{name}:{uuid4().hex[:8]}"
    relays = [
        Relay(Outbox(pool, c.name, relay_id, lease_ms=PACES[c.name].lease_ms), c, PACES[c.name]) for c in channels
    ]
    return Relays(relays, Backlogs(api))


def channels_for(settings: Settings) -> list[ChannelPort]:
    """Build the channels; what one needs is imported here, when the settings name it."""
    found: list[ChannelPort] = []
    if settings.kafka_bootstrap_servers is not None:
        from adapters.events.kafka import KafkaChannel

        more = client_properties(settings.kafka_client_file) if settings.kafka_client_file else {}
        found.append(KafkaChannel(settings.kafka_bootstrap_servers, more))
    if settings.webhook_url is not None:
        from adapters.events.webhook import WebhookChannel, checked_url

        if settings.webhook_secret is None:
            raise SettingInvalid(
                "COLONY_WEBHOOK_URL needs COLONY_WEBHOOK_SECRET",
                hint="What is not signed can't be told from a forgery.",
            )
        private = settings.webhook_allow_private or not settings.deployment_mode.is_production
        url = checked_url(settings.webhook_url)
        found.append(WebhookChannel(url, settings.webhook_secret, settings.own_base_url, allow_private=private))
    return found


def client_properties(file: Path) -> dict[str, str]:
    """Read further properties of the Kafka client, ``name=value`` a line.

    Raises:
        SettingInvalid: the file can't be read, or sets what is not the operator's to set.
    """
    right = "It must be a file of lines such as security.protocol=SASL_SSL; only " + ", ".join(
        [*(f"{prefix}*" for prefix in _OURS), *sorted(_ALSO)]
    )
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError):
        raise SettingInvalid("KAFKA_CLIENT_FILE can't be read", hint=f"{right}.") from None
    found: dict[str, str] = {}
    for line in lines:
        name, equals, value = line.partition("=")
        name = name.strip()
        if not line or line.startswith("#"):
            continue
        if not equals or not (name.startswith(_OURS) or name in _ALSO):
            raise SettingInvalid("KAFKA_CLIENT_FILE has a line that can't be used", hint=f"{right}.")
        found[name] = value.strip()
    return found
