"""How much one caller and one tenant may ask of this process: requests a minute, and event streams at a time."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from contracts.errors import TooMany
from server.principal import Principal
from server.settings import Settings
from server.standing import while_it_holds

_BURST_S = 20
"""After a rest a caller may use up at once what it may in so many seconds."""
_MOST_KNOWN = 10_000
_STREAM_RETRY_S = 5.0


class Buckets:
    """Token buckets by name. One that has not been used for longest is forgotten, which gives it back full."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = per_minute / 60
        self._size = max(1.0, self._rate * _BURST_S)
        self._clock = clock
        self._levels: OrderedDict[Any, tuple[float, float]] = OrderedDict()

    def take(self, name: Any) -> float:
        """Take one from a bucket; returns 0, or for how many seconds there is none."""
        now = self._clock()
        level, since = self._levels.pop(name, (self._size, now))
        level = min(self._size, level + (now - since) * self._rate)
        wait = 0.0 if level >= 1 else (1 - level) / self._rate
        self._levels[name] = (level if wait else level - 1, now)
        if len(self._levels) > _MOST_KNOWN:
            self._levels.popitem(last=False)
        return wait


class Limits:
    """Holds callers with credentials to the settings' limits; a developer's own machine has none."""

    def __init__(self, settings: Settings, refused: Callable[[str], None]) -> None:
        self._principals = Buckets(settings.rate_per_principal)
        self._tenants = Buckets(settings.rate_per_tenant)
        self._most = {"principal": settings.streams_per_principal, "tenant": settings.streams_per_tenant}
        self._open: Counter[tuple[str, Any]] = Counter()
        self._refused = refused

    def admit(self, who: Principal) -> None:
        """Count a request.

        Raises:
            TooMany: the caller or its tenant has had its share for now.
        """
        if who.local:
            return
        # Its own first: a caller that is refused takes nothing from its tenant.
        if wait := self._principals.take((who.tenant_id, who.actor_id)):
            raise self._too_many("principal_rate", "requests by this caller", wait)
        if wait := self._tenants.take(who.tenant_id):
            raise self._too_many("tenant_rate", "requests of this tenant", wait)

    @contextmanager
    def streaming(self, who: Principal) -> Iterator[None]:
        """Hold a place for an event stream for the block.

        Raises:
            TooMany: the caller or its tenant has as many open as it may.
        """
        if who.local:
            yield
            return
        places = {"principal": ("principal", (who.tenant_id, who.actor_id)), "tenant": ("tenant", who.tenant_id)}
        for whose, place in places.items():
            if self._open[place] >= self._most[whose]:
                raise self._too_many(f"{whose}_streams", f"event streams of this {whose}", _STREAM_RETRY_S)
        self._open.update(places.values())
        try:
            yield
        finally:
            self._open.subtract(places.values())
            self._open += Counter()  # forgets those that are at nought

    def _too_many(self, limit: str, what: str, wait_s: float) -> TooMany:
        self._refused(limit)
        return TooMany(f"too many {what}", retry_after_s=wait_s)


class LimitedStream(StreamingResponse):
    """A stream that has its place while it is sent, and not a moment longer: refused before its first byte.

    It ends with the caller's credentials.
    """

    def __init__(self, content: Any, request: Request, who: Principal, **more: Any) -> None:
        super().__init__(while_it_holds(content, request), **more)
        self._limits: Limits = request.app.state.limits
        self._who = who

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream.

        Raises:
            TooMany: there is no place for it.
        """
        with self._limits.streaming(self._who):
            try:
                await super().__call__(scope, receive, send)
            finally:
                if isinstance(self.body_iterator, AsyncGenerator):  # at once, not when somebody collects it
                    await self.body_iterator.aclose()
