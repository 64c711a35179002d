"""A webhook as a channel: news for people, posted one by one for each mission, signed as Standard Webhooks has it.

At least once: ``webhook-id`` is the event's id, so a receiver drops what it has seen. No redirect is followed and no
proxy of the environment is used.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from adapters.events.notices import Event, notice
from adapters.outbound.addresses import is_loopback
from adapters.outbound.client import guarded
from adapters.outbound.gate import Gate, origin_of
from contracts.canonical import canonical_bytes
from contracts.errors import DestinationRefused, SettingInvalid
from contracts.ports.relayed import Carried, Line, Trouble
from contracts.topics import is_notified

_AT_A_TIME = 8
_LONGEST_WAIT_MS = 86_400_000
_SECRET_BYTES = range(24, 65)


@dataclass(frozen=True)
class Patience:
    """Times of the webhook channel, in seconds: for one answer, and for starting another post within a turn."""

    answer_s: float = 10.0
    turn_s: float = 5.0


class WebhookChannel:
    """Satisfies ``ChannelPort`` over HTTP.

    Args:
        url: where to post.
        secret: ``whsec_`` and base64, as Standard Webhooks' libraries take it.
        base_url: of this deployment's API, for the links.
        allow_private: whether the receiver may be on a private network or on this machine.
    """

    name = "webhook"
    from_start = False

    def __init__(
        self, url: str, secret: SecretStr, base_url: str, *, allow_private: bool, patience: Patience | None = None
    ) -> None:
        self._url = httpx.URL(url)
        self._key = key_of(secret)
        self._base_url = base_url
        self._patience = patience or Patience()
        gate = Gate(origin_of(self._url), inside=allow_private)
        self._client = guarded(httpx.AsyncClient, gate, timeout=self._patience.answer_s)
        self._at_a_time = asyncio.Semaphore(_AT_A_TIME)
        self._not_before = 0.0

    async def deliver(self, lines: Sequence[Line]) -> Sequence[Carried]:
        """Post what is news of each line; lines at the same time, a line's events one after the other."""
        until = time.monotonic() + self._patience.turn_s
        return await asyncio.gather(*(self._line(line, until) for line in lines))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _line(self, line: Line, until: float) -> Carried:
        for count, event in enumerate(line.events):
            if not is_notified(event):
                continue
            async with self._at_a_time:
                if time.monotonic() > until:
                    return Carried(count)
                if (wait := self._not_before - time.monotonic()) > 0:
                    return Carried(count, Trouble("told_to_wait", refused=False, retry_after_ms=int(wait * 1000)))
                trouble = await self._post(event)
            if trouble is not None:
                return Carried(count, trouble)
        return Carried(len(line.events))

    async def _post(self, event: Event) -> Trouble | None:
        body = canonical_bytes(notice(event, self._base_url))
        headers = {
            "content-type": "application/json",
            **signed(self._key, str(event["event_id"]), int(time.time()), body),
        }
        request = self._client.build_request("POST", self._url, content=body, headers=headers)
        try:
            async with asyncio.timeout(self._patience.answer_s):
                answer = await self._client.send(request, stream=True)
                await answer.aclose()  # what it says is of no use, and may be long
        except DestinationRefused:
            return Trouble("address_not_allowed", refused=True)
        except (httpx.HTTPError, OSError) as exc:
            return Trouble(type(exc).__name__, refused=True)
        if answer.is_success:
            return None
        wait_ms = retry_after_ms(answer.headers.get("retry-after"), datetime.now(UTC))
        self._not_before = max(self._not_before, time.monotonic() + wait_ms / 1000)
        return Trouble(f"http_{answer.status_code}", refused=True, retry_after_ms=wait_ms)


def signed(key: bytes, event_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers that sign a body: HMAC-SHA256 over ``id.timestamp.body``."""
    mac = hmac.new(key, f"{event_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
    }


def key_of(secret: SecretStr) -> bytes:
    """Return the key that a secret stands for.

    Raises:
        SettingInvalid: it is not ``whsec_`` and the base64 of 24 to 64 bytes.
    """
    try:
        key = base64.b64decode(secret.get_secret_value().removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) not in _SECRET_BYTES:
        raise SettingInvalid(
            "COLONY_WEBHOOK_SECRET has a wrong value",
            hint="It must be whsec_ and the base64 of 24 to 64 random bytes, as `openssl rand -base64 32` makes them.",
        )
    return key


def retry_after_ms(value: str | None, now: datetime) -> int:
    """Return the wait that a ``Retry-After`` asks for, seconds or a date; at most a day, 0 when it says nothing."""
    if not value:
        return 0
    try:
        wait_s = float(value) if value.strip().isdigit() else (parsedate_to_datetime(value) - now).total_seconds()
    except (ValueError, TypeError):
        return 0
    return max(0, min(_LONGEST_WAIT_MS, int(wait_s * 1000)))


def checked_url(url: str) -> str:
    """Return a webhook's URL if it may be used.

    Raises:
        SettingInvalid: it is neither https nor on loopback.
    """
    parts = urlsplit(url)
    if parts.username or parts.password or not (parts.scheme == "https" or is_loopback(parts.hostname or "")):
        raise SettingInvalid(
            "COLONY_WEBHOOK_URL has a wrong value",
            hint="It must be an https URL without a login, or http on loopback.",
        )
    return url
